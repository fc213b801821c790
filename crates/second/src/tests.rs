//! What is asked, what comes of it, and what does not: with a first tier and a model that say what a test wants them to say.
use super::*;
use bartizan_core::clock::Clock;
use bartizan_core::detect::{Detector, Finding, Inspector, Score};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Extent, KindId, KindInfo, KindSet, LIMIT_MODEL};
use bartizan_core::span::Span;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

static KINDS: [KindInfo; 6] = {
    const fn kind(name: &'static str) -> KindInfo {
        KindInfo { name, title: name, extent: Extent::Part }
    }
    [
        kind("pii.email"),
        kind("injection.override"),
        kind("injection.extraction"),
        kind("injection.jailbreak"),
        kind("injection.instruction"),
        kind("toxic.language"),
    ]
};

fn kind(name: &str) -> KindId {
    let at = KINDS.iter().position(|kind| kind.name == name).unwrap();
    KindId::detected(u16::try_from(at).unwrap()).unwrap()
}

/// A first tier that finds the letter `o` (an override), `v` (one that a view decoded) and `e` (an address), and scores a text by its digits: the
/// highest, in tenths, for every label.
struct Letters;

#[derive(Default)]
struct LettersDetector(u64);

impl Detector for LettersDetector {
    fn id(&self) -> &'static str {
        "letters@1"
    }
    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        for &byte in chunk {
            let span = Span::new(self.0, self.0 + 1);
            let (name, detector) = match byte {
                b'o' => ("injection.override", "model.override@1"),
                b'v' => ("injection.override", "model.override@1/base64"),
                b'e' => ("pii.email", "pii.email@1"),
                _ => ("", ""),
            };
            if !name.is_empty() {
                report(Finding::certain(span, kind(name), detector));
            }
            self.0 += 1;
        }
    }
    fn finish(&mut self, _report: &mut dyn FnMut(Finding)) {}
    fn pending(&self, _kinds: &KindSet) -> u64 {
        self.0
    }
}

impl Inspector for Letters {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }
    fn detector(&self, _source: Source) -> Box<dyn Detector> {
        Box::new(LettersDetector::default())
    }
    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        self.detector(source).push(text, report);
    }
    fn judge_whole(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if source == Source::Model && text.contains(&b'9') {
            let detector = "model.toxicity.whole@1";
            report(Finding::certain(Span::new(0, 1), kind("toxic.language"), detector));
        }
    }
}

struct Digits;

struct DigitsListening(u16);

impl First for Digits {
    fn listen(&self, source: Source) -> Option<Box<dyn Listening>> {
        (source != Source::System).then(|| Box::new(DigitsListening(0)) as Box<dyn Listening>)
    }
}

impl Listening for DigitsListening {
    fn push(&mut self, chunk: &[u8]) {
        let digits = chunk.iter().filter(|byte| byte.is_ascii_digit());
        self.0 = digits.map(|byte| u16::from(byte - b'0')).fold(self.0, u16::max);
    }
    fn end(&mut self) -> Opinion {
        Opinion([Score::thousandths(self.0 * 100); 3])
    }
}

/// What the model says of every text: windows of as many bytes, with one number each for BAD, and that number turned around for GOOD.
struct Says {
    windows: Said,
    classes: Vec<String>,
    n_asked: AtomicUsize,
    /// Time that an answer takes.
    takes_us: u64,
    clock: Arc<Ticks>,
}

#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn unix_ms(&self) -> u64 {
        0
    }
    fn monotonic_us(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Model for Says {
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn judge(&self, text: &str, is_over: &dyn Fn() -> bool) -> Result<Vec<Window>, Unfinished> {
        self.n_asked.fetch_add(1, Relaxed);
        assert!(!is_over(), "asked when it was too late");
        self.clock.0.fetch_add(self.takes_us, Relaxed);
        assert!(!text.contains("panic"), "a model that panics");
        let windows = self.windows.clone()?;
        let end = text.len() as u64;
        let window = |(n, bad): (usize, f32)| Window {
            span: Span::new((n as u64).min(end), end),
            scores: vec![1.0 - bad, bad],
        };
        Ok(windows.into_iter().enumerate().map(window).collect())
    }
}

/// A room with a place, or without.
struct Door {
    is_open: bool,
    wait_us: u64,
    clock: Arc<Ticks>,
}

impl Room for Door {
    fn enter(&self, wait_us: u64, work: &mut dyn FnMut()) -> Result<(), Unfinished> {
        assert_eq!(wait_us, TIME_MS * 1000);
        self.clock.0.fetch_add(self.wait_us, Relaxed);
        if !self.is_open {
            return Err(Unfinished::Busy);
        }
        work();
        Ok(())
    }
}

/// What a model says of a text, in numbers for BAD.
type Said = Result<Vec<f32>, Unfinished>;

/// Name, whether the model may clear, the text, what the model says, what is found.
type Taken<'c> = (&'c str, bool, &'c [u8], Said, Vec<&'c str>);

const TIME_MS: u64 = 10;
const TOKENS_MAX: usize = 4;

struct World {
    second: Second,
    model: Arc<Says>,
    tally: Arc<Tally>,
}

fn rule(label: Label) -> LabelRule {
    let band = Band { from: Score::thousandths(200), to: Score::thousandths(800) };
    let ask = Ask { band, at: Score::thousandths(500) };
    LabelRule { label, class: "BAD".to_owned(), asks: [ask; 3] }
}

fn world(windows: Said, clears: bool) -> World {
    world_with(windows, clears, 0, (true, 0))
}

fn world_with(
    windows: Said,
    clears: bool,
    takes_us: u64,
    (is_open, wait_us): (bool, u64),
) -> World {
    let clock = Arc::new(Ticks::default());
    let classes = vec!["GOOD".to_owned(), "BAD".to_owned()];
    let model = Arc::new(Says {
        windows,
        classes,
        n_asked: AtomicUsize::new(0),
        takes_us,
        clock: Arc::clone(&clock),
    });
    let tally = Arc::new(Tally::default());
    let second = Second::new(SecondOptions {
        inner: Arc::new(Letters),
        first: Arc::new(Digits),
        model: Arc::clone(&model) as _,
        digest: "0123456789abcdef0123".to_owned(),
        rules: Label::ALL.map(rule).to_vec(),
        clears,
        tokens_max: TOKENS_MAX,
        time_ms: TIME_MS,
        room: Arc::new(Door { is_open, wait_us, clock: Arc::clone(&clock) }),
        clock,
        tally: Arc::clone(&tally),
    });
    World { second: second.unwrap(), model, tally }
}

/// Findings as `kind detector start..end`, sorted.
fn told(found: &[Finding]) -> Vec<String> {
    let name = |found: &Finding| {
        let known = bartizan_core::kind::Catalogue::new(&KINDS);
        known.info(found.kind).name
    };
    let line = |found: &Finding| {
        let Span { start, end } = found.span;
        format!("{} {} {start}..{end}", name(found), found.detector)
    };
    let mut lines: Vec<String> = found.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

fn scan(world: &World, source: Source, text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    world.second.scan(source, text, &mut |finding| found.push(finding));
    world.second.judge_whole(source, text, &mut |finding| found.push(finding));
    told(&found)
}

#[test]
fn only_what_is_uncertain_is_asked() {
    let cases = [
        ("below the band", Source::User, "a1", 0),
        ("its lower end", Source::User, "a2", 1),
        ("its upper end", Source::User, "a8", 1),
        ("above the band", Source::User, "a9", 0),
        ("nothing", Source::User, "", 0),
        ("a tool's", Source::Tool, "a5", 1),
        ("a document's", Source::Document, "a5", 1),
        ("the application's", Source::System, "a5", 0),
        ("a call's", Source::ToolCall, "a5", 0),
        ("an answer", Source::Model, "a5", 1),
    ];
    for (name, source, text, want) in cases {
        let world = world(Ok(vec![0.0]), false);
        assert_eq!(scan(&world, source, text.as_bytes()), Vec::<String>::new(), "{name}");
        assert_eq!(world.model.n_asked.load(Relaxed), want, "{name}");
        let counts = world.tally.counts();
        assert_eq!(counts.asked, want as u64, "{name}");
        assert!(counts.asked <= counts.looked && counts.looked <= 1, "{name}: {counts:?}");
    }
}

#[test]
fn answers_become_findings_of_their_own() {
    let (user, model) = (Source::User, Source::Model);
    let three = |at: &str| {
        [
            "injection.override second.injection",
            "injection.jailbreak second.jailbreak",
            "toxic.language second.toxicity",
        ]
        .map(|line| format!("{line}@0123456789abcdef {at}"))
        .to_vec()
    };
    let mut in_data = three("0..2");
    in_data[0] = "injection.instruction second.injection@0123456789abcdef 0..2".to_owned();
    let cases: [(&str, Source, &[f32], Vec<String>); 8] = [
        ("sure", user, &[0.9], three("0..2")),
        ("just enough", user, &[0.5], three("0..2")),
        ("not enough", user, &[0.499], vec![]),
        ("the second window", user, &[0.1, 0.7, 0.2], three("1..2")),
        ("the surest window", user, &[0.6, 0.7, 0.65], three("1..2")),
        ("the first of equals", user, &[0.1, 0.7, 0.7], three("1..2")),
        ("data", Source::Tool, &[0.9], in_data),
        (
            "an answer",
            model,
            &[0.9],
            vec!["toxic.language second.toxicity.whole@0123456789abcdef 0..2".to_owned()],
        ),
    ];
    for (name, source, windows, mut want) in cases {
        want.sort_unstable();
        let world = world(Ok(windows.to_vec()), false);
        assert_eq!(scan(&world, source, b"a5"), want, "{name}");
        assert_eq!(world.tally.counts().found, want.len() as u64, "{name}");
    }
}

#[test]
fn no_answer_is_a_finding() {
    let long = "5".repeat(TOKENS_MAX * TOKEN_BYTES_MAX + 1);
    let longest = "5".repeat(TOKENS_MAX * TOKEN_BYTES_MAX);
    let open = (true, 0);
    let ok = || Ok(vec![0.0]);
    let late = TIME_MS * 1000;
    let cases: [(&str, World, &[u8], &str); 14] = [
        ("too slow", world_with(ok(), true, late, open), b"a5", "time"),
        ("in time", world_with(ok(), true, late - 1, open), b"a5", ""),
        ("slow and sure", world_with(Ok(vec![1.0]), true, late, open), b"a5", "time"),
        ("gave up", world(Err(Unfinished::Time), true), b"a5", "time"),
        ("no place", world_with(ok(), true, 0, (false, 0)), b"a5", "busy"),
        ("a place too late", world_with(ok(), true, 0, (true, late)), b"a5", "time"),
        ("failed", world(Err(Unfinished::Failed), true), b"a5", "failed"),
        ("no number", world(Ok(vec![0.0, f32::NAN]), true), b"a5", "number"),
        ("infinite", world(Ok(vec![f32::INFINITY]), true), b"a5", "number"),
        ("no windows", world(Ok(vec![]), true), b"a5", "number"),
        ("panics", world(ok(), true), b"panic 5", "failed"),
        ("no UTF-8", world(ok(), true), b"a5\xff", "text"),
        ("too long", world(ok(), true), long.as_bytes(), "long"),
        ("the longest", world(ok(), true), longest.as_bytes(), ""),
    ];
    for (name, world, text, reason) in cases {
        let want: Vec<String> = if reason.is_empty() {
            vec![]
        } else {
            vec![format!("limit.model second.{reason}@0123456789abcdef 0..{}", text.len())]
        };
        assert_eq!(scan(&world, Source::User, text), want, "{name}");
        let counts = world.tally.counts();
        let failed = Unfinished::ALL.into_iter().zip(counts.unfinished);
        let failed: Vec<&str> =
            failed.filter(|(_, n)| *n == 1).map(|(reason, _)| reason.name()).collect();
        assert_eq!(failed.concat(), reason, "{name}");
        assert_eq!((counts.asked, counts.found), (1, 0), "{name}");
    }
}

#[test]
fn only_opinions_on_the_plain_text_are_taken_back_and_only_by_an_answer() {
    let all = [
        "injection.override model.override@1 0..1",
        "injection.override model.override@1/base64 1..2",
        "pii.email pii.email@1 2..3",
    ];
    let limit = "limit.model second.failed@0123456789abcdef 0..4";
    let second = "injection.override second.injection@0123456789abcdef 0..4";
    let cases: Vec<Taken<'_>> = vec![
        ("may not", false, b"ove5", Ok(vec![0.1]), all.to_vec()),
        ("may", true, b"ove5", Ok(vec![0.1]), all[1..].to_vec()),
        ("not asked", true, b"ove9", Ok(vec![0.1]), all.to_vec()),
        ("no answer", true, b"ove5", Err(Unfinished::Failed), [&all[..], &[limit]].concat()),
        ("it agrees", true, b"ove5", Ok(vec![0.9]), [&all[..], &[second]].concat()),
    ];
    for (name, clears, text, windows, mut want) in cases {
        want.sort_unstable();
        let world = world(windows, clears);
        let found = scan(&world, Source::User, text);
        let found: Vec<&String> = found
            .iter()
            .filter(|line| !line.contains("second.jailbreak") && !line.contains("second.toxicity"))
            .collect();
        assert_eq!(found, want, "{name}");
        assert_eq!(world.tally.counts().cleared, u64::from(name == "may"), "{name}");
    }
    let world = world(Ok(vec![0.1]), true);
    assert_eq!(scan(&world, Source::Model, b"95").len(), 1, "above the band nobody is asked");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let rules = |labels: &[Label], class: &str| -> Vec<LabelRule> {
        labels.iter().map(|&label| LabelRule { class: class.to_owned(), ..rule(label) }).collect()
    };
    let one = [Label::Injection];
    for (name, rules, want) in [
        ("nothing", rules(&[], "BAD"), "no label"),
        ("twice", rules(&[Label::Injection; 2], "BAD"), "there twice"),
        ("another class", rules(&one, "bad"), "\"bad\" for injection: it has GOOD, BAD"),
        ("fine", rules(&one, "GOOD"), ""),
    ] {
        let World { second, model, tally } = world(Ok(vec![]), false);
        let made = Second::new(SecondOptions {
            inner: second.inner(),
            first: Arc::new(Digits),
            model,
            digest: String::new(),
            rules,
            clears: false,
            tokens_max: 1,
            time_ms: 1,
            room: Arc::new(Door { is_open: true, wait_us: 0, clock: Arc::default() }),
            clock: Arc::new(Ticks::default()),
            tally,
        });
        let told = made.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{name}: {told}");
    }
}

#[test]
fn labels_have_names() {
    for label in Label::ALL {
        assert_eq!(Label::of(label.name()), Some(label));
    }
    assert_eq!(Label::of("override"), None);
}

proptest! {
    /// The law of streaming: the findings are those of the whole text, what is pending never falls, and no finding of a kind starts before it.
    #[test]
    fn cutting_changes_nothing(
        text in "[ove159]{0,40}|[ove159 ]{60,70}",
        cuts in prop::collection::vec(0..70_usize, 0..6),
        bad in prop::collection::vec(0.0..1.0_f32, 1..3),
        clears: bool,
    ) {
        let mut whole = Vec::new();
        let scanned = world(Ok(bad.clone()), clears);
        scanned.second.scan(Source::User, text.as_bytes(), &mut |finding| whole.push(finding));
        let streamed = world(Ok(bad), clears);
        let mut detector = streamed.second.detector(Source::User);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let sets: Vec<KindSet> = KINDS
            .iter()
            .map(|info| kind(info.name))
            .chain([LIMIT_MODEL])
            .map(|kind| KindSet::from_iter([kind]))
            .collect();
        let mut pending = vec![0; sets.len()];
        let mut found = Vec::new();
        for cut in cuts.windows(2) {
            let mut new = Vec::new();
            detector.push(&text.as_bytes()[cut[0]..cut[1]], &mut |finding| new.push(finding));
            for (set, pending) in sets.iter().zip(&mut pending) {
                prop_assert!(new.iter().all(|new| !set.contains(new.kind) || *pending <= new.span.start));
                let now = detector.pending(set);
                prop_assert!(*pending <= now);
                *pending = now;
            }
            found.extend(new);
        }
        let mut last = Vec::new();
        detector.finish(&mut |finding| last.push(finding));
        for (set, pending) in sets.iter().zip(&pending) {
            prop_assert!(last.iter().all(|last| !set.contains(last.kind) || *pending <= last.span.start));
            prop_assert_eq!(detector.pending(set), text.len() as u64);
        }
        found.extend(last);
        prop_assert_eq!(told(&found), told(&whole));
        prop_assert_eq!(streamed.tally.counts().cleared, scanned.tally.counts().cleared);
    }
}
