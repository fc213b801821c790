//! Measures secrets on labelled texts, by vendor, where the data is at hand.
//!
//! `zcat FILE.jsonl.gz | cargo run --release -p bartizan-inspect --example secrets [-- --misses | --spans | --alarms | --wrong | --names] [VENDOR]`
//!
//! Each line is `{"text", "label": "secret" | "not_secret", "split": vendor, "spans"?: [{"start", "end"}]}`. A text that is `not_secret`
//! has nothing for the detector of its own vendor only, so that what is found there is shown apart and counts in no precision but the
//! strictest one. Spans that are the address of a server and nothing else are left out. Vendors are halved by a hash of their names: what was looked at while the rules were written (`seen`), and what
//! was not.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement needs arguments, something to read and a place to print to"
)]
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, JsonLimits, Value};
use bartizan_core::kind::Catalogue;
use bartizan_inspect::{KINDS, TextInspector};
use std::collections::BTreeMap;
use std::io::BufRead as _;

type Range = std::ops::Range<usize>;

/// What was found in the texts of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Spans that are secrets, and how many of them a finding touches.
    wanted: (usize, usize),
    /// Findings in texts with spans, and how many of them touch one or say the same again.
    said: (usize, usize),
    /// Texts with a secret, and how many have a finding.
    secret: (usize, usize),
    /// Texts without one for their vendor, and how many have a finding.
    clean: (usize, usize),
}

impl Counts {
    fn add(&mut self, row: &Row, found: &[(&str, Range)]) {
        if row.is_secret {
            self.secret.0 += 1;
            self.secret.1 += usize::from(!found.is_empty());
        } else {
            self.clean.0 += 1;
            self.clean.1 += usize::from(!found.is_empty());
        }
        if !row.spans.is_empty() {
            self.wanted.0 += row.spans.len();
            let is_found = |span: &&Range| found.iter().any(|(_, range)| touches(range, span));
            self.wanted.1 += row.spans.iter().filter(is_found).count();
            self.said.0 += found.len();
            self.said.1 += found.iter().filter(|(_, range)| row.is_right(range)).count();
        }
    }
}

fn touches(one: &Range, other: &Range) -> bool {
    one.start < other.end && other.start < one.end
}

/// Whether a span is the address of a server and nothing else: its detector needs one to try a key out, and it is no secret.
fn is_bare_address(span: &str) -> bool {
    let host = span.strip_prefix("https://").or_else(|| span.strip_prefix("http://"));
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    host.is_some_and(|host| host.trim_end_matches('/').chars().all(is_host))
}

struct Row {
    text: String,
    vendor: String,
    is_secret: bool,
    spans: Vec<Range>,
}

impl Row {
    /// Whether a finding touches a secret, or says one again: of a secret that comes twice, the labels show the first.
    fn is_right(&self, range: &Range) -> bool {
        let text = |range: &Range| self.text.get(range.clone()).unwrap_or_default();
        let is_again =
            |span: &Range| text(range).contains(text(span)) || text(span).contains(text(range));
        self.spans.iter().any(|span| touches(range, span) || is_again(span))
    }

    /// Whether some kind bears the vendor's name.
    fn is_claimed(&self) -> bool {
        let plain = |name: &str| name.replace(['-', '_', '.'], "");
        let vendor = plain(&self.vendor);
        KINDS.iter().filter_map(|info| info.name.strip_prefix("secret.")).any(|name| {
            let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
            plain(name).len() >= 3 && vendor.starts_with(&plain(name))
        })
    }
}

fn read(line: &str) -> Option<Row> {
    let doc = Doc::read(line.as_bytes(), JsonLimits::default()).ok()?;
    let root = doc.root();
    let text = |value: Value<'_>| String::from_utf8(value.text()?.into_owned()).ok();
    let number = |value: Value<'_>| usize::try_from(value.u64()?).ok();
    let mut spans = Vec::new();
    for span in root.get("spans").into_iter().flat_map(Value::items) {
        spans.push(number(span.get("start")?)?..number(span.get("end")?)?);
    }
    let body = text(root.get("text")?)?;
    spans.retain(|span: &Range| !is_bare_address(body.get(span.clone()).unwrap_or_default()));
    Some(Row {
        vendor: text(root.get("split")?)?,
        is_secret: text(root.get("label")?)? == "secret",
        spans,
        text: body,
    })
}

/// Whether the vendor is in the half that was looked at: FNV-1a of its name.
fn is_seen(vendor: &str) -> bool {
    let hash = vendor.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash >> 40 & 1 == 0
}

fn share((all, some): (usize, usize)) -> String {
    let percent = (some * 1000).checked_div(all).unwrap_or(0);
    format!("{some:>4}/{all:<4} {:>3}.{}%", percent / 10, percent % 10)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let vendor = arguments.iter().find(|argument| !argument.starts_with("--"));
    let names: BTreeMap<_, _> = Catalogue::new(&KINDS).iter().collect();
    let inspector = TextInspector::new();
    let mut groups = BTreeMap::<&str, Counts>::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Some(row) = read(&line) else { continue };
        let mut found = Vec::new();
        inspector.scan(Source::User, row.text.as_bytes(), &mut |finding| {
            let name = names.get(&finding.kind).map_or("", |info| info.name);
            let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
            if name.starts_with("secret.") {
                found.push((name, at(finding.span.start)..at(finding.span.end)));
            }
        });
        let half = if is_seen(&row.vendor) { "seen" } else { "unseen" };
        groups.entry(half).or_default().add(&row, &found);
        groups.entry("all").or_default().add(&row, &found);
        if row.is_claimed() {
            groups.entry("claimed").or_default().add(&row, &found);
        }
        let is_asked = vendor.is_none_or(|vendor| *vendor == row.vendor) && half == "seen"
            || vendor == Some(&row.vendor);
        let is_missed = row.is_secret && found.is_empty();
        let is_alarm = !row.is_secret && !found.is_empty();
        let is_cut = row.is_claimed()
            && row.spans.iter().any(|span| !found.iter().any(|(_, range)| touches(range, span)));
        let is_wrong = !row.spans.is_empty() && !found.iter().all(|(_, range)| row.is_right(range));
        if half == "unseen" && is_cut && has("--names") {
            println!("{}", row.vendor);
        }
        if is_asked
            && ((has("--misses") && is_missed)
                || (has("--spans") && is_cut)
                || (has("--alarms") && is_alarm)
                || (has("--wrong") && is_wrong))
        {
            println!(
                "{}: {:?}\n    {:?}",
                row.vendor,
                found
                    .iter()
                    .map(|(name, range)| (name, row.text.get(range.clone())))
                    .collect::<Vec<_>>(),
                row.text
            );
        }
    }
    println!(
        "{:<8} {:<17} {:<17} {:<17} {:<17}",
        "vendors", "spans found", "findings right", "texts with", "alarms"
    );
    for (name, counts) in groups {
        println!(
            "{name:<8} {:<17} {:<17} {:<17} {:<17}",
            share(counts.wanted),
            share(counts.said),
            share(counts.secret),
            share(counts.clean)
        );
    }
}
