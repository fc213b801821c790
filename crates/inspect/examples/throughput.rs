//! Prints how fast texts of several sorts are read, in MB/s of one core: whole, in chunks of 1 KiB, and in chunks of 5 bytes.
//!
//! `cargo run --release -p bartizan-inspect --example throughput -- [--rounds N] [--chunk BYTES] [NAME]...`
//!
//! With names, only texts of these names are read; each figure is the best of the rounds (3 unless told), in time that the thread ran. `--chunk` measures one size of
//! chunk only, and 0 is the whole text at once.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement needs a clock and a place to print to"
)]
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::kind::KindSet;
use bartizan_inspect::TextInspector;
use std::hint::black_box;
use std::time::Instant;

const TEXT_BYTES: usize = 64 << 10;

fn filled(unit: &str) -> String {
    let mut text = unit.repeat(TEXT_BYTES / unit.len() + 1);
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
    text
}

/// Numbers that look random and are the same on every run.
fn digits(separator: &str) -> String {
    let mut state = 12345_u64;
    let mut text = String::new();
    while text.len() < TEXT_BYTES {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&(state >> 33).to_string());
        text.push_str(separator);
    }
    text.truncate(TEXT_BYTES);
    text
}

const ENGLISH: &str = "The committee met on Tuesday to consider what had been said about the new bridge, and whether the town \
could pay for it. Nobody expected an answer before spring; the engineer, who had drawn three of them for other rivers, told \
the members that a wooden span would do for ten years, and that after those ten years they would know what they needed. He \
was given tea and asked to show his figures again. They were, he admitted, rough: 4 piers, 120 feet, perhaps 18 months. ";

const CODE: &str = "fn main() -> Result<(), Error> {\n    let mut items: Vec<u32> = (0..16).map(|n| n * 3).collect();\n    for item in \
&items {\n        if *item % 2 == 0 { self.count += 1; println!(\"{item}: {}\", self.name); }\n    }\n    std::process::exit(0x1f);\n}\n";

const JSON: &str = r#"{"id":"a81bc81b-dead-4e5d-abff-90865d1e13b1","created":1712345678,"choices":[{"index":0,"delta":{"content":" the"},"finish_reason":null}],"usage":{"prompt_tokens":17,"total_tokens":42.5}},"#;

const CJK: &str = "春の朝、町の人々は橋のそばに集まり、川の水が高くなるのを見ていた。老人は言った。「去年もこうだった。」子供たちは笑い、母親たちは家に帰った。桥下的水很急，没有人敢过去。";

/// Nanoseconds that this thread has run; others may have the processor for most of the time. Where the system does not say, the time of day.
fn ran_ns(began: Instant) -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split(' ').next()?.parse().ok());
    told.unwrap_or_else(|| u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The system counts what a thread ran by ticks: less than this tells nothing.
const RUN_NS_MIN: u64 = 60_000_000;

fn megabytes_per_second(text: &str, n_rounds: usize, mut read: impl FnMut(&[u8])) -> f64 {
    let began = Instant::now();
    let mut best = 0_f64;
    for _ in 0..n_rounds {
        let before = ran_ns(began);
        let mut n_bytes = 0_usize;
        let ns = loop {
            read(black_box(text.as_bytes()));
            n_bytes += text.len();
            let ns = ran_ns(began) - before;
            if ns >= RUN_NS_MIN {
                break ns;
            }
        };
        let of = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        best = best.max(of(n_bytes as u64) / of(ns) * 1e3);
    }
    best
}

/// Ordinary texts first, then the ones that an enemy would choose.
fn texts() -> Vec<(&'static str, String)> {
    vec![
        ("english", filled(ENGLISH)),
        ("code", filled(CODE)),
        ("json", filled(JSON)),
        ("cjk", filled(CJK)),
        ("numbers", digits(" ")),
        ("one long number", digits("")),
        ("sk-sk-", filled("sk-")),
        ("begin", filled("-----BEGIN ")),
        ("key begins", filled(&["-----BEGIN ", "PRIVATE KEY-----\n"].concat())),
        ("dashes", filled("-")),
        ("@", filled("@")),
        ("a@a.", filled("a@a.")),
        ("1.1.1.", filled("1.1.")),
        ("a:a:", filled("a:")),
        ("::::", filled(":")),
        ("aws", filled("aws ")),
        ("secret key", filled("secret key ")),
        ("awsaws", filled("aws")),
        ("secretkey", filled("secretkey")),
        ("aws runs", filled("aws/_")),
        ("one domain", filled(&["a@", &"a".repeat(240), " "].concat())),
        ("one token", filled(&["ghp_", &"a1B2".repeat(700), " "].concat())),
        (
            "one key",
            filled(
                &["-----BEGIN ", "PRIVATE KEY-----\n", &"MIIEvQIBADANBgkqhkiG9w0BAQ\n".repeat(300)]
                    .concat(),
            ),
        ),
        ("one jwt", filled(&["eyJhbGciOiJIUzI1NiJ9.", &"eyJz".repeat(2000), "."].concat())),
        ("jwt parts", filled("eyJhbGciOiJIUzI1NiJ9.")),
        ("embeddings", filled("\u{202a}")),
        ("ends", filled("\u{2069}")),
        ("selectors", filled("字\u{e0101}")),
        ("reveal", filled("reveal your me ")),
        ("pieces", filled("忽略你的")),
        ("v6 gaps", filled("1::")),
        ("card halves", filled("4111 ")),
        ("iban halves", filled("DE89 3704 0044 0532 0130 ")),
        ("jwt heads", filled("eyJhbGciOiJIUzI1NiJ9 ")),
        ("phones", filled("+49 30 ")),
        ("ignore", filled("ignore all the ")),
        ("joiners", filled("\u{200d}")),
        ("tags", filled("\u{e0041}")),
        ("isolates", filled("\u{2066}")),
        ("announced", filled("key=\"a1b2c3d4e5f6g7h8\" ")),
        ("vendors", filled("datadog=a1b2c3d4e5f6g7h8 ")),
        ("passwords", filled("password=\"")),
        ("addresses", filled("https://a:b1c@")),
        ("pass=", filled("pass=")),
        ("prefixes", filled("live_test_sk_SG.glc_")),
        ("accounts", filled("MTk4")),
    ]
}

/// Takes the number after an option out of the arguments.
fn option(arguments: &mut Vec<String>, name: &str) -> Option<usize> {
    let at = arguments.iter().position(|argument| argument == name)?;
    let value = arguments.get(at + 1).and_then(|value| value.parse().ok());
    arguments.drain(at..arguments.len().min(at + 2));
    value
}

fn main() {
    let inspector = TextInspector::new();
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let n_rounds = option(&mut names, "--rounds").unwrap_or(3);
    let chunks = option(&mut names, "--chunk").map_or(vec![0, 1024, 5], |n_bytes| vec![n_bytes]);
    let mut texts = texts();
    texts.retain(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name));
    print!("{:<16}", "MB/s");
    for n_bytes in &chunks {
        print!(" {:>9}", if *n_bytes == 0 { "whole".to_owned() } else { format!("by {n_bytes}") });
    }
    println!();
    for (name, text) in &texts {
        print!("{name:<16}");
        for &n_bytes in &chunks {
            let speed = megabytes_per_second(text, n_rounds, |bytes| match n_bytes {
                0 => inspector.scan(Source::Model, bytes, &mut |finding| {
                    black_box(finding);
                }),
                n_bytes => {
                    let mut detector = inspector.detector(Source::Model);
                    for chunk in bytes.chunks(n_bytes) {
                        detector.push(chunk, &mut |finding| {
                            black_box(finding);
                        });
                        black_box(detector.pending(&KindSet::ALL));
                    }
                    detector.finish(&mut |finding| {
                        black_box(finding);
                    });
                }
            });
            print!(" {speed:>9.1}");
        }
        println!();
    }
}
