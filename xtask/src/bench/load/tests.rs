use super::*;
use crate::bench::{floor, mock, serve};

/// A runtime with the mock and the floor in front of it, both on the thread of one test; returns the floor's port.
fn floor_and_mock() -> (Runtime, u16) {
    let runtime = serve::runtime(2).unwrap();
    let port = runtime.block_on(async {
        let (upstream, front) = (serve::listen(0).await.unwrap(), serve::listen(0).await.unwrap());
        let (up, port) =
            (upstream.local_addr().unwrap().port(), front.local_addr().unwrap().port());
        let handle = tokio::runtime::Handle::current();
        let mut tasks = JoinSet::new();
        tasks.spawn_on(mock::answer_all(upstream), &handle);
        tasks.spawn_on(floor::pass_all(front, up), &handle);
        tasks.detach_all();
        port
    });
    (runtime, port)
}

fn spec(port: u16, shape: Shape, pace: Pace) -> Spec {
    Spec {
        port,
        bearer: Some("key".to_owned()),
        shape,
        n_connections: 4,
        n_warm: 1,
        pace,
        cutoff_ms: 20_000,
    }
}

const PLAIN: Shape = Shape { stream: false, text_bytes: 1024, n_chunks: 1, delay_ms: 0 };
const STREAM: Shape = Shape { stream: true, text_bytes: 10_240, n_chunks: 64, delay_ms: 0 };

#[test]
fn a_small_run_through_the_floor() {
    let (_runtime, port) = floor_and_mock();
    let cases = [
        ("plain, open", PLAIN, Pace::Open { rate: 1000, n: 200 }, 200),
        ("plain, closed", PLAIN, Pace::Closed { ms: 100 }, 1),
        ("stream, open", STREAM, Pace::Open { rate: 200, n: 40 }, 40),
        ("stream, closed", STREAM, Pace::Closed { ms: 100 }, 1),
        ("large", Shape { text_bytes: 102_400, ..PLAIN }, Pace::Closed { ms: 100 }, 1),
        (
            "slow stream",
            Shape { n_chunks: 5, delay_ms: 10, ..STREAM },
            Pace::Open { rate: 100, n: 4 },
            4,
        ),
    ];
    for (name, shape, pace, n_min) in cases {
        let tally = Load::warm(spec(port, shape, pace)).unwrap().run().unwrap();
        assert_eq!((tally.bad, tally.unsent, tally.error.clone()), (0, 0, None), "{name}");
        assert!(
            tally.n >= n_min
                && tally.p50_us > 0.0
                && tally.p50_us <= tally.p99_us
                && tally.p99_us <= tally.max_us,
            "{name}: {tally:?}"
        );
        if let Pace::Open { n, .. } = pace {
            assert_eq!(tally.n, n, "{name}");
        }
        if shape.delay_ms > 0 {
            assert!(
                tally.first_p50_us < tally.p50_us - 20_000.0,
                "{name}: the first event does not wait for the last: {tally:?}"
            );
            assert!(tally.p50_us >= 50_000.0, "{name}: five pauses of 10 ms, yet {tally:?}");
        }
    }
}

/// A server that gives every connection one canned answer per request, then nothing.
fn canned(answer: &'static [u8], n_answers: usize) -> (Runtime, u16) {
    let runtime = serve::runtime(2).unwrap();
    let port = runtime.block_on(async {
        let listener = serve::listen(0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut scratch = vec![0; 4096];
                for _ in 0..n_answers {
                    if stream.read(&mut scratch).await.unwrap_or(0) > 0 {
                        stream.write_all(answer).await.unwrap_or_default();
                    }
                }
            }
        });
        tasks.detach_all();
        port
    });
    (runtime, port)
}

#[test]
fn wrong_answers_are_noticed() {
    let cases: [(&str, &'static [u8], &str); 5] = [
        ("refused", b"HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbusy", "status 503: busy"),
        (
            "too short",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "not the one that was asked for",
        ),
        ("no HTTP", b"hello\r\n\r\n", "status line"),
        ("cut", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "closed after 2 bytes"),
        ("nothing", b"", "closed after 0 bytes"),
    ];
    for (name, answer, want) in cases {
        let (_runtime, port) = canned(answer, 1);
        let one = Spec {
            n_connections: 1,
            n_warm: 0,
            cutoff_ms: 20_000,
            ..spec(port, PLAIN, Pace::Open { rate: 1000, n: 3 })
        };
        let tally = Load::warm(one.clone()).unwrap().run().unwrap();
        assert_eq!((tally.n, tally.bad), (0, 3), "{name}: {tally:?}");
        assert!(tally.error.as_ref().unwrap().contains(want), "{name}: {tally:?}");
        let warm = Load::warm(Spec { n_warm: 1, ..one });
        assert!(format!("{:#}", warm.unwrap_err()).contains(want), "{name}");
    }
}

#[test]
fn limits_end_a_run() {
    let (_runtime, port) = canned(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", 1);
    let one =
        |pace| Spec { n_connections: 1, n_warm: 0, cutoff_ms: 20_000, ..spec(port, PLAIN, pace) };
    let tally = Load::warm(one(Pace::Open { rate: 100_000, n: 5_000 })).unwrap().run().unwrap();
    assert_eq!(
        (tally.bad, tally.unsent),
        (BAD_MAX, 5_000 - BAD_MAX),
        "stops after {BAD_MAX} bad answers"
    );
    assert!(
        Load::warm(one(Pace::Open { rate: 1, n: REQUESTS_MAX + 1 })).unwrap().run().is_err(),
        "too many requests"
    );
    assert!(Load::warm(one(Pace::Open { rate: 0, n: 1 })).unwrap().run().is_err(), "no rate");
    for n_connections in [0, CONNECTIONS_MAX + 1] {
        assert!(
            Load::warm(Spec { n_connections, ..one(Pace::Closed { ms: 1 }) }).is_err(),
            "{n_connections} connections"
        );
    }

    // One slow stream cannot be over by the cut-off: it is unsent, not forgotten.
    let (_runtime, port) = floor_and_mock();
    let slow = Shape { n_chunks: 10, delay_ms: 400, ..STREAM };
    let late = Spec {
        n_connections: 1,
        n_warm: 0,
        cutoff_ms: 500,
        ..spec(port, slow, Pace::Closed { ms: 500 })
    };
    let tally = Load::warm(late).unwrap().run().unwrap();
    assert_eq!((tally.n, tally.unsent), (0, 1));
}

#[test]
fn due_times_are_even() {
    for (i, rate, want) in [
        (0, 1000, 0),
        (1, 1000, 1_000_000),
        (3, 3, 1_000_000_000),
        (REQUESTS_MAX, 1, 2_000_000_000_000_000),
        (5, 0, 5_000_000_000),
    ] {
        assert_eq!(nanos(due_after(i, rate)), want, "{i} at {rate}");
    }
}
