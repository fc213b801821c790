//! Prints what the guards cost in a plain exchange of 1 KiB each way, without sockets and without a ledger, in microseconds of the thread.
//!
//! `cargo run --release -p bartizan-gateway --example exchange -- [--rounds N] [--text BYTES] [--only on|off]`
//!
//! Each figure is the best of the rounds (5 unless told). In the gateway it costs more: other work takes its place in the caches in between.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement needs a clock and a place to print to"
)]
use bartizan_core::clock::Clock;
use bartizan_core::kind::Catalogue;
use bartizan_core::record::RecordId;
use bartizan_gateway::exchange::{Call, Endpoint, Guard, Opened, Route};
use bartizan_gateway::limits::Limits;
use bartizan_inspect::leak::Canaries;
use bartizan_inspect::{KINDS, TextInspector};
use bartizan_policy::{GuardPolicy, Profile, Roles};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// The system counts what a thread ran by ticks: less than this tells nothing.
const RUN_NS_MIN: u64 = 200_000_000;
const TEXT_BYTES: usize = 1024;
const PROSE: &str = "Please summarise the following support ticket and propose a reply. The customer, who joined in 2019, reports that the \
export button in the billing page does nothing when the date range spans two fiscal years. They have tried two browsers. ";

/// Nobody looks at the clock here.
struct Still;

impl Clock for Still {
    fn unix_ms(&self) -> u64 {
        1_700_000_000_000
    }
    fn monotonic_us(&self) -> u64 {
        0
    }
}

/// Nanoseconds that this thread has run.
fn ran_ns(began: Instant) -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split(' ').next()?.parse().ok());
    told.unwrap_or_else(|| u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// What follows a name on the command line.
fn word(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

fn number(name: &str, otherwise: usize) -> usize {
    word(name).and_then(|word| word.parse().ok()).unwrap_or(otherwise)
}

fn exchange(guard: &Guard, route: &Route, roles: &Roles, request: &str, answer: &str) -> usize {
    let opened = guard.open(&Call {
        record: RecordId([0xab; 16]),
        endpoint: Endpoint::Chat,
        route,
        roles,
        key_id: "k-1",
        subject: None,
        conversation: None,
        is_recorded: true,
        unix_ms: 1_700_000_000_000,
        body: request.as_bytes(),
    });
    let Opened::Forward(forward) = opened else { return 0 };
    let closed = forward.answer.plain(200, answer.as_bytes(), 1_700_000_000_000);
    forward.body.len() + closed.body.len()
}

fn main() {
    let n_rounds = number("--rounds", 5);
    let text: String = PROSE.chars().cycle().take(number("--text", TEXT_BYTES)).collect();
    let request = format!(
        r#"{{"model":"mock-b1024c1d0","stream":false,"messages":[{{"role":"system","content":"You are a careful and concise assistant."}},{{"role":"user","content":"{text}"}}],"temperature":0.2}}"#
    );
    let answer = format!(
        r#"{{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":"mock-b1024c1d0","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":32,"completion_tokens":64,"total_tokens":96}}}}"#
    );
    let Ok(policy) = GuardPolicy::profile(Profile::Standard, &Catalogue::new(&KINDS)) else {
        return;
    };
    let guard = Guard {
        inspector: Arc::new(TextInspector::new()),
        policy: Arc::new(policy),
        limits: Limits::default(),
        scan: true,
        pseudonyms: None,
        watcher: Some(Arc::new(Canaries::new(Vec::new()))),
        clock: Arc::new(Still),
    };
    let off = Guard { scan: false, ..guard.clone() };
    let route = Route { name: "default".to_owned(), ..Route::default() };
    let roles: Roles = ["app".to_owned()].into_iter().collect();
    let began = Instant::now();
    let only = word("--only");
    let is_wanted = |name: &str| only.as_deref().is_none_or(|only| name.ends_with(only));
    let guards = [("guards on", &guard), ("guards off", &off)];
    for (name, guard) in guards.into_iter().filter(|(name, _)| is_wanted(name)) {
        let mut best = f64::MAX;
        for _ in 0..n_rounds {
            let before = ran_ns(began);
            let mut n = 0_u32;
            let ns = loop {
                for _ in 0..100 {
                    black_box(exchange(
                        guard,
                        &route,
                        &roles,
                        black_box(&request),
                        black_box(&answer),
                    ));
                    n += 1;
                }
                let ns = ran_ns(began) - before;
                if ns >= RUN_NS_MIN {
                    break ns;
                }
            };
            best = best.min(f64::from(u32::try_from(ns).unwrap_or(u32::MAX)) / 1e3 / f64::from(n));
        }
        println!("{name:12} {best:8.1} us");
    }
}
