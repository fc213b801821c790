use super::super::recorded::RECORDED_FILE;
use super::*;
use crate::config::{Config, LIST_MAX, Route};
use crate::opening::Opened;
use crate::opening::world::World;
use crate::{audit, rotation};

const UPSTREAM: &str = "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";
const RETENTION: &str = "[ledger.retention]\nadmission_days = 10\n";

fn promise(text: &str) -> Promise {
    Promise::asked(&Config::parse("bartizan.toml", &format!("{text}{UPSTREAM}")).unwrap())
}

/// What a gateway has in force when it starts.
struct InForce<'f> {
    policy: &'f str,
    promised: Promised,
    book: &'f KeyBook,
}

impl<'f> InForce<'f> {
    fn new(policy: &'f str, text: &str, book: &'f KeyBook) -> Self {
        Self { policy, promised: Promised::only(promise(text)), book }
    }
}

/// What a start under this records, once it is: the evidence of each leaf.
fn started(world: &World, in_force: &InForce<'_>) -> Vec<(RecordKind, Value)> {
    let opened = world.open().unwrap();
    let mut log = own_log(world, &opened);
    let told = recorded(world, &opened, &mut log, in_force);
    opened.close(&world.sources).unwrap();
    log.follow().unwrap();
    told
}

fn own_log(world: &World, opened: &Opened) -> OwnLog {
    let (signer, cosigner) =
        (std::sync::Arc::clone(&opened.vault.signer), opened.ledger.cosigner());
    OwnLog::open(&world.state(), signer, cosigner).unwrap()
}

fn recorded(
    world: &World,
    opened: &Opened,
    log: &mut OwnLog,
    in_force: &InForce<'_>,
) -> Vec<(RecordKind, Value)> {
    let mut journal = Journal::new(&world.sources, &world.state(), &log.heard);
    let texts = vec![("p".to_owned(), in_force.policy.to_owned())];
    journal.policy(sha256(in_force.policy.as_bytes()), &texts, &in_force.promised);
    journal.keys(in_force.book).unwrap();
    let told = journal
        .drafts
        .iter()
        .map(|draft| (draft.leaf.kind, serde_json::from_slice(&draft.payloads[0].bytes).unwrap()));
    let told = told.collect();
    world.wait(journal.write(&opened.ledger, log)).unwrap();
    told
}

/// Waits for the checkpoint of so many leaves: the ledger's second thread may be making a segment first.
fn published(opened: &Opened, size: u64) {
    let is_there = || {
        let latest = opened.ledger.cosigner().latest();
        latest.is_some_and(|latest| latest.checkpoint().size() == size)
    };
    for _ in 0..1000 {
        if is_there() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no checkpoint of {size} leaves in ten seconds");
}

/// How many policies, how many keys.
fn counts(told: &[(RecordKind, Value)]) -> [usize; 2] {
    let of = |kind| told.iter().filter(|(of, _)| *of == kind).count();
    [of(RecordKind::PolicyChange), of(RecordKind::KeyEvent)]
}

fn book_of_one() -> KeyBook {
    let mut book = KeyBook::default();
    let roles = [crate::keys::DEFAULT_ROLE.to_owned()];
    book.add(&*Sources::real().entropy, &roles, 1, None).unwrap();
    book
}

#[test]
fn only_news_is_recorded_and_another_log_has_heard_nothing() {
    let (world, other) = (World::new(), World::new());
    let (book, none) = (book_of_one(), KeyBook::default());
    for (name, policy, book, want) in [
        ("the first start", "permit", &none, [1, 0]),
        ("a start that changes nothing", "permit", &none, [0, 0]),
        ("another policy", "forbid", &none, [1, 0]),
        ("a key", "forbid", &book, [0, 1]),
        ("nothing new", "forbid", &book, [0, 0]),
        ("nothing new again", "forbid", &book, [0, 0]),
        ("the first policy again", "permit", &book, [1, 0]),
    ] {
        let told = started(&world, &InForce::new(policy, RETENTION, book));
        assert_eq!(counts(&told), want, "{name}");
    }
    // Another log, whose folder has been given the files of this one.
    drop(other.open().unwrap());
    for file in [RECORDED_FILE, RECORDED_KEYS_FILE] {
        std::fs::copy(world.state().join(file), other.state().join(file)).unwrap();
    }
    let told = started(&other, &InForce::new("permit", RETENTION, &book));
    assert_eq!(counts(&told), [1, 1]);
    assert!(told[0].1["doubt"].as_str().unwrap().contains("not left like that"), "{told:?}");
}

/// The guards, recording or a route switched off and on, or a shorter retention, is news as another policy is.
#[test]
fn what_is_promised_is_recorded_whenever_it_changes() {
    let world = World::new();
    let route = |name: &str, models: &str, how: &str| {
        format!("[[route]]\nname = \"{name}\"\nmodels = [\"{models}\"]\ndurability = \"{how}\"\n")
    };
    let chat = |how: &str| route("chat", "*", how);
    let (probe, wide) = (route("probe", "health-probe", "off"), route("probe", "*", "off"));
    let (none, mut before) = (KeyBook::default(), Value::Null);
    for (name, text, words) in [
        ("the first start", chat("strict"), Some("")),
        ("the same", chat("strict"), None),
        ("bounded", chat("bounded"), Some("strict -> bounded")),
        ("off", chat("off"), Some("bounded -> off")),
        ("still off", chat("off"), None),
        ("on", chat("strict"), Some("off -> strict")),
        ("another route", format!("{probe}{}", chat("strict")), Some("route probe is new")),
        ("which models go there", format!("{wide}{}", chat("strict")), Some("health-probe -> *")),
        ("the order", format!("{}{wide}", chat("strict")), Some("probe, chat -> chat, probe")),
        (
            "guards",
            format!("[guard]\nmode = \"off\"\n{}{wide}", chat("strict")),
            Some("[guard] mode: on -> off"),
        ),
        ("payloads", "[ledger.retention]\npayload_days = 1\n".to_owned(), Some("200 -> 1")),
        ("traffic", "[ledger.retention]\ntraffic_days = 1\n".to_owned(), Some("1096 -> 1")),
        ("admissions", "[ledger.retention]\nadmission_days = 9\n".to_owned(), Some("3653 -> 9")),
        (
            "witnesses",
            "[ledger.witness]\npolicy = \"/absent\"\n".to_owned(),
            Some("witnesses: none -> asked"),
        ),
        ("none of them", String::new(), Some("-> none")),
        ("the folder", "[ledger]\ndir = \"/elsewhere\"\n".to_owned(), Some("-> /elsewhere")),
        ("the ledger", "[ledger]\nmode = \"off\"\n".to_owned(), Some("durable -> off")),
        ("the defaults", String::new(), Some("off -> durable")),
    ] {
        let in_force = InForce::new("permit", &text, &none);
        let told = started(&world, &in_force);
        assert_eq!(told.len(), usize::from(words.is_some()), "{name}");
        let now = serde_json::to_value(&in_force.promised.now).unwrap();
        if let Some((_, evidence)) = told.first() {
            assert_eq!((&evidence["promised"], &evidence["before"]), (&now, &before), "{name}");
            let changed = evidence["changed"].to_string();
            assert!(changed.contains(words.unwrap()), "{name}: {changed}");
        }
        before = now;
    }
    let leaves = audit::last(&world.state(), 99).unwrap();
    let is_off = |leaf: &&audit::Whole| 0 < leaf.0.leaf.verdict;
    let whole: Vec<audit::Whole> = leaves.into_iter().map(|entry| (entry, Vec::new())).collect();
    assert_eq!(whole.iter().filter(is_off).count(), 6, "whoever has no vault sees these");
}

/// What a running gateway is asked for and cannot do yet is on record before it is restarted, and so is that it is not asked for any more.
#[test]
fn what_waits_for_a_restart_is_recorded_before_it() {
    let (world, none) = (World::new(), KeyBook::default());
    let now = promise("");
    let elsewhere = "[ledger]\ndir = \"/elsewhere\"\n";
    for (name, asked, want) in [
        ("nothing waits", "", Some(0)),
        ("another folder", elsewhere, Some(1)),
        ("still", elsewhere, None),
        (
            "another folder, and shorter",
            "[ledger]\ndir = \"/b\"\n[ledger.retention]\npayload_days = 2\n",
            Some(2),
        ),
        ("no more", "", Some(0)),
    ] {
        let promised = Promised { now: now.clone(), asked: promise(asked) };
        let told = started(&world, &InForce { policy: "permit", promised, book: &none });
        let n_words = told.first().map(|(_, told)| told["waiting"].as_array().unwrap().len());
        assert_eq!(n_words, want, "{name}");
        assert!(
            told.iter().all(|(_, told)| told["promised"] == serde_json::to_value(&now).unwrap())
        );
    }
}

/// As much as a configuration can say fits into the file that is read back.
#[test]
fn the_longest_promises_are_read_back() {
    let (world, none) = (World::new(), KeyBook::default());
    let mut config = Config::default();
    for n in 0..LIST_MAX {
        let name = format!("{n:0>width$}", width = bartizan_core::record::NAME_BYTES_MAX);
        // Together as long as a configuration file may be, of what JSON makes longest.
        let models = vec!["\"".repeat(crate::config::FILE_BYTES_MAX / LIST_MAX)];
        config.routes.push(Route { name, models, ..Route::default_route() });
    }
    for n_drafts in [1, 0] {
        let promised = Promised::only(Promise::asked(&config));
        let told = started(&world, &InForce { policy: "permit", promised, book: &none });
        assert_eq!(told.len(), n_drafts);
    }
}

#[test]
fn a_policy_is_recorded_again_before_its_last_record_is_too_old_to_be_read() {
    let (world, none) = (World::new(), KeyBook::default());
    let is_recorded = |day: u64, policy: &str| {
        world.wall.set_day(day);
        counts(&started(&world, &InForce::new(policy, RETENTION, &none))) == [1, 0]
    };
    for (day, want) in [(0, true), (5, false), (6, true), (11, false), (12, true), (3, false)] {
        assert_eq!(is_recorded(day, "permit"), want, "day {day}");
    }
    assert!(is_recorded(4, "forbid"), "another one");
    assert!(!is_recorded(9, "forbid"), "its own time counts");
    assert!(is_recorded(10, "forbid"));
}

/// What is done to a state folder while no gateway runs, with an older copy of what was recorded.
type Harm<'h> = &'h dyn Fn(&World, &str);

/// The reviewer's: "strict" made "off" in the file and in the configuration, and no leaf.
#[test]
fn what_was_recorded_is_believed_only_as_the_key_and_the_log_bear_it_out() {
    let strict = "[[route]]\nname = \"chat\"\n";
    let off = "[[route]]\nname = \"chat\"\ndurability = \"off\"\n";
    let path = |world: &World| world.state().join(RECORDED_FILE);
    let edited = |world: &World, _: &str| {
        let text = files::read_text_bounded(&path(world), 1 << 20).unwrap();
        assert!(text.contains("\"strict\""), "{text}");
        std::fs::write(path(world), text.replace("\"strict\"", "\"off\"")).unwrap();
    };
    let put = |text: &'static str| {
        move |world: &World, _: &str| std::fs::write(path(world), text).unwrap()
    };
    let (junk, empty) = (put("not json"), put("{}"));
    let cases: [(&str, Harm<'_>, Option<&str>); 6] = [
        ("nothing", &|_, _| {}, None),
        ("edited", &edited, Some("not left like that by the key")),
        (
            "an older copy of it",
            &|world, older| std::fs::write(path(world), older).unwrap(),
            Some("older than leaf 2"),
        ),
        ("junk", &junk, Some("not left like that")),
        ("nothing in it", &empty, Some("not left like that")),
        ("taken away", &|world, _| std::fs::remove_file(path(world)).unwrap(), None),
    ];
    for (name, harm, doubt) in cases {
        let (world, book) = (World::new(), book_of_one());
        started(&world, &InForce::new("permit", off, &book));
        let older = files::read_text_bounded(&path(&world), 1 << 20).unwrap();
        started(&world, &InForce::new("permit", strict, &book));
        harm(&world, &older);
        // What is asked for now is what the harm wants to have been promised all the time.
        let told = started(&world, &InForce::new("permit", off, &book));
        assert_eq!(counts(&told)[0], 1, "{name}: {told:?}");
        let said = told[0].1["doubt"].as_str();
        assert_eq!(said.is_some(), doubt.is_some(), "{name}: {said:?}");
        assert!(said.is_none_or(|said| said.contains(doubt.unwrap())), "{name}: {said:?}");
        let told = started(&world, &InForce::new("permit", off, &book));
        assert_eq!(counts(&told), [0, 0], "{name}: it is known again");
    }
}

/// A key that was let in by editing the copy of the key file, too, is told.
#[test]
fn the_copy_of_the_keys_is_believed_only_as_it_was_left() {
    let (world, book) = (World::new(), book_of_one());
    started(&world, &InForce::new("permit", "", &book));
    let mut more = book.clone();
    let roles = [crate::keys::DEFAULT_ROLE.to_owned()];
    more.add(&*world.sources.entropy, &roles, 2, None).unwrap();
    std::fs::write(world.state().join(RECORDED_KEYS_FILE), more.render().unwrap()).unwrap();
    let told = started(&world, &InForce::new("permit", "", &more));
    assert_eq!(counts(&told), [0, 2], "{told:?}");
    let path = world.state().join(RECORDED_KEYS_FILE);
    std::fs::write(&path, "not toml").unwrap();
    assert_eq!(counts(&started(&world, &InForce::new("permit", "", &more))), [0, 2]);
    assert_eq!(counts(&started(&world, &InForce::new("permit", "", &more))), [0, 0]);
}

/// A process that is killed between the leaf and the file records twice, and one that ends in order does not read the log again.
#[test]
fn what_came_since_is_read_and_no_more() {
    let (world, none) = (World::new(), KeyBook::default());
    started(&world, &InForce::new("permit", "", &none));
    world.records(1, &["alice", "bob"]);
    let opened = world.open().unwrap();
    let mut log = own_log(&world, &opened);
    assert_eq!(log.size(), 1);
    published(&opened, 3);
    log.follow().unwrap();
    assert_eq!(log.size(), 3, "what the others have written is no news of ours");
    let kept = world.state().join(RECORDED_FILE);
    let older = files::read_text_bounded(&kept, 1 << 20).unwrap();
    let told = recorded(&world, &opened, &mut log, &InForce::new("forbid", "", &none));
    assert_eq!((counts(&told), log.size()), ([1, 0], 4));
    opened.close(&world.sources).unwrap();
    log.follow().unwrap();
    std::fs::write(&kept, older).unwrap();
    let told = started(&world, &InForce::new("forbid", "", &none));
    assert_eq!(counts(&told), [1, 0]);
    assert!(told[0].1["doubt"].as_str().unwrap().contains("a crash"), "{told:?}");
}

#[test]
fn another_key_of_the_log_goes_on_with_what_was_recorded() {
    let (world, book) = (World::new(), book_of_one());
    started(&world, &InForce::new("permit", "", &book));
    rotation::rotate_log(&world.place(), &world.sources).unwrap();
    rotation::rotate_tenant(&world.place(), &world.sources).unwrap();
    assert_eq!(counts(&started(&world, &InForce::new("permit", "", &book))), [0, 0]);
}
