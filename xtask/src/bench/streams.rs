//! Many streams, open at once and slow, as people who read are: what does each cost, and does it grow?
use super::GatewayArgs;
use super::grid::{Sheet, mib};
use super::load::{Pace, Spec};
use super::process::Memory;
use super::report::{HeldStreams, Line, say};
use super::rig::{Rig, Subject};
use super::shape::Shape;
use super::stats::{float, median, micros, tenth};
use super::subject::Setting;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// Targets: all streams open, and between the moment when they are and the end of the hold.
pub(crate) const RSS_MIB_MAX: f64 = 64.0;
pub(crate) const GROWTH_MIB_MAX: f64 = 2.0;
/// Streams are opened within so long.
const RAMP: Duration = Duration::from_secs(2);
/// A token every so often, of so many bytes.
const TOKEN_MS: u32 = 200;
const TOKEN_BYTES: u32 = 5;

/// Holds the streams open through each subject in turn.
pub(crate) fn run(rig: &Rig, arguments: &GatewayArgs, sheet: &mut Sheet) -> Result<()> {
    let hold_s = arguments.hold.unwrap_or(if arguments.quick { 6 } else { 30 });
    let all = [Subject::Floor, Subject::Bartizan(Setting { guards: true, audit: true })];
    for subject in all
        .into_iter()
        .filter(|subject| arguments.subjects.iter().any(|name| name == subject.name()))
    {
        say(&format!("{} streams through {} for {hold_s} s", arguments.streams, subject.label()));
        match hold(rig, subject, u32::from(arguments.streams), hold_s) {
            Ok(held) => sheet.put(Line::Streams(held)),
            Err(error) => {
                sheet.put_void(format!("streams {}", subject.label()), format!("{error:#}"))
            }
        }?;
    }
    Ok(())
}

fn hold(rig: &Rig, subject: Subject, n_streams: u32, hold_s: u32) -> Result<HeldStreams> {
    let server = rig.start(subject)?;
    let start = Memory::take(server.pid())?;
    let n_chunks = hold_s * 1000 / TOKEN_MS;
    let shape =
        Shape { stream: true, text_bytes: n_chunks * TOKEN_BYTES, n_chunks, delay_ms: TOKEN_MS };
    let pace = Pace::Open { rate: n_streams.div_ceil(2), n: u64::from(n_streams) };
    let spec = Spec {
        port: 0,
        bearer: None,
        shape,
        n_connections: usize::try_from(n_streams)?,
        n_warm: 0,
        pace,
        cutoff_ms: u64::from(hold_s) * 1500 + 10_000,
    };
    let mut samples: Vec<(Duration, u64)> = Vec::new();
    let mut begin = None;
    let cost = rig.drive(&server, spec, |pid| {
        // The first tick belongs to the connecting; the clock starts with it, a fifth of a second early at most.
        let begin = *begin.get_or_insert_with(Instant::now);
        if let Ok(memory) = Memory::take(pid) {
            samples.push((begin.elapsed(), memory.rss_kib));
        }
    })?;
    let tally = &cost.tally;
    ensure!(
        tally.bad == 0 && tally.unsent == 0,
        "{} good, {} bad, {} unsent: {}",
        tally.n,
        tally.bad,
        tally.unsent,
        tally.error.as_deref().unwrap_or("not all were over in time")
    );
    let (open_kib, end_kib, minutes) = plateau(&samples, Duration::from_secs(u64::from(hold_s)));
    let [cpu_ns, ..] = cost.cpu_ns;
    Ok(HeldStreams {
        subject: subject.name().to_owned(),
        guards: subject.guards(),
        audit: subject.audit(),
        streams: tally.n,
        held_seconds: f64::from(hold_s),
        rss_start_mib: mib(start.rss_kib),
        rss_open_mib: tenth(open_kib / 1024.0),
        rss_end_mib: tenth(end_kib / 1024.0),
        rss_peak_mib: mib(cost.memory.rss_peak_kib),
        growth_mib_per_minute: tenth((end_kib - open_kib) / 1024.0 / minutes),
        cpu_us_per_chunk: tenth(micros(cpu_ns) / float(tally.n) / f64::from(n_chunks)),
    })
}

/// Medians of the first and the last quarter of the time when all streams are open, and the minutes between their middles.
fn plateau(samples: &[(Duration, u64)], hold: Duration) -> (f64, f64, f64) {
    let length = hold.saturating_sub(RAMP);
    let within = |from: Duration, to: Duration| {
        let inside = samples
            .iter()
            .filter(move |(at, _)| (from..to).contains(at))
            .map(|(_, kib)| float(*kib));
        median(inside).unwrap_or(0.0)
    };
    let open = within(RAMP, RAMP + length / 4);
    let end = within(hold.saturating_sub(length / 4), hold);
    (open, end, (length * 3 / 4).as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_has_two_ends() {
        let hold = Duration::from_secs(10);
        let at = |ms: u64, kib: u64| (Duration::from_millis(ms), kib);
        let ramp = [at(0, 1), at(1999, 9)];
        let cases = [
            ("flat", vec![at(2000, 100), at(3000, 100), at(8500, 100)], 100.0, 100.0),
            (
                "grows",
                vec![at(2000, 100), at(3999, 110), at(5000, 999), at(8000, 150), at(9999, 250)],
                105.0,
                200.0,
            ),
            (
                "after the hold nothing counts",
                vec![at(2500, 100), at(9000, 100), at(10_000, 999)],
                100.0,
                100.0,
            ),
        ];
        for (name, samples, open, end) in cases {
            let samples = [&ramp, samples.as_slice()].concat();
            assert_eq!(plateau(&samples, hold), (open, end, 0.1), "{name}");
        }
    }
}
