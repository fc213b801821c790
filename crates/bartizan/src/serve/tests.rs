use super::*;
use crate::clock::{OsEntropy, SystemClock};
use crate::config::Listen;

fn sources() -> Sources {
    Sources {
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(OsEntropy),
        variable: Arc::new(|name| (name == "SET").then(|| "a-value".to_owned())),
        user: crate::owner::user(),
    }
}

/// In front of nobody, on free ports, with its state in `folder`.
fn config(folder: &std::path::Path) -> Config {
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut config = Config::for_upstream("http://127.0.0.1:1");
    config.listen = Listen { address: free, control: free, ..Listen::default() };
    config.ledger.dir = folder.to_owned();
    config
}

fn options(config: Config) -> ServeOptions {
    ServeOptions { config, keys: KeySource::Book, insecure: false }
}

#[test]
fn others_are_let_in_only_on_purpose() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let tls = Some(PathBuf::from("cert.pem"));
    let cases = [
        ("loopback", "127.0.0.1:1", "127.0.0.1:2", None, false, true),
        ("loopback of version 6", "[::1]:1", "[::1]:2", None, false, true),
        ("anywhere", "0.0.0.0:1", "127.0.0.1:2", None, false, false),
        ("anywhere of version 6", "[::]:1", "127.0.0.1:2", None, false, false),
        ("mapped", "[::ffff:10.0.0.1]:1", "127.0.0.1:2", None, false, false),
        ("with TLS", "0.0.0.0:1", "127.0.0.1:2", tls.clone(), false, true),
        ("control, with TLS", "0.0.0.0:1", "0.0.0.0:2", tls, false, false),
        ("on purpose", "0.0.0.0:1", "0.0.0.0:2", None, true, true),
    ];
    for (name, callers, control, tls_cert, insecure, want) in cases {
        let mut config = Config::for_upstream("http://127.0.0.1:1");
        config.listen = Listen {
            address: address(callers),
            control: address(control),
            tls_cert,
            ..Listen::default()
        };
        assert_eq!(check_exposure(&config, insecure).is_ok(), want, "{name}");
    }
}

#[test]
fn what_waits_for_a_restart() {
    let old = Config::for_upstream("http://127.0.0.1:1");
    let changed = |change: &dyn Fn(&mut Config)| {
        let mut new = old.clone();
        change(&mut new);
        unchangeable(&old, &new)
    };
    assert_eq!(changed(&|_| {}), [""; 0]);
    assert_eq!(changed(&|c| c.limits.streams_max = 1), [""; 0]);
    assert_eq!(changed(&|c| c.listen.hosts.push("a".to_owned())), [""; 0]);
    assert_eq!(changed(&|c| c.listen.address.set_port(1)), ["listen.address"]);
    assert_eq!(changed(&|c| c.listen.control.set_port(1)), ["listen.control"]);
    assert_eq!(changed(&|c| c.listen.tls_key = Some("k".into())), ["listen.tls_key"]);
    assert_eq!(changed(&|c| c.ledger.mode = LedgerMode::Off), ["ledger"]);
}

#[tokio::test]
async fn a_first_key_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let first = start(options(config(&state)), sources()).await.unwrap_or_else(|e| panic!("{e:#}"));
    let made = first.made_key.as_ref().map(|fresh| fresh.key.clone());
    assert!(made.is_some_and(|key| key.starts_with("bz_")));
    assert!(first.has_live_key() && first.is_folder_closed);
    assert_ne!(first.listen_addr.port(), 0);
    assert_eq!(first.shutdown().await, None);
    let second =
        start(options(config(&state)), sources()).await.unwrap_or_else(|e| panic!("{e:#}"));
    assert!(second.made_key.is_none());
    assert_eq!(second.recovery.map(|recovery| recovery.interrupted), Some(0));
    assert_eq!(second.shutdown().await, None);
    let verdict = audit::verify(&state);
    assert!(verdict.verified, "{verdict:?}");
    assert_eq!(verdict.leaves, 2, "one policy, one key: a start that changes nothing is no news");
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let good = config(folder.path());
    let mut running =
        start(options(good.clone()), sources()).await.unwrap_or_else(|e| panic!("{e:#}"));
    let change = |change: &dyn Fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    let bad = [
        ("policy", change(&|c| c.guard.policy = Some("/absent.cedar".into()))),
        ("profile", change(&|c| c.guard.profile = Some("lax".to_owned()))),
        ("variable", change(&|c| c.upstreams[0].key_env = Some("UNSET".to_owned()))),
        ("authority", change(&|c| c.upstreams[0].ca_file = Some("/absent.pem".into()))),
        ("address", change(&|c| c.upstreams[0].url = "no url".to_owned())),
    ];
    for (name, config) in bad {
        assert!(running.reload(config).await.is_err(), "{name}");
        assert_eq!(running.config(), &good, "{name}");
    }
    let leaves = audit::verify(folder.path()).leaves;
    let variable = change(&|c| c.upstreams[0].key_env = Some("SET".to_owned()));
    assert_eq!(running.reload(variable.clone()).await.map_err(|e| e.to_string()), Ok(Vec::new()));
    assert_eq!(running.config(), &variable);
    assert_eq!(audit::verify(folder.path()).leaves, leaves, "the same policy is no news");
    let moved = Config {
        ledger: config::Ledger { dir: "/elsewhere".into(), ..good.ledger.clone() },
        ..variable
    };
    for want in [vec!["ledger"], Vec::new()] {
        let told = running.reload(moved.clone()).await.map_err(|e| e.to_string());
        assert_eq!(told, Ok(want), "a change is told once");
    }
    let mut again = moved.clone();
    again.ledger.dir = "/somewhere".into();
    assert_eq!(running.reload(again).await.map_err(|e| e.to_string()), Ok(vec!["ledger"]));
    assert_eq!(running.config().ledger, good.ledger, "what cannot change has not changed");
    assert_eq!(running.shutdown().await, None);
}

#[tokio::test]
async fn an_error_is_not_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys::path(folder.path());
    let cases = [("broken key file", "not toml"), ("other version", "version = 9\n")];
    for (name, text) in cases {
        files::replace(&keys, text.as_bytes()).unwrap();
        assert!(start(options(config(folder.path())), sources()).await.is_err(), "{name}");
    }
    std::fs::remove_file(&keys).unwrap();
    let mut taken = config(folder.path());
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    taken.listen.address = other.local_addr().unwrap();
    let error = start(options(taken), sources()).await.err().map(|error| error.to_string());
    assert!(error.is_some_and(|text| text.contains("cannot listen on")), "a port in use");
    assert!(!keys.exists(), "no key is made that nobody is shown");
}

#[tokio::test]
async fn a_certificate_makes_it_https() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let mut config = config(&folder.path().join("state"));
    config.listen.tls_cert = file("cert.pem", made.cert.pem());
    config.listen.tls_key = file("key.pem", made.signing_key.serialize_pem());
    assert!(check_files(&config).is_ok());
    let running =
        start(options(config.clone()), sources()).await.unwrap_or_else(|e| panic!("{e:#}"));
    assert!(running.url().starts_with("https://127.0.0.1:"), "{}", running.url());
    assert_eq!(running.shutdown().await, None);
    std::mem::swap(&mut config.listen.tls_cert, &mut config.listen.tls_key);
    assert!(check_files(&config).is_err(), "a key is no certificate");
}

/// A state folder whose ledger was switched off, however often it is started like that, has one word of it; and no file beside it takes that word's place.
#[tokio::test]
async fn a_ledger_that_is_switched_off_hears_of_it_once_and_surely() {
    let farewell = "\"ledger\":\"off\"";
    let recorded = |state: &std::path::Path| {
        files::read_text_bounded(&state.join(RECORDED_FILE), 1 << 20).unwrap()
    };
    for (name, is_forged) in [("as it was left", false), ("forged: it was said already", true)] {
        let folder = tempfile::tempdir().unwrap();
        let on = config(folder.path());
        let mut off = on.clone();
        off.ledger.mode = LedgerMode::Off;
        let run = async |config: &Config| {
            let running = start(options(config.clone()), sources()).await;
            let running = running.unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert_eq!(running.shutdown().await, None, "{name}");
            audit::verify(folder.path()).leaves
        };
        let n_leaves = run(&on).await;
        if is_forged {
            let text = recorded(folder.path()).replace("\"ledger\":\"durable\"", farewell);
            assert!(text.contains(farewell), "{text}");
            std::fs::write(folder.path().join(RECORDED_FILE), text).unwrap();
        }
        for want in [1, 1] {
            assert_eq!(run(&off).await, n_leaves + want, "{name}");
        }
        assert!(recorded(folder.path()).contains(farewell), "{name}");
        // Where nobody knows what was heard before, the key is told again.
        let want = n_leaves + 2 + u64::from(is_forged);
        assert_eq!(run(&on).await, want, "{name}: the way back is a leaf, too");
        let last = audit::last(folder.path(), 1).unwrap();
        assert_eq!(last[0].leaf.verdict, 0, "{name}: nothing is off any more");
    }
}
