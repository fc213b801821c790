use super::*;
use crate::bench::load::Tally;
use crate::bench::process::Memory;

const FULL: Subject = Subject::Bartizan(Setting { guards: true, audit: true });
const PLAIN: Group = Group { stream: false, kib: 1 };

fn cost(n: u64, bad: u64, unsent: u64, p99_us: f64, cpu_ns: u64) -> Cost {
    let tally =
        Tally { n, bad, unsent, seconds: 2.0, p50_us: p99_us / 2.0, p99_us, ..Tally::default() };
    Cost {
        tally,
        cpu_ns: [cpu_ns, 2 * cpu_ns, 3 * cpu_ns],
        syncs: Some(n / 4),
        memory: Memory { rss_kib: 1024, rss_peak_kib: 2048 },
    }
}

fn run(subject: Subject, round: u32, pace: Pace, cost: &Cost) -> Result<Run, String> {
    run_of(case_of(PLAIN, subject), round, pace, cost)
}

#[test]
fn a_run_with_any_failure_is_void() {
    let pace = Pace::Closed { ms: 1 };
    for (name, n, bad, unsent, valid) in [
        ("good", 100, 0, 0, true),
        ("one bad", 99, 1, 0, false),
        ("one unsent", 99, 0, 1, false),
        ("none", 0, 0, 0, false),
    ] {
        assert_eq!(run(FULL, 0, pace, &cost(n, bad, unsent, 9.0, 1000)).is_ok(), valid, "{name}");
    }
    let good = run(FULL, 0, pace, &cost(100, 0, 0, 9.0, 5_000_000)).unwrap();
    assert_eq!((good.cpu_us, good.cpu_us_upstream, good.cpu_us_load), (50.0, 100.0, 150.0));
    assert_eq!(
        (good.per_second, good.syncs_per_request, good.rss_mib, good.rss_peak_mib),
        (50.0, Some(0.25), 1.0, 2.0)
    );
}

#[test]
fn cells_pair_with_the_floor_of_the_same_round() {
    let (closed, open) = (Pace::Closed { ms: 1 }, Pace::Open { rate: 1000, n: 100 });
    let mut runs = Vec::new();
    // The machine gets slower from round to round; what we add stays 100 us and a factor of 3.
    for (round, floor_p99, floor_cpu) in
        [(0, 100.0, 1_000_000), (1, 200.0, 2_000_000), (2, 900.0, 9_000_000)]
    {
        for pace in [closed, open] {
            runs.push(
                run(Subject::Floor, round, pace, &cost(100, 0, 0, floor_p99, floor_cpu)).unwrap(),
            );
            runs.push(
                run(FULL, round, pace, &cost(100, 0, 0, floor_p99 + 100.0, 3 * floor_cpu)).unwrap(),
            );
        }
    }
    let cell = cell_of(&case_of(PLAIN, FULL), &runs, &SyncTimes::default()).unwrap();
    assert_eq!((cell.rounds, cell.n, cell.rate), (3, 600, 1000));
    assert_eq!((cell.cpu_us, cell.cpu_x_floor), (60.0, Some(3.0)));
    assert_eq!(
        (cell.p99_us, cell.p99_over_floor_us, cell.p50_over_floor_us),
        (300.0, Some(100.0), Some(50.0))
    );
    let floor = cell_of(&case_of(PLAIN, Subject::Floor), &runs, &SyncTimes::default()).unwrap();
    assert_eq!((floor.cpu_x_floor, floor.p99_over_floor_us), (Some(1.0), Some(0.0)));

    runs.retain(|run| run.case.subject != "floor");
    let alone = cell_of(&case_of(PLAIN, FULL), &runs, &SyncTimes::default()).unwrap();
    assert_eq!(
        (alone.cpu_x_floor, alone.p99_over_floor_us),
        (None, None),
        "without a floor there is no comparison"
    );
    runs.retain(|run| run.mode != "open");
    assert!(
        cell_of(&case_of(PLAIN, FULL), &runs, &SyncTimes::default()).is_none(),
        "half a cell is none"
    );
}

#[test]
fn verdicts_are_strict() {
    let cell = |cpu_us: f64, p99: f64, rate: u32| {
        let runs =
            [(Subject::Floor, 100.0, 1.0), (FULL, p99, cpu_us)].map(|(subject, p99, cpu_us)| {
                [Pace::Closed { ms: 1 }, Pace::Open { rate, n: 100 }].map(|pace| {
                    let mut run = run(subject, 0, pace, &cost(100, 0, 0, p99, 1)).unwrap();
                    run.cpu_us = cpu_us;
                    run
                })
            });
        Line::Cell(Box::new(
            cell_of(&case_of(PLAIN, FULL), runs.as_flattened(), &SyncTimes::default()).unwrap(),
        ))
    };
    let cases = [
        ("both met", cell(60.0, 1100.0, 1000), vec![true, true]),
        ("both missed", cell(60.1, 1100.1, 1000), vec![false, false]),
        ("another rate says nothing of p99", cell(59.0, 5.0, 500), vec![true]),
    ];
    for (name, line, want) in cases {
        assert_eq!(
            verdicts(&[line]).iter().map(|verdict| verdict.met).collect::<Vec<_>>(),
            want,
            "{name}"
        );
    }
    let doubts: Vec<bool> =
        verdicts(&[cell(1.0, 1.0, 1000)]).iter().map(|verdict| verdict.doubt.is_some()).collect();
    assert_eq!(doubts, [true, true], "one round is not enough to be sure");
    assert!(verdicts(&[]).is_empty());
}

#[test]
fn every_scenario_has_a_name() {
    let names: Vec<String> =
        Group::ALL.iter().map(|group| group.name()).chain(["streams".to_owned()]).collect();
    assert_eq!(names, SCENARIOS);
}
