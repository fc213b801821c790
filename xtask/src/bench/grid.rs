//! The grid: kind x size x (guards x audit), every subject in turn, round after round.
use super::GatewayArgs;
use super::disk::SyncTimes;
use super::load::{Pace, Spec};
use super::process::load1;
use super::report::{
    Case, Cell, HeldStreams, Line, Machine, Run, Skipped, Verdict, VoidRun, print, print_text, say,
};
use super::rig::{Cost, Rig, Server, Subject};
use super::shape::Shape;
use super::stats::{float, median, micros, tenth};
use super::subject::Setting;
use super::{streams, table};
use anyhow::Result;
use std::process::ExitCode;

/// Names of all that can be measured.
pub(crate) const SCENARIOS: [&str; 7] =
    ["plain-1", "plain-10", "plain-100", "stream-1", "stream-10", "stream-100", "streams"];
/// Content events of a stream in the grid.
const CHUNKS: u32 = 64;
/// Requests on each connection before the first run.
const WARM: u32 = 3;
/// The settings of the gateway, from bare to full.
const SETTINGS: [Setting; 4] = [
    Setting { guards: false, audit: false },
    Setting { guards: false, audit: true },
    Setting { guards: true, audit: false },
    Setting { guards: true, audit: true },
];
/// Targets: CPU per plain request of 1 KiB with everything on, and what 1,000 requests per second may add at p99.
const CPU_US_MAX: f64 = 60.0;
const ADDED_P99_US_MAX: f64 = 1000.0;
const TARGET_RATE: u32 = 1000;
const TARGET_STREAMS: u64 = 1000;
/// Below so many rounds, and above so late a hand-out, a verdict is in doubt.
const ROUNDS_MIN: usize = 3;
const LATE_P99_US_MAX: f64 = 500.0;

/// One kind and one size.
#[derive(Clone, Copy, Debug)]
struct Group {
    stream: bool,
    kib: u32,
}

impl Group {
    const ALL: [Self; 6] = {
        const fn group(stream: bool, kib: u32) -> Group {
            Group { stream, kib }
        }
        [
            group(false, 1),
            group(false, 10),
            group(false, 100),
            group(true, 1),
            group(true, 10),
            group(true, 100),
        ]
    };

    fn kind(self) -> &'static str {
        if self.stream { "stream" } else { "plain" }
    }

    fn name(self) -> String {
        format!("{}-{}", self.kind(), self.kib)
    }

    fn shape(self) -> Shape {
        Shape {
            stream: self.stream,
            text_bytes: self.kib * 1024,
            n_chunks: if self.stream { CHUNKS } else { 1 },
            delay_ms: 0,
        }
    }

    /// Requests per second that leave even a small machine most of its time, so that latency is not queueing.
    fn rate(self) -> u32 {
        match (self.stream, self.kib) {
            (false, 1) => TARGET_RATE,
            (false, 10) => 500,
            (true, 100) => 50,
            _ => 100,
        }
    }
}

/// How long and how often.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: u32,
    closed_ms: u64,
    open_ms: u64,
    conc: usize,
    rate: Option<u32>,
}

impl Plan {
    fn new(arguments: &GatewayArgs) -> Self {
        let (rounds, ms) = if arguments.quick { (1, 1000) } else { (3, 5000) };
        let ms = arguments.seconds.map_or(ms, |seconds| seconds * 1000);
        let closed_ms = ms * 2 / 5;
        Self {
            rounds: arguments.rounds.unwrap_or(rounds),
            closed_ms,
            open_ms: ms - closed_ms,
            conc: usize::from(arguments.conc),
            rate: arguments.rate,
        }
    }
}

/// What has been printed, and whether it can be trusted.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    lines: Vec<Line>,
    voids: usize,
}

impl Sheet {
    /// Prints a line and remembers it.
    pub(crate) fn put(&mut self, line: Line) -> Result<()> {
        print(&line)?;
        self.lines.push(line);
        Ok(())
    }

    /// Prints that a run says nothing.
    pub(crate) fn put_void(&mut self, what: String, reason: String) -> Result<()> {
        self.voids += 1;
        self.put(Line::Void(VoidRun { void: true, what, reason }))
    }
}

/// Measures all that was asked for.
pub(crate) fn run(arguments: &GatewayArgs) -> Result<ExitCode> {
    let rig = Rig::new(arguments)?;
    let mut sheet = Sheet::default();
    let wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let subjects = subjects(arguments, &mut sheet)?;
    let plan = Plan::new(arguments);
    sheet.put(Line::Machine(machine(arguments, plan)))?;
    for group in Group::ALL {
        if wanted(&group.name()) {
            measure_group(&rig, group, &subjects, plan, &mut sheet)?;
        }
    }
    if wanted("streams") {
        streams::run(&rig, arguments, &mut sheet)?;
    }
    for verdict in verdicts(&sheet.lines) {
        sheet.put(Line::Verdict(verdict))?;
    }
    if arguments.table {
        print_text(&table::render(&sheet.lines))?;
    }
    if sheet.voids > 0 {
        say(&format!("{} run(s) were void: these figures are not to be quoted", sheet.voids));
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

fn subjects(arguments: &GatewayArgs, sheet: &mut Sheet) -> Result<Vec<Subject>> {
    let all = [Subject::Floor, Subject::Nginx].into_iter().chain(SETTINGS.map(Subject::Bartizan));
    let mut subjects = Vec::new();
    for subject in
        all.filter(|subject| arguments.subjects.iter().any(|name| name == subject.name()))
    {
        match Rig::missing(subject) {
            Some(reason) => sheet.put(Line::Skipped(Skipped { what: subject.label(), reason }))?,
            None => subjects.push(subject),
        }
    }
    Ok(subjects)
}

fn machine(arguments: &GatewayArgs, plan: Plan) -> Machine {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: cpu.to_owned(),
        kernel: kernel.trim().to_owned(),
        rounds: plan.rounds,
        seconds: std::time::Duration::from_millis(plan.closed_ms + plan.open_ms).as_secs_f64(),
        connections: plan.conc,
        floor_workers: usize::from(arguments.workers),
        subjects: arguments.subjects.clone(),
    }
}

fn measure_group(
    rig: &Rig,
    group: Group,
    subjects: &[Subject],
    plan: Plan,
    sheet: &mut Sheet,
) -> Result<()> {
    say(&format!("{}: {} round(s) of {} subject(s)", group.name(), plan.rounds, subjects.len()));
    let mut servers = Vec::new();
    for subject in subjects {
        match rig.start(*subject) {
            Ok(server) => servers.push(server),
            Err(error) => sheet
                .put_void(format!("{} {}", group.name(), subject.label()), format!("{error:#}"))?,
        }
    }
    let mut syncs = SyncTimes::default();
    let mut runs = Vec::new();
    for round in 0..plan.rounds {
        syncs.measure(rig.dir())?;
        // Another one goes first each time, lest the place in the row be what is measured.
        let n_ahead = usize::try_from(round)? % servers.len().max(1);
        servers.rotate_left(n_ahead);
        for server in &servers {
            runs.extend(measure_turn(rig, group, server, round, plan, sheet)?);
        }
    }
    for subject in subjects {
        if let Some(cell) = cell_of(&case_of(group, *subject), &runs, &syncs) {
            sheet.put(Line::Cell(Box::new(cell)))?;
        }
    }
    Ok(())
}

/// One turn of one server: the closed loop, then the open one. A void run is printed and left out.
fn measure_turn(
    rig: &Rig,
    group: Group,
    server: &Server,
    round: u32,
    plan: Plan,
    sheet: &mut Sheet,
) -> Result<Vec<Run>> {
    let rate = plan.rate.unwrap_or(group.rate());
    let n = (u64::from(rate) * plan.open_ms / 1000).max(1);
    let mut runs = Vec::new();
    for pace in [Pace::Closed { ms: plan.closed_ms }, Pace::Open { rate, n }] {
        let ms = if let Pace::Closed { ms } = pace { ms } else { plan.open_ms };
        let spec = Spec {
            port: 0,
            bearer: None,
            shape: group.shape(),
            n_connections: plan.conc,
            n_warm: WARM,
            pace,
            cutoff_ms: ms * 3 / 2 + 5000,
        };
        let case = case_of(group, server.subject);
        let run = rig
            .drive(server, spec, |_| {})
            .map_err(|error| format!("{error:#}"))
            .and_then(|cost| run_of(case, round, pace, &cost));
        match run {
            Ok(run) => {
                sheet.put(Line::Run(Box::new(run.clone())))?;
                runs.push(run);
            }
            Err(reason) => {
                sheet.put_void(format!("{} {}", group.name(), server.subject.label()), reason)?;
            }
        }
    }
    Ok(runs)
}

fn case_of(group: Group, subject: Subject) -> Case {
    Case {
        kind: group.kind().to_owned(),
        kib: group.kib,
        subject: subject.name().to_owned(),
        guards: subject.guards(),
        audit: subject.audit(),
    }
}

/// The line of a run, or why it is void.
fn run_of(case: Case, round: u32, pace: Pace, cost: &Cost) -> Result<Run, String> {
    let tally = &cost.tally;
    if tally.bad > 0 || tally.unsent > 0 || tally.n == 0 {
        let error = tally.error.as_deref().unwrap_or("no answer came in time");
        return Err(format!(
            "{} good, {} bad, {} unsent: {error}",
            tally.n, tally.bad, tally.unsent
        ));
    }
    let [cpu_us, cpu_us_upstream, cpu_us_load] =
        cost.cpu_ns.map(|ns| tenth(micros(ns) / float(tally.n)));
    let (mode, rate) = match pace {
        Pace::Closed { .. } => ("closed", None),
        Pace::Open { rate, .. } => ("open", Some(rate)),
    };
    Ok(Run {
        case,
        round,
        mode: mode.to_owned(),
        rate,
        per_second: tenth(float(tally.n) / tally.seconds.max(1e-9)),
        tally: tally.clone(),
        cpu_us,
        cpu_us_upstream,
        cpu_us_load,
        syncs_per_request: cost
            .syncs
            .map(|syncs| (float(syncs) / float(tally.n) * 1000.0).round() / 1000.0),
        rss_mib: mib(cost.memory.rss_kib),
        rss_peak_mib: mib(cost.memory.rss_peak_kib),
        load1: load1(),
    })
}

/// KiB as MiB, to a tenth.
pub(crate) fn mib(kib: u64) -> f64 {
    tenth(float(kib) / 1024.0)
}

/// All rounds of one case; `None` when one of the loops has no good run.
fn cell_of(case: &Case, runs: &[Run], syncs: &SyncTimes) -> Option<Cell> {
    let of = |mode: &'static str, floor: bool| {
        runs.iter().filter(move |run| {
            run.mode == mode && if floor { run.case.subject == "floor" } else { run.case == *case }
        })
    };
    let closed = |field: fn(&Run) -> f64| median(of("closed", false).map(field));
    let open = |field: fn(&Run) -> f64| median(of("open", false).map(field));
    // A round's figure and the floor's in the same round.
    let against = |mode: &'static str, field: fn(&Run) -> f64, compare: fn(f64, f64) -> f64| {
        let pairs = of(mode, false).filter_map(|run| {
            of(mode, true).find(|floor| floor.round == run.round).map(|floor| (run, floor))
        });
        median(pairs.map(|(run, floor)| compare(field(run), field(floor))))
    };
    let minus = |mine: f64, floors: f64| tenth(mine - floors);
    let over = |mine: f64, floors: f64| (mine / floors.max(0.1) * 100.0).round() / 100.0;
    let syncs_per_request: Vec<f64> =
        of("closed", false).filter_map(|run| run.syncs_per_request).collect();
    Some(Cell {
        case: case.clone(),
        rounds: of("open", false).count().min(of("closed", false).count()),
        n: of("open", false).chain(of("closed", false)).map(|run| run.tally.n).sum(),
        cpu_us: closed(|run| run.cpu_us)?,
        cpu_us_upstream: closed(|run| run.cpu_us_upstream)?,
        cpu_us_load: closed(|run| run.cpu_us_load)?,
        cpu_x_floor: against("closed", |run| run.cpu_us, over),
        per_second: closed(|run| run.per_second)?,
        syncs_per_request: median(syncs_per_request),
        rate: of("open", false).find_map(|run| run.rate)?,
        p50_us: open(|run| run.tally.p50_us)?,
        p99_us: open(|run| run.tally.p99_us)?,
        p999_us: open(|run| run.tally.p999_us)?,
        first_p50_us: open(|run| run.tally.first_p50_us)?,
        first_p50_over_floor_us: against("open", |run| run.tally.first_p50_us, minus),
        p50_over_floor_us: against("open", |run| run.tally.p50_us, minus),
        p99_over_floor_us: against("open", |run| run.tally.p99_us, minus),
        p50_x_floor: against("open", |run| run.tally.p50_us, over),
        p99_x_floor: against("open", |run| run.tally.p99_us, over),
        late_p99_us: open(|run| run.tally.late_p99_us)?,
        fdatasync_p50_us: micros(syncs.quantile(500)),
        fdatasync_p99_us: micros(syncs.quantile(990)),
        rss_mib: open(|run| run.rss_mib)?,
        rss_peak_mib: open(|run| run.rss_peak_mib)?,
        load1: open(|run| run.load1)?,
    })
}

/// The project's targets, as far as these lines can tell.
fn verdicts(lines: &[Line]) -> Vec<Verdict> {
    let verdicts = lines.iter().flat_map(|line| match line {
        Line::Cell(cell) => cell_verdicts(cell),
        Line::Streams(held) if held.subject == "bartizan" && held.streams >= TARGET_STREAMS => {
            stream_verdicts(held)
        }
        _ => Vec::new(),
    });
    verdicts.collect()
}

fn verdict(target: &str, value: f64, limit: f64, doubt: Option<String>) -> Verdict {
    Verdict {
        target: target.to_owned(),
        value: tenth(value),
        limit: tenth(limit),
        met: value <= limit,
        doubt,
    }
}

fn cell_verdicts(cell: &Cell) -> Vec<Verdict> {
    let case = &cell.case;
    let full = case.guards.as_deref() == Some("on") && case.audit.as_deref() == Some("durable");
    if case.kind != "plain" || case.kib != 1 || !full {
        return Vec::new();
    }
    let few = (cell.rounds < ROUNDS_MIN).then(|| format!("only {} round(s)", cell.rounds));
    let late = (cell.late_p99_us > LATE_P99_US_MAX)
        .then(|| format!("the hand-out itself was {:.0} us late at p99", cell.late_p99_us));
    let mut verdicts = vec![verdict(
        "CPU us per plain 1 KiB request, guards on, audit durable",
        cell.cpu_us,
        CPU_US_MAX,
        few.clone(),
    )];
    if let (Some(added), TARGET_RATE) = (cell.p99_over_floor_us, cell.rate) {
        let limit = ADDED_P99_US_MAX + 2.0 * cell.fdatasync_p99_us;
        verdicts.push(verdict(
            "us over the floor's p99 at 1,000 requests/s (1 ms and 2 fdatasync p99)",
            added,
            limit,
            late.or(few),
        ));
    }
    verdicts
}

fn stream_verdicts(held: &HeldStreams) -> Vec<Verdict> {
    let name = format!("with {} open streams", held.streams);
    let grown = held.rss_end_mib - held.rss_open_mib;
    vec![
        verdict(&format!("MiB RSS {name}"), held.rss_peak_mib, streams::RSS_MIB_MAX, None),
        verdict(&format!("MiB RSS grown while held, {name}"), grown, streams::GROWTH_MIB_MAX, None),
    ]
}

#[cfg(test)]
mod tests;
