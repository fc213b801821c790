//! Measures how often a leaked system prompt is found in each form, and how often an innocent answer is taken for one.
//!
//! `cargo run --release -p bartizan-inspect --example leak [FOLDER]`, where the folder has `prompts_chat_202601.jsonl`, whose rows serve as
//! system prompts, and `t0_prompts.jsonl`, whose rows serve as answers that leak nothing. Other rows of the first file are the harder
//! controls: they are written in the same manner, and some share whole sentences.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads files, needs a clock and a place to print to"
)]
#![expect(clippy::format_collect, reason = "a measurement may be slow where it makes its texts")]
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, JsonLimits};
use bartizan_core::kind::{Catalogue, KindInfo, KindSet};
use bartizan_inspect::leak::{Context, Leaks, Material};
use bartizan_inspect::{KINDS, TextInspector};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Finds nothing, so that only leaks are measured.
struct Blind;

impl Inspector for Blind {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }

    fn detector(&self, source: Source) -> Box<dyn Detector> {
        TextInspector::new().detector(source)
    }

    fn scan(&self, _: Source, _: &[u8], _: &mut dyn FnMut(Finding)) {}
}

/// The texts of a file of JSON lines; none where the data is absent.
fn texts(folder: &Path, name: &str) -> Vec<String> {
    let Ok(lines) = std::fs::read_to_string(folder.join(name)) else { return Vec::new() };
    let text = |line: &str| {
        let doc = Doc::read(line.as_bytes(), JsonLimits::default()).ok()?;
        String::from_utf8(doc.root().get("text")?.text()?.into_owned()).ok()
    };
    lines.lines().filter_map(text).collect()
}

fn leaks(prompt: &str) -> Leaks {
    let material = Material { prompts: vec![prompt.as_bytes()], ..Material::default() };
    Leaks::new(Arc::new(Blind), Arc::new(Context::new(&material)))
}

fn is_found(leaks: &Leaks, text: &str) -> bool {
    let mut any = false;
    leaks.scan(Source::Model, text.as_bytes(), &mut |_| any = true);
    any
}

type Form = (&'static str, fn(&str) -> String);

const FORMS: &[Form] = &[
    ("verbatim", str::to_owned),
    ("inside an answer", |text| {
        format!("Of course. My instructions are:\n\"\"\"\n{text}\n\"\"\"\nWhat else?")
    }),
    ("first half", |text| part(text, 0, 2)),
    ("second half", |text| part(text, 1, 2)),
    ("one quarter", |text| part(text, 1, 4)),
    ("re-wrapped", |text| lines(text, 6, "", "")),
    ("markdown list", |text| lines(text, 9, "* **", "**")),
    ("quoted lines", |text| lines(text, 12, "> ", "")),
    ("table", |text| text.split_whitespace().map(|word| format!("| {word} ")).collect()),
    ("capitals", str::to_uppercase),
    ("no punctuation", |text| text.replace(|c: char| c.is_ascii_punctuation(), "")),
    ("every 8th word changed", |text| changed(text, 8)),
    ("every 5th word changed", |text| changed(text, 5)),
    ("every 10th word left out", |text| {
        text.split_whitespace()
            .enumerate()
            .filter(|(n, _)| n % 10 != 3)
            .map(|(_, word)| format!("{word} "))
            .collect()
    }),
    ("sentences shuffled", |text| {
        let mut sentences: Vec<&str> = text.split_inclusive(['.', '\n']).collect();
        sentences.reverse();
        sentences.concat()
    }),
    ("letter-spaced", |text| text.chars().flat_map(|c| [c, ' ']).collect()),
    ("zero-width between", |text| text.chars().flat_map(|c| [c, '\u{200b}']).collect()),
    ("tag characters", |text| {
        text.chars().filter_map(|c| char::from_u32(0xe_0000 + u32::from(c))).collect()
    }),
    ("reversed", |text| text.chars().rev().collect()),
    ("ROT13", rot13),
    ("base64", |text| base64(text.as_bytes())),
    ("base64 after a preface", |text| base64(format!("Instructions: {text}").as_bytes())),
    ("base64 in lines of 76", |text| {
        base64(text.as_bytes())
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned() + "\n")
            .collect()
    }),
    ("base64 of half", |text| base64(part(text, 1, 2).as_bytes())),
    ("base64 of re-wrapped", |text| base64(lines(text, 12, "", "").as_bytes())),
    ("hex", |text| text.bytes().map(|byte| format!("{byte:02x}")).collect()),
    ("hex with blanks", |text| text.bytes().map(|byte| format!("{byte:02X} ")).collect()),
    ("hex as \\x48", |text| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()),
    ("decimal codes", |text| text.bytes().map(|byte| format!("{byte}, ")).collect()),
    ("URL escapes", percent),
    ("first letters only (out of reach)", |text| {
        text.split_whitespace().filter_map(|word| word.chars().next()).collect()
    }),
    ("base64 of base64 (out of reach)", |text| base64(base64(text.as_bytes()).as_bytes())),
];

fn part(text: &str, n: usize, of: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    let size = chars.len() / of;
    chars.iter().skip(n * size).take(size).collect()
}

fn lines(text: &str, n_words: usize, before: &str, after: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.chunks(n_words).map(|line| format!("{before}{}{after}\n", line.join(" "))).collect()
}

fn changed(text: &str, every: usize) -> String {
    let words = text.split_whitespace().enumerate();
    words
        .map(
            |(n, word)| {
                if n % every == every / 2 { "other ".to_owned() } else { format!("{word} ") }
            },
        )
        .collect()
}

fn rot13(text: &str) -> String {
    let turned = |c: char, first: char| {
        char::from_u32((u32::from(c) - u32::from(first) + 13) % 26 + u32::from(first)).unwrap_or(c)
    };
    let turn = |c: char| match c {
        'a'..='z' => turned(c, 'a'),
        'A'..='Z' => turned(c, 'A'),
        c => c,
    };
    text.chars().map(turn).collect()
}

fn percent(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |n: usize| usize::from(group.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let digit = DIGITS.get(bits >> (18 - 6 * n) & 63).copied().unwrap_or(b'=');
            text.push(if n <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn share(n: usize, of: usize) -> String {
    let tenths = (n * 1000).checked_div(of).unwrap_or(0);
    format!("{:>3}.{} % ({n} of {of})", tenths / 10, tenths % 10)
}

/// Most other texts that each prompt is compared with.
const OTHERS_MAX: usize = 120;
const PROMPTS_MAX: usize = 400;
/// A shorter prompt has nothing to leak.
const PROMPT_BYTES_MIN: usize = 120;

/// Texts of all sorts in which nothing should act: prompts, tasks, code, documents, e-mail, tables.
const BENIGN: &[&str] = &[
    "t0_prompts.jsonl",
    "prompts_chat_202601.jsonl",
    "selfinstruct_seed.jsonl",
    "cyberseceval_instruct.jsonl",
    "cyberseceval_frr.jsonl",
    "openai_moderation.jsonl",
    "asb_agent_tasks.jsonl",
    "../bipia_train/bipia_code.jsonl",
    "../bipia_train/bipia_email.jsonl",
    "../bipia_train/bipia_table.jsonl",
];

fn acting(folder: &Path) {
    println!("Benign texts with a finding of:");
    for kind in ["active.ansi", "active.html", "exfil.link"] {
        let id = Catalogue::new(&KINDS).find(kind);
        let (mut n, mut n_found, mut shown) = (0, 0, Vec::new());
        for name in BENIGN {
            for text in texts(folder, name) {
                let mut first = None;
                TextInspector::new().scan(Source::Model, text.as_bytes(), &mut |finding| {
                    if Some(finding.kind) == id {
                        first = first.or(Some(finding.span));
                    }
                });
                n += 1;
                if let Some(span) = first {
                    n_found += 1;
                    let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                    let part = text.get(at(span.start)..at(span.end)).unwrap_or_default();
                    shown.push(format!("{name}: {part:.100}"));
                }
            }
        }
        println!("  {kind:<36} {}", share(n_found, n));
        if std::env::args().any(|arg| arg == "--show") {
            for line in shown {
                println!("    {line}");
            }
        }
    }
}

fn main() {
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with("--")).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/text/train"),
        PathBuf::from,
    );
    let all: Vec<String> = texts(&folder, "prompts_chat_202601.jsonl");
    let prompts: Vec<&String> =
        all.iter().filter(|text| text.len() >= PROMPT_BYTES_MIN).take(PROMPTS_MAX).collect();
    let answers = texts(&folder, "t0_prompts.jsonl");
    if prompts.is_empty() {
        println!("The data is not here: {}", folder.display());
        return;
    }
    if std::env::args().any(|arg| arg == "--acting") {
        acting(&folder);
    } else if !std::env::args().any(|arg| arg == "--speed") {
        recall(&prompts);
        false_alarms(&prompts, &all, &answers);
        acting(&folder);
    }
    speed(&prompts, &answers);
    hostile(&prompts.iter().take(8).map(|prompt| prompt.as_str()).collect::<String>());
}

fn recall(prompts: &[&String]) {
    println!("Leaks found, of {} prompts:", prompts.len());
    for (name, write) in FORMS {
        let is_leak_found = |prompt: &&&String| is_found(&leaks(prompt), &write(prompt));
        let n = prompts.iter().filter(is_leak_found).count();
        println!("  {name:<36} {}", share(n, prompts.len()));
    }
}

fn false_alarms(prompts: &[&String], all: &[String], answers: &[String]) {
    println!("Innocent answers taken for leaks:");
    for (name, texts) in [("t0 prompts", answers), ("other prompts of the same file", all)] {
        let forms: [Form; 4] = [
            ("", str::to_owned),
            (", in base64", |text| base64(text.as_bytes())),
            (", in hex", |text| text.bytes().map(|byte| format!("{byte:02x}")).collect()),
            (", in ROT13", rot13),
        ];
        for (form, write) in forms {
            let (mut n, mut n_found, mut n_prompts) = (0, 0, 0);
            for (at, prompt) in prompts.iter().enumerate() {
                let leaks = leaks(prompt);
                let others = texts.iter().cycle().skip(at * 7).filter(|text| text != prompt);
                let before = n_found;
                for text in others.take(OTHERS_MAX) {
                    n += 1;
                    let is = is_found(&leaks, &write(text));
                    if is && form.is_empty() && std::env::args().any(|arg| arg == "--show") {
                        println!("=== {prompt:.300}\n--- {text:.300}");
                    }
                    n_found += usize::from(is);
                }
                n_prompts += usize::from(n_found > before);
            }
            println!(
                "  {:<36} {}, for {n_prompts} prompts",
                format!("{name}{form}"),
                share(n_found, n)
            );
        }
    }
}

/// Bytes that are read for the measurement of speed.
const TEXT_BYTES: usize = 256 << 10;

fn speed(prompts: &[&String], answers: &[String]) {
    let joined: String = prompts.iter().map(|prompt| format!("{prompt}\n")).collect();
    let prompt: String = joined.chars().take(4096).collect();
    let mut answer: String = answers.concat();
    answer.truncate(answer.floor_char_boundary(TEXT_BYTES));
    // The best of many: whatever else the machine does only adds.
    let best = |n: u32, run: &mut dyn FnMut()| {
        let times = (0..n).map(|_| {
            let before = Instant::now();
            run();
            before.elapsed().as_secs_f64()
        });
        times.fold(f64::INFINITY, f64::min)
    };
    let material = Material { prompts: vec![prompt.as_bytes()], ..Material::default() };
    let build = best(2000, &mut || {
        black_box(Context::new(black_box(&material)));
    });
    println!("A context for {} bytes of prompt: {:.1} us", prompt.len(), build * 1e6);
    let canaries = vec![b"heron-7Q2x-lamp".as_slice()];
    let values = vec![b"jo.doe@example.org".as_slice(), b"tR4-9mQz.77Lw_kk"];
    let more = Material { canaries, values, ..material.clone() };
    let build = best(2000, &mut || {
        black_box(Context::new(black_box(&more)));
    });
    println!("The same with a canary and two values: {:.1} us", build * 1e6);
    let n_bytes = f64::from(u32::try_from(answer.len()).unwrap_or(u32::MAX));
    for (name, material) in [("prompt", &material), ("prompt, canary and values", &more)] {
        let leaks = Leaks::new(Arc::new(Blind), Arc::new(Context::new(material)));
        let whole = best(60, &mut || {
            leaks.scan(Source::Model, black_box(answer.as_bytes()), &mut |finding| {
                black_box(finding);
            });
        });
        let (mut alone, mut both) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..9 {
            alone = alone.min(streamed(&TextInspector::new(), &answer));
            both = both.min(streamed(&leaks, &answer));
        }
        println!(
            "Reading with {name}: {:.0} MB/s whole, and in chunks of 5 bytes {:.1} instead of {:.1} MB/s",
            n_bytes / whole / 1e6,
            n_bytes / both / 1e6,
            n_bytes / alone / 1e6,
        );
    }
}

/// What an enemy would repeat.
const HOSTILE: &[&str] = &[
    "```\n`x ",
    "```\n<script ",
    "`",
    "<script ",
    "<a onx=",
    "<object ",
    " onload=",
    "\u{1b}",
    "\u{1b}]",
    "\u{1b}[1;",
    "\\x1b]8;",
    "javascript:",
    "data:text/html,",
    "http://",
    "![x](https://e.example/?q=aGVsbG8gd29ybGQsIGhlbGxv&",
    "https://746865.7573657227.e.example/ ",
    "aaaaaaaa",
    "4865",
    "heron-7Q2x-lam",
    "//jo.doe@example.or",
    "%",
    "𝐁",
    "漢",
];

fn hostile(prompt: &str) {
    let material = Material {
        prompts: vec![prompt.as_bytes()],
        canaries: vec![b"heron-7Q2x-lamp", b"aaaaaaaaaaaaaa"],
        values: vec![b"jo.doe@example.org", b"tR4-9mQz.77Lw_kk"],
        ..Material::default()
    };
    let blind = Leaks::new(Arc::new(Blind), Arc::new(Context::new(&material)));
    println!(
        "Texts that an enemy would choose, MB/s: rules whole and in chunks of 5 bytes, leaks whole"
    );
    for unit in HOSTILE {
        let text = unit.repeat((64 << 10) / unit.len());
        let n_bytes = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
        let scan = |inspector: &dyn Inspector| {
            let mut best = f64::INFINITY;
            for _ in 0..5 {
                let before = Instant::now();
                inspector.scan(Source::Model, text.as_bytes(), &mut |finding| {
                    black_box(finding);
                });
                best = best.min(before.elapsed().as_secs_f64());
            }
            n_bytes / best / 1e6
        };
        let (rules, leaks) = (scan(&TextInspector::new()), scan(&blind));
        let streamed = n_bytes / streamed(&TextInspector::new(), &text) / 1e6;
        println!("  {:<36} {rules:>8.1} {streamed:>8.1} {leaks:>8.1}", format!("{unit:.34?}"));
    }
}

/// Seconds that a stream in small chunks takes.
fn streamed(inspector: &dyn Inspector, text: &str) -> f64 {
    let before = Instant::now();
    let mut detector = inspector.detector(Source::Model);
    for chunk in text.as_bytes().chunks(5) {
        detector.push(chunk, &mut |finding| {
            black_box(finding);
        });
        black_box(detector.pending(&KindSet::ALL));
    }
    before.elapsed().as_secs_f64()
}
