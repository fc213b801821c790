//! The exchange without a network: tables of what is refused, redacted and released, and the law of streaming.
use super::*;
use bartizan_core::detect::{Detector, Finding};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Extent, KindId, KindInfo, KindSet};
use bartizan_core::record::{Outcome, Slot};
use bartizan_core::span::Span;
use bartizan_policy::Profile;

mod chaos;
mod input;
mod law;
mod leaks;
mod output;
mod pseudonym;
mod records;
mod review;
mod stream;

/// Toy kinds, so that a test's texts are short: a prefix and so many digits.
static KINDS: [KindInfo; 3] = [
    KindInfo { name: "secret.key", title: "key", extent: Extent::Span },
    KindInfo { name: "pii.word", title: "word", extent: Extent::Span },
    KindInfo { name: "injection.override", title: "override", extent: Extent::Part },
];

struct Pattern {
    prefix: &'static [u8],
    digits_min: usize,
    digits_max: usize,
}

const PATTERNS: [Pattern; 3] = [
    Pattern { prefix: b"K-", digits_min: 2, digits_max: 4 },
    Pattern { prefix: b"p", digits_min: 1, digits_max: 3 },
    Pattern { prefix: b"OBEY", digits_min: 0, digits_max: 0 },
];

enum Decided {
    No,
    Match(usize),
    NeedMore,
}

impl Pattern {
    fn decide(&self, text: &[u8], at_end: bool) -> Decided {
        let n = self.prefix.len().min(text.len());
        if text[..n] != self.prefix[..n] {
            return Decided::No;
        }
        let n_digits =
            text[n..].iter().take(self.digits_max).take_while(|byte| byte.is_ascii_digit()).count();
        let open = text.len() < self.prefix.len()
            || (n + n_digits == text.len() && n_digits < self.digits_max);
        match (open && !at_end, n == self.prefix.len() && self.digits_min <= n_digits) {
            (true, _) => Decided::NeedMore,
            (false, true) => Decided::Match(n + n_digits),
            (false, false) => Decided::No,
        }
    }
}

/// Keeps the whole text and looks at all of it again with every push: too slow for anything but being obviously right.
#[derive(Default)]
struct ToyDetector {
    text: Vec<u8>,
    reported: Vec<Finding>,
    pending: [u64; 3],
}

impl ToyDetector {
    fn look(&mut self, at_end: bool, report: &mut dyn FnMut(Finding)) {
        for (index, pattern) in PATTERNS.iter().enumerate() {
            let kind = KindId::detected(u16::try_from(index).unwrap()).unwrap();
            let mut at = 0;
            while at < self.text.len() {
                match pattern.decide(&self.text[at..], at_end) {
                    Decided::NeedMore => break,
                    Decided::No => at += 1,
                    Decided::Match(len) => {
                        let finding = Finding::certain(
                            Span::new(at as u64, (at + len) as u64),
                            kind,
                            "toy@1",
                        );
                        if !self.reported.contains(&finding) {
                            self.reported.push(finding);
                            report(finding);
                        }
                        at += len;
                    }
                }
            }
            self.pending[index] = at as u64;
        }
    }
}

impl Detector for ToyDetector {
    fn id(&self) -> &'static str {
        "toy@1"
    }
    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        assert!(
            !chunk.windows(5).any(|bytes| bytes == b"PANIC"),
            "the toy detector was told to fail"
        );
        self.text.extend_from_slice(chunk);
        self.look(false, report);
    }
    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.look(true, report);
    }
    fn pending(&self, kinds: &KindSet) -> u64 {
        let of_kind = |index: usize| {
            kinds
                .contains(KindId::detected(u16::try_from(index).unwrap()).unwrap())
                .then_some(self.pending[index])
        };
        (0..3).filter_map(of_kind).min().unwrap_or(self.text.len() as u64)
    }
}

struct Toy;

impl Inspector for Toy {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }
    fn detector(&self, _: Source) -> Box<dyn Detector> {
        Box::<ToyDetector>::default()
    }
    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        let mut detector = self.detector(source);
        let mut found = Vec::new();
        detector.push(text, &mut |finding| found.push(finding));
        detector.finish(&mut |finding| found.push(finding));
        found.sort_unstable();
        found.into_iter().for_each(report);
    }
}

struct Still;

impl Clock for Still {
    fn unix_ms(&self) -> u64 {
        1_700_000_000_000
    }
    fn monotonic_us(&self) -> u64 {
        0
    }
}

fn guard(profile: Profile) -> Guard {
    let catalogue = bartizan_core::kind::Catalogue::new(&KINDS);
    Guard {
        inspector: Arc::new(Toy),
        policy: Arc::new(GuardPolicy::profile(profile, &catalogue).unwrap()),
        limits: Limits::default(),
        scan: true,
        pseudonyms: None,
        watcher: None,
        clock: Arc::new(Still),
    }
}

/// The upstream's key, where a test needs one.
const OUR_KEY: &str = "OUR-KEY-OUR-KEY-1";

/// The same guard, switched off.
fn off(guard: Guard) -> Guard {
    let inspector = Arc::new(Keyed::new(Arc::clone(&guard.inspector), [OUR_KEY]).alone());
    Guard { scan: false, inspector, ..guard }
}

fn with_policy(text: &str) -> Guard {
    let catalogue = bartizan_core::kind::Catalogue::new(&KINDS);
    let texts = [("test.cedar".to_owned(), text.to_owned())];
    Guard {
        policy: Arc::new(GuardPolicy::load(&texts, &catalogue).unwrap()),
        ..guard(Profile::Standard)
    }
}

fn open(guard: &Guard, endpoint: Endpoint, body: &str) -> Opened {
    let route = Route {
        name: "default".to_owned(),
        document_delimiters: vec![("<doc>".to_owned(), "</doc>".to_owned())],
        restore_tool_calls: false,
    };
    let roles: Roles = ["app".to_owned()].into_iter().collect();
    guard.open(&Call {
        record: RecordId([0xab; 16]),
        endpoint,
        route: &route,
        roles: &roles,
        key_id: "k-1",
        subject: None,
        conversation: None,
        is_recorded: true,
        unix_ms: 1_700_000_000_000,
        body: body.as_bytes(),
    })
}

fn forward(guard: &Guard, body: &str) -> Box<Forward> {
    match open(guard, Endpoint::Chat, body) {
        Opened::Forward(forward) => forward,
        other => panic!("{body} was not forwarded: {other:?}"),
    }
}

fn answer(guard: &Guard) -> Answer {
    forward(guard, r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"n":2}"#).answer
}

fn evidence(draft: &Draft) -> String {
    let payload = draft.payloads.iter().find(|payload| payload.slot == Slot::Evidence).unwrap();
    String::from_utf8(payload.bytes.clone()).unwrap()
}

fn released(draft: &Draft) -> String {
    let payload = draft.payloads.iter().find(|payload| payload.slot == Slot::Released);
    payload.map(|payload| String::from_utf8(payload.bytes.clone()).unwrap()).unwrap_or_default()
}
