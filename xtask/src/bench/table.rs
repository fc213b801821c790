//! The lines of a run as Markdown, for `docs/performance.md`. Misses are rendered like hits.
use super::report::{Case, Cell, HeldStreams, Line, Machine};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Most bytes of a file of lines.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Renders a file of JSON lines.
pub(crate) fn of_file(file: &Path) -> Result<String> {
    let n_bytes =
        fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?.len();
    ensure!(
        n_bytes <= FILE_BYTES_MAX,
        "{} has {n_bytes} bytes, at most {FILE_BYTES_MAX} are read",
        file.display()
    );
    Ok(render(&parse(&fs::read_to_string(file)?)?))
}

/// Reads lines; those that are not JSON objects (a table at the end of a run) are passed over.
fn parse(text: &str) -> Result<Vec<Line>> {
    let objects = text.lines().enumerate().filter(|(_, line)| line.starts_with('{'));
    objects
        .map(|(i, line)| {
            serde_json::from_str(line).with_context(|| format!("line {} is none of ours", i + 1))
        })
        .collect()
}

/// Renders lines, block by block.
pub(crate) fn render(lines: &[Line]) -> String {
    let blocks = [machines(lines), cells(lines), streams(lines), remarks(lines)];
    let blocks = blocks.iter().filter(|block| !block.is_empty()).map(|block| block.join("\n"));
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn machines(lines: &[Line]) -> Vec<String> {
    let machines = lines
        .iter()
        .filter_map(|line| if let Line::Machine(machine) = line { Some(machine) } else { None });
    let sentence = |machine: &Machine| {
        format!(
            "Machine: {} cores, {}, Linux {}. {} connections; {} round(s), in each of them {} s for each subject; floor with {} worker(s).",
            machine.cores,
            machine.cpu,
            machine.kernel,
            machine.connections,
            machine.rounds,
            machine.seconds,
            machine.floor_workers
        )
    };
    machines.map(sentence).collect()
}

fn subject(name: &str, guards: Option<&str>, audit: Option<&str>) -> String {
    match (guards, audit) {
        (Some(guards), Some(audit)) => format!("{name}, guards {guards}, audit {audit}"),
        _ => name.to_owned(),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// Puts a head above rows, if there are any. The first columns are text, the others numbers.
fn table(head: &[&str], n_text: usize, rows: Vec<String>) -> Vec<String> {
    if rows.is_empty() {
        return rows;
    }
    let rule = ["---"].repeat(n_text).into_iter().chain(["--:"].repeat(head.len() - n_text));
    [format!("| {} |", head.join(" | ")), format!("|{}|", rule.collect::<Vec<_>>().join("|"))]
        .into_iter()
        .chain(rows)
        .collect()
}

fn cells(lines: &[Line]) -> Vec<String> {
    let head = [
        "Exchange",
        "Subject",
        "CPU us/request",
        "x floor",
        "requests/s",
        "syncs/request",
        "at rate/s",
        "p50 us",
        "p99 us",
        "first byte p50 over floor",
        "p50 over floor",
        "p99 over floor",
        "fdatasync p50 / p99 us",
        "RSS / peak MiB",
    ];
    let cells = lines
        .iter()
        .filter_map(|line| if let Line::Cell(cell) = line { Some(cell_row(cell)) } else { None });
    table(&head, 2, cells.collect())
}

fn cell_row(cell: &Cell) -> String {
    let Case { kind, kib, subject: name, guards, audit } = &cell.case;
    let columns = [
        format!("{kind} {kib} KiB"),
        subject(name, guards.as_deref(), audit.as_deref()),
        number(Some(cell.cpu_us), 1),
        number(cell.cpu_x_floor, 2),
        number(Some(cell.per_second), 0),
        number(cell.syncs_per_request, 3),
        cell.rate.to_string(),
        number(Some(cell.p50_us), 0),
        number(Some(cell.p99_us), 0),
        number(cell.first_p50_over_floor_us, 0),
        number(cell.p50_over_floor_us, 0),
        number(cell.p99_over_floor_us, 0),
        format!("{:.0} / {:.0}", cell.fdatasync_p50_us, cell.fdatasync_p99_us),
        format!("{:.1} / {:.1}", cell.rss_mib, cell.rss_peak_mib),
    ];
    format!("| {} |", columns.join(" | "))
}

fn streams(lines: &[Line]) -> Vec<String> {
    let head = [
        "Subject",
        "open streams",
        "held s",
        "RSS MiB before",
        "all open",
        "at the end",
        "peak",
        "growth MiB/min",
        "CPU us/chunk",
    ];
    let rows = lines.iter().filter_map(|line| {
        if let Line::Streams(held) = line { Some(stream_row(held)) } else { None }
    });
    table(&head, 1, rows.collect())
}

fn stream_row(held: &HeldStreams) -> String {
    let name = subject(&held.subject, held.guards.as_deref(), held.audit.as_deref());
    let HeldStreams {
        streams,
        held_seconds,
        rss_start_mib,
        rss_open_mib,
        rss_end_mib,
        rss_peak_mib,
        ..
    } = held;
    let sizes = [
        rss_start_mib,
        rss_open_mib,
        rss_end_mib,
        rss_peak_mib,
        &held.growth_mib_per_minute,
        &held.cpu_us_per_chunk,
    ];
    let sizes: Vec<String> = sizes.iter().map(|size| format!("{size:.1}")).collect();
    format!("| {name} | {streams} | {held_seconds} | {} |", sizes.join(" | "))
}

/// Targets met and missed, and whatever is missing from the tables.
fn remarks(lines: &[Line]) -> Vec<String> {
    let remark = |line: &Line| match line {
        Line::Verdict(verdict) => {
            let met = if verdict.met { "met" } else { "**MISSED**" };
            let doubt = verdict
                .doubt
                .as_ref()
                .map(|doubt| format!(" (in doubt: {doubt})"))
                .unwrap_or_default();
            Some(format!(
                "* {met}: {}: {:.1}, at most {:.1}{doubt}",
                verdict.target, verdict.value, verdict.limit
            ))
        }
        Line::Void(void) => Some(format!(
            "* **VOID** {}: {}",
            void.what,
            void.reason.lines().collect::<Vec<_>>().join(" ")
        )),
        Line::Skipped(skipped) => Some(format!("* skipped {}: {}", skipped.what, skipped.reason)),
        _ => None,
    };
    lines.iter().filter_map(remark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::{Skipped, Verdict, VoidRun};

    #[test]
    fn lines_become_markdown() {
        let verdict = |met| {
            Line::Verdict(Verdict {
                target: "speed".to_owned(),
                value: 59.96,
                limit: 60.0,
                met,
                doubt: (!met).then(|| "busy".to_owned()),
            })
        };
        let held = HeldStreams {
            subject: "bartizan".to_owned(),
            guards: Some("on".to_owned()),
            audit: Some("durable".to_owned()),
            streams: 1000,
            held_seconds: 30.0,
            rss_start_mib: 9.0,
            rss_open_mib: 40.0,
            rss_end_mib: 41.0,
            rss_peak_mib: 42.0,
            growth_mib_per_minute: 2.7,
            cpu_us_per_chunk: 12.0,
        };
        let void =
            VoidRun { void: true, what: "plain-1 floor".to_owned(), reason: "1 bad".to_owned() };
        let skipped = Skipped { what: "nginx".to_owned(), reason: "not installed".to_owned() };
        let cases = [
            ("nothing", vec![], ""),
            ("met", vec![verdict(true)], "* met: speed: 60.0, at most 60.0"),
            (
                "missed",
                vec![verdict(false)],
                "* **MISSED**: speed: 60.0, at most 60.0 (in doubt: busy)",
            ),
            ("void", vec![Line::Void(void)], "* **VOID** plain-1 floor: 1 bad"),
            ("skipped", vec![Line::Skipped(skipped)], "* skipped nginx: not installed"),
            (
                "streams",
                vec![Line::Streams(held)],
                "|--:|\n| bartizan, guards on, audit durable | 1000 | 30 | 9.0 | 40.0 | 41.0 | 42.0 | 2.7 | 12.0 |",
            ),
        ];
        for (name, lines, want) in cases {
            assert!(render(&lines).ends_with(want), "{name}: {}", render(&lines));
            assert_eq!(render(&lines).is_empty(), want.is_empty(), "{name}");
            let text: String =
                lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
            assert_eq!(
                parse(&format!("{text}| a table |\n")).unwrap(),
                lines,
                "{name}: printed and read again"
            );
        }
    }

    #[test]
    fn foreign_lines_are_errors() {
        for text in ["{}", "{\"line\":\"other\"}", "{\"line\":\"verdict\"}", "{"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(of_file(Path::new("absent.jsonl")).is_err());
    }
}
