//! What a well-formed file may still have wrong, and which bytes of it.
use super::{
    Config, Guard, LIST_MAX, LedgerMode, Problem, Retention, Route, Threshold, Upstream, closest,
};
use bartizan_core::detect::Inspector as _;
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Catalogue, Extent, STRUCTURAL};
use bartizan_core::record::NAME_BYTES_MAX;
use bartizan_gateway::exchange::is_class_of;
use bartizan_gateway::http::subject_header;
use bartizan_inspect::TextInspector;
use bartizan_inspect::custom::CustomError;
use bartizan_inspect::except::{EXCEPTIONS_MAX, Exception};
use bartizan_inspect::leak::{CANARIES_MAX, Canaries};
use bartizan_inspect::model::{self, Head, Place};
use bartizan_policy::Profile;
use std::ops::Range;
use std::sync::Arc;
use toml::de::{DeArray, DeTable};

/// Fewest bytes for a request's head: the HTTP library cannot do with less.
const HEAD_BYTES_MIN: u64 = 8_192;
/// Most bytes of a variable's name.
const VARIABLE_BYTES_MAX: usize = 128;
/// Most bytes of a document's delimiter.
const DELIMITER_BYTES_MAX: usize = 256;
/// Most days that something is kept: a hundred years, so that one that was mistyped is noticed.
const RETENTION_DAYS_MAX: u64 = 36_525;
/// How often witnesses may be asked, in milliseconds: a quorum counts for ten seconds.
const EVERY_MS: std::ops::RangeInclusive<u64> = 10..=5_000;
/// How long a witness may take, in milliseconds.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 10..=60_000;

mod second;

/// A step on the way to a value.
#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Item(usize),
}
use Step::{Item, Name};

/// Everything that is wrong with `config`, each at its place in `text`, which it was read from.
pub(super) fn problems(config: &Config, text: &str) -> Vec<Problem> {
    let mut check = Check { tree: DeTable::parse(text).ok(), found: Vec::new() };
    check.listen(config);
    check.ledger(config);
    check.guard(config);
    check.own_kinds(config);
    check.second_model(&config.guard);
    check.limits(config);
    check.upstreams(config);
    check.routes(config);
    check.found
}

struct Check<'a> {
    tree: Option<toml::Spanned<DeTable<'a>>>,
    found: Vec<Problem>,
}

impl Check<'_> {
    fn add(&mut self, path: &[Step<'_>], message: String, help: impl Into<String>) {
        let span = self.span(path);
        self.found.push(Problem { message, span, help: Some(help.into()), secret: false });
    }

    fn add_secret(&mut self, path: &[Step<'_>], message: String, help: impl Into<String>) {
        self.add(path, message, help);
        if let Some(problem) = self.found.last_mut() {
            problem.secret = true;
        }
    }

    /// The bytes of the value at `path`, or of the nearest thing around it that is there.
    fn span(&self, path: &[Step<'_>]) -> Range<usize> {
        let mut span = 0..0;
        let Some(tree) = &self.tree else { return span };
        let (mut table, mut array) = (Some(tree.get_ref()), None);
        for step in path {
            let value = match *step {
                Name(name) => table.and_then(|table| table.get(name)),
                Item(index) => array.and_then(|array: &DeArray<'_>| array.get(index)),
            };
            let Some(value) = value else { return span };
            span = value.span();
            table = value.get_ref().as_table();
            array = value.get_ref().as_array();
        }
        span
    }

    fn listen(&mut self, config: &Config) {
        let listen = &config.listen;
        if listen.tls_cert.is_some() != listen.tls_key.is_some() {
            let (there, missing) = match listen.tls_cert {
                Some(_) => ("tls_cert", "tls_key"),
                None => ("tls_key", "tls_cert"),
            };
            let message = format!("`{there}` stands without `{missing}`");
            self.add(
                &[Name("listen"), Name(there)],
                message,
                format!("add `{missing} = \"...pem\"`"),
            );
        }
        if listen.address == listen.control && listen.address.port() != 0 {
            let message = "both listeners have the same address".to_owned();
            self.add(
                &[Name("listen"), Name("control")],
                message,
                "give the control listener a port of its own",
            );
        }
        for (n, host) in listen.hosts.iter().enumerate() {
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            if host.is_empty() || 253 < host.len() || !host.bytes().all(is_name) {
                let message = format!("`{}` is no host name", shown(host));
                let help =
                    "write a name without scheme, port and path, such as \"models.example.org\"";
                self.add(&[Name("listen"), Name("hosts"), Item(n)], message, help);
            }
        }
        for (n, origin) in listen.origins.iter().enumerate() {
            if !is_origin(origin) {
                let message = format!("`{}` is no web origin", shown(origin));
                let help = "write scheme, host and port, such as \"https://chat.example.org\"";
                self.add(&[Name("listen"), Name("origins"), Item(n)], message, help);
            }
        }
        self.list(&[Name("listen"), Name("hosts")], listen.hosts.len());
        self.list(&[Name("listen"), Name("origins")], listen.origins.len());
    }

    fn list(&mut self, path: &[Step<'_>], len: usize) {
        if LIST_MAX < len {
            self.add(path, format!("{len} entries"), format!("at most {LIST_MAX} are allowed"));
        }
    }

    fn ledger(&mut self, config: &Config) {
        let bounds = [
            ("queue_records_max", config.ledger.queue_records_max),
            ("queue_bytes_max", config.ledger.queue_bytes_max),
        ];
        for (name, value) in bounds {
            if value == 0 && config.ledger.mode == LedgerMode::Durable {
                let help = "leave it out to get the default";
                self.add(
                    &[Name("ledger"), Name(name)],
                    format!("`{name}` is 0: nothing could be recorded"),
                    help,
                );
            }
        }
        self.witness(config);
        self.retention(config);
    }

    fn retention(&mut self, config: &Config) {
        let Retention { payload_days, traffic_days, admission_days } = config.ledger.retention;
        for (name, days) in [
            ("payload_days", payload_days),
            ("traffic_days", traffic_days),
            ("admission_days", admission_days),
        ] {
            if !(1..=RETENTION_DAYS_MAX).contains(&days) {
                let help = format!(
                    "write 1 to {RETENTION_DAYS_MAX}: what is kept can be read for at least the day after its own"
                );
                let path = [Name("ledger"), Name("retention"), Name(name)];
                self.add(&path, format!("`{name}` is {days}"), help);
            }
        }
    }

    fn witness(&mut self, config: &Config) {
        let Some(witness) = &config.ledger.witness else { return };
        let at = |name| [Name("ledger"), Name("witness"), Name(name)];
        if config.ledger.mode == LedgerMode::Off {
            let message = "nothing is recorded, so nothing can be witnessed".to_owned();
            self.add(&at("policy"), message, "take `mode = \"off\"` or `[ledger.witness]` out");
        }
        let bounds = [
            ("every_ms", witness.every_ms, EVERY_MS),
            ("timeout_ms", witness.timeout_ms, TIMEOUT_MS),
        ];
        for (name, value, range) in bounds {
            if !range.contains(&value) {
                let help = format!("write {} to {}, or leave it out", range.start(), range.end());
                self.add(&at(name), format!("`{name}` is {value}"), help);
            }
        }
    }

    fn guard(&mut self, config: &Config) {
        let guard = &config.guard;
        if guard.profile.is_some() && guard.policy.is_some() {
            let message = "`profile` and `policy` stand together".to_owned();
            let help = "keep one: your policy replaces the profile";
            self.add(&[Name("guard"), Name("policy")], message, help);
        }
        if let Some(profile) =
            guard.profile.as_deref().filter(|name| name.parse::<Profile>().is_err())
        {
            let message = format!("there is no profile `{}`", shown(profile));
            self.add(
                &[Name("guard"), Name("profile")],
                message,
                choice(profile, &Profile::ALL.map(Profile::name)),
            );
        }
    }

    fn own_kinds(&mut self, config: &Config) {
        let guard = &config.guard;
        self.list(&[Name("guard"), Name("kind")], guard.kind.len());
        let mut kinds = Vec::new();
        for (n, kind) in guard.kind.iter().enumerate() {
            let at = |name| [Name("guard"), Name("kind"), Item(n), Name(name)];
            match crate::guard::own_kind(kind) {
                Ok(kind) => kinds.push(kind),
                Err(error) => {
                    let name = match &error {
                        CustomError::Name | CustomError::Taken => "name",
                        _ if kind.pattern.is_some() => "pattern",
                        _ => "words",
                    };
                    let message = format!("`{}` cannot be looked for", shown(&kind.name));
                    self.add(&at(name), message, error.to_string());
                }
            }
        }
        let inspector = match crate::guard::customized(Arc::new(TextInspector::new()), kinds) {
            Ok(inspector) => inspector,
            Err(error) => {
                let message = "these kinds cannot be looked for together".to_owned();
                let help = match error {
                    CustomError::Taken => "two have one name".to_owned(),
                    error => error.to_string(),
                };
                return self.add(&[Name("guard"), Name("kind")], message, help);
            }
        };
        let catalogue = Catalogue::new(inspector.kinds());
        self.pseudonyms(guard, &catalogue);
        self.canaries(guard);
        self.thresholds(guard);
        let n_values: usize = guard.except.iter().map(|except| except.values.len()).sum();
        if EXCEPTIONS_MAX < n_values {
            let help = format!("at most {EXCEPTIONS_MAX} are allowed");
            self.add(&[Name("guard"), Name("except")], format!("{n_values} exceptions"), help);
        }
        for (n, except) in guard.except.iter().enumerate() {
            let at = |name| [Name("guard"), Name("except"), Item(n), Name(name)];
            let Some(kind) = catalogue.find(&except.kind) else {
                let names: Vec<_> = catalogue.iter().map(|(_, info)| info.name).collect();
                let message = format!("there is no kind `{}`", shown(&except.kind));
                self.add(&at("kind"), message, choice(&except.kind, &names));
                continue;
            };
            for (place, value) in except.values.iter().enumerate() {
                if Exception::new(kind, value).is_none() {
                    let [guard, table, item, values] = at("values");
                    let message = format!("`{}` excuses everything", shown(value));
                    let help = "write a value, or take the exception out and let the policy release the kind";
                    self.add(&[guard, table, item, values, Item(place)], message, help);
                }
            }
        }
    }

    fn canaries(&mut self, guard: &Guard) {
        if CANARIES_MAX < guard.canaries.len() {
            let message = format!("{} canaries", guard.canaries.len());
            self.add(
                &[Name("guard"), Name("canaries")],
                message,
                format!("at most {CANARIES_MAX} are allowed"),
            );
        }
        for (n, word) in guard.canaries.iter().enumerate() {
            if !Canaries::is_word(word) {
                let at = [Name("guard"), Name("canaries"), Item(n)];
                let message = format!("`{}` cannot be looked for", shown(word));
                let help = "write eight letters or digits at least, and 4,096 bytes at most";
                self.add(&at, message, help);
            }
        }
    }

    fn thresholds(&mut self, guard: &Guard) {
        self.list(&[Name("guard"), Name("threshold")], guard.threshold.len());
        for (n, threshold) in guard.threshold.iter().enumerate() {
            let at = |name| [Name("guard"), Name("threshold"), Item(n), Name(name)];
            let Some(head) = Head::of_kind(&threshold.kind) else {
                let names = model::KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>();
                let message = format!("`{}` has no threshold", shown(&threshold.kind));
                self.add(&at("kind"), message, choice(&threshold.kind, &names));
                continue;
            };
            let place = Place::of(threshold.source);
            if !place.hears(head) {
                let (kind, source) = (&threshold.kind, threshold.source);
                let message = format!("`{kind}` is not looked for in texts of `{source}`");
                self.add(&at("source"), message, "name another source, or leave it out");
            }
            let is_same = |other: &Threshold| {
                other.kind == threshold.kind && Place::of(other.source) == place
            };
            if guard.threshold.iter().take(n).any(is_same) {
                let message = format!("`{}` has a threshold here already", shown(&threshold.kind));
                let help = "keep one; what tools give back and documents are treated alike";
                self.add(&at("kind"), message, help);
            }
        }
    }

    fn pseudonyms(&mut self, guard: &Guard, catalogue: &Catalogue) {
        self.list(&[Name("guard"), Name("pseudonyms")], guard.pseudonyms.len());
        for (n, name) in guard.pseudonyms.iter().enumerate() {
            let at = [Name("guard"), Name("pseudonyms"), Item(n)];
            let meant: Vec<_> =
                catalogue.iter().filter(|(_, info)| is_class_of(name, info.name)).collect();
            if meant.is_empty() {
                let names: Vec<_> = catalogue.iter().map(|(_, info)| info.name).collect();
                let message = format!("there is no kind or class `{}`", shown(name));
                self.add(&at, message, choice(name, &names));
            } else if !meant.iter().any(|(_, info)| info.extent == Extent::Span) {
                let message = format!("`{}` cannot be replaced by placeholders", shown(name));
                let help = "it is taken out with the whole text around it; name kinds of values, such as \"pii\"";
                self.add(&at, message, help);
            }
        }
    }

    fn limits(&mut self, config: &Config) {
        let limits = serde_json::to_value(config.limits).unwrap_or_default();
        for (name, value) in limits.as_object().into_iter().flatten() {
            let value = value.as_u64().unwrap_or_default();
            let least = if name == "head_bytes_max" { HEAD_BYTES_MIN } else { 1 };
            if value < least {
                let help = format!("at least {least}; leave it out to get the default");
                self.add(&[Name("limits"), Name(name)], format!("`{name}` is {value}"), help);
            }
        }
    }

    fn upstreams(&mut self, config: &Config) {
        if config.upstreams.is_empty() {
            let help = "add `[[upstream]]` with a `name` and a `url`";
            self.add(&[], "there is no upstream to guard".to_owned(), help);
        }
        self.list(&[Name("upstream")], config.upstreams.len());
        for (n, upstream) in config.upstreams.iter().enumerate() {
            let at = |field| [Name("upstream"), Item(n), Name(field)];
            let earlier = config.upstreams.iter().take(n).map(|other| other.name.as_str());
            self.name(&at("name"), &upstream.name, earlier);
            self.url(&at("url"), upstream);
            if let Some(name) = &upstream.key_env
                && let Err(help) = variable_name(name)
            {
                let message = "this is no name of a variable".to_owned();
                self.add_secret(&at("key_env"), message, help);
            }
        }
    }

    fn url(&mut self, at: &[Step<'_>], upstream: &Upstream) {
        let Err(wrong) = check_url(&upstream.url) else { return };
        let help = "write it like \"http://127.0.0.1:11434\" or \"https://host.example/v1\"";
        match wrong {
            UrlError::Credentials => {
                let help =
                    "take them out; the upstream's key goes into a variable that `key_env` names";
                self.add_secret(at, "the URL holds a user name or a password".to_owned(), help);
            }
            // A query may hold a key as well.
            UrlError::Query => {
                self.add_secret(at, "the URL has a query or a fragment".to_owned(), help);
            }
            UrlError::Endpoint => {
                let help = "leave out what stands behind /v1: the gateway adds it";
                self.add(at, "the URL is that of one endpoint".to_owned(), help);
            }
            UrlError::Scheme => self.add(at, "the URL is neither http nor https".to_owned(), help),
            UrlError::Malformed => self.add_secret(at, "this is no URL".to_owned(), help),
        }
    }

    fn name<'n>(
        &mut self,
        at: &[Step<'_>],
        name: &str,
        mut earlier: impl Iterator<Item = &'n str>,
    ) {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || NAME_BYTES_MAX < name.len() || !name.bytes().all(is_plain) {
            let help = format!("use 1 to {NAME_BYTES_MAX} of the characters a-z A-Z 0-9 - _ .");
            self.add(at, format!("`{}` is no acceptable name", shown(name)), help);
        } else if earlier.any(|other| other == name) {
            self.add(at, format!("the name `{name}` stands there twice"), "give each its own");
        }
    }

    fn routes(&mut self, config: &Config) {
        self.list(&[Name("route")], config.routes.len());
        if config.routes.is_empty() && 1 < config.upstreams.len() {
            let message = "several upstreams and no route".to_owned();
            let help = "say with `[[route]]` which models go to which upstream";
            self.add(&[Name("upstream"), Item(1), Name("name")], message, help);
        }
        for (n, route) in config.routes.iter().enumerate() {
            let at = |field| [Name("route"), Item(n), Name(field)];
            let earlier = config.routes.iter().take(n).map(|other| other.name.as_str());
            self.name(&at("name"), &route.name, earlier);
            self.route_upstream(&at("upstream"), config, route);
            self.unread(n, route);
            self.delimiters(n, route);
            self.subject_header(&at("subject_header"), route);
            if route.durability.is_some_and(|said| said != config.durability_of(route)) {
                let message =
                    "the route promises records, and `[ledger] mode` is \"off\"".to_owned();
                self.add(&at("durability"), message, "take one of the two out");
            }
            self.list(&at("models"), route.models.len());
            if route.models.is_empty() || route.models.iter().any(String::is_empty) {
                let help = "name some, or leave `models` out for all of them";
                self.add(&at("models"), "a route without models is never taken".to_owned(), help);
            }
        }
    }

    fn subject_header(&mut self, at: &[Step<'_>], route: &Route) {
        let unfit = |name: &&String| subject_header(name).is_none();
        if let Some(name) = route.subject_header.as_ref().filter(unfit) {
            let message = format!("the header `{}` cannot name a person", shown(name));
            self.add(at, message, "use one of your own, such as \"x-user\"");
        }
    }

    fn route_upstream(&mut self, at: &[Step<'_>], config: &Config, route: &Route) {
        let names: Vec<&str> = config.upstreams.iter().map(|u| u.name.as_str()).collect();
        match &route.upstream {
            Some(name) if !names.contains(&name.as_str()) => {
                let message = format!("there is no upstream `{}`", shown(name));
                self.add(at, message, choice(name, &names));
            }
            None if 1 < names.len() => {
                let message =
                    format!("the route `{}` does not say where it leads", shown(&route.name));
                self.add(at, message, choice("", &names));
            }
            _ => {}
        }
    }

    fn unread(&mut self, n: usize, route: &Route) {
        let kinds = STRUCTURAL.iter().filter_map(|info| info.name.strip_prefix("unread."));
        let kinds: Vec<&str> = kinds.collect();
        for (m, kind) in route.allow_unread.iter().enumerate() {
            if !kinds.contains(&kind.as_str()) {
                let at = [Name("route"), Item(n), Name("allow_unread"), Item(m)];
                let message = format!("there is no unread content called `{}`", shown(kind));
                self.add(&at, message, choice(kind, &kinds));
            }
        }
    }

    fn delimiters(&mut self, n: usize, route: &Route) {
        self.list(
            &[Name("route"), Item(n), Name("document_delimiters")],
            route.document_delimiters.len(),
        );
        for (m, (open, close)) in route.document_delimiters.iter().enumerate() {
            let fits = |mark: &str| (1..=DELIMITER_BYTES_MAX).contains(&mark.len());
            if !fits(open) || !fits(close) {
                let at = [Name("route"), Item(n), Name("document_delimiters"), Item(m)];
                let help =
                    format!("a mark has 1 to {DELIMITER_BYTES_MAX} bytes: [\"<doc>\", \"</doc>\"]");
                self.add(&at, "a document's mark is empty or too long".to_owned(), help);
            }
        }
    }
}

/// What is right and may still not be what was meant: whoever only reads the file cannot know.
pub(super) fn doubts(config: &Config, is_set: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut doubts = Vec::new();
    for upstream in &config.upstreams {
        if let Some(name) = upstream.key_env.as_ref().filter(|name| !is_set(name)) {
            let (name, upstream) = (shown(name), shown(&upstream.name));
            doubts.push(format!(
                "the variable {name} is not set here; `serve` does not start without it, for upstream `{upstream}`"
            ));
        }
    }
    for (n, route) in config.routes.iter().enumerate() {
        let earlier = || config.routes.iter().take(n);
        let takes = |other: &Route, model: &String| {
            other.models.iter().any(|pattern| pattern == "*" || pattern == model)
        };
        let is_taken = |model: &String| earlier().any(|other| takes(other, model));
        if !route.models.is_empty() && route.models.iter().all(is_taken) {
            doubts.push(format!(
                "routes before `{}` take all its models: only requests that name it in x-bartizan-route get there",
                shown(&route.name)
            ));
        }
    }
    doubts
}

/// Turns what the TOML reader says into a problem with a way out.
pub(super) fn explain(error: &toml::de::Error, text: &str) -> Problem {
    let message = error.message().trim_end().to_owned();
    let span = error.span().unwrap_or(0..0);
    // "unknown field `adress`, expected one of `address`, `control`"
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown ");
    let word = quoted.next().unwrap_or_default().to_owned();
    let names: Vec<&str> = quoted.collect();
    let is_key =
        ["key", "api_key", "apikey", "token", "secret", "password"].contains(&word.as_str());
    let help = if is_unknown && is_key {
        Some(
            "no secret stands in this file: name the variable that holds it with `key_env`"
                .to_owned(),
        )
    } else if is_unknown {
        Some(choice(&word, &names))
    } else if message.contains("socket address") {
        Some("write an IP address and a port, such as \"127.0.0.1:4180\"".to_owned())
    } else {
        let missing = message.strip_prefix("missing field ");
        missing.map(|name| format!("add the line {name} = \"...\"").replace('`', ""))
    };
    let message = in_words(message, is_unknown);
    let secret = is_unknown && is_key;
    let span = if secret { span.start..line_end(text, span.end) } else { span };
    Problem { message, span, help, secret }
}

/// Without names that only programmers know.
fn in_words(message: String, is_unknown: bool) -> String {
    const WHOLE: [&str; 5] =
        ["expected usize", "expected u64", "expected u32", "expected u16", "expected u8"];
    const SHARES: [&str; 2] = ["expected f32", "expected f64"];
    if is_unknown {
        let word = message.split('`').nth(1).unwrap_or_default();
        let what = message.split('`').next().unwrap_or_default();
        return format!("{what}`{}`", shown(word));
    }
    let swap = |text: String, names: &[&str], word: &str| {
        names.iter().fold(text, |text, name| text.replace(name, word))
    };
    let message = swap(message, &WHOLE, "expected a whole number, 0 or more");
    swap(message, &SHARES, "expected a number")
}

fn line_end(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.find('\n').unwrap_or(rest.len())
}

fn choice(word: &str, names: &[&str]) -> String {
    match (closest(word, names.iter().copied()), names) {
        (_, [only]) => format!("there is only `{only}`"),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, _) => format!("choose one of {}", names.join(", ")),
    }
}

/// A word of the file, short and harmless enough to repeat.
fn shown(word: &str) -> String {
    let short: String = word.chars().take(40).collect();
    crate::print::visible(&short).into_owned()
}

/// Whether a word names a variable; the way out when it does not, or looks like the secret itself.
pub(crate) fn variable_name(name: &str) -> Result<(), &'static str> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_name = !name.is_empty()
        && name.len() <= VARIABLE_BYTES_MAX
        && name.bytes().all(is_word)
        && !name.starts_with(|c: char| c.is_ascii_digit());
    let is_mixed =
        name.bytes().any(|b| b.is_ascii_lowercase()) && name.bytes().any(|b| b.is_ascii_digit());
    if !is_name || (20 <= name.len() && is_mixed) {
        return Err(
            "if this is the key itself, put it into a variable and write that variable's name here: key_env = \"UPSTREAM_KEY\"; then change the key, for it has stood in a file",
        );
    }
    Ok(())
}

/// Why a URL is no upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UrlError {
    Malformed,
    Scheme,
    Credentials,
    Query,
    /// It leads to one of the paths that the gateway puts behind it.
    Endpoint,
}

fn check_url(url: &str) -> Result<(), UrlError> {
    let parsed: http::Uri = url.parse().map_err(|_| UrlError::Malformed)?;
    match parsed.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(UrlError::Scheme),
    }
    let authority = parsed.authority().ok_or(UrlError::Malformed)?;
    if authority.as_str().contains('@') {
        return Err(UrlError::Credentials);
    }
    if authority.host().is_empty() {
        return Err(UrlError::Malformed);
    }
    if parsed.query().is_some() || url.contains('#') {
        return Err(UrlError::Query);
    }
    let path = parsed.path().trim_end_matches('/');
    let is_endpoint = |name: &&str| path.ends_with(*name);
    if ["/chat/completions", "/embeddings", "/models"].iter().any(is_endpoint) {
        return Err(UrlError::Endpoint);
    }
    Ok(())
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    matches!(scheme, "http" | "https") && !rest.is_empty() && rest.bytes().all(is_host)
}

/// The text with everything that looks like a secret overwritten by as many `*`.
pub(super) fn mask_secrets(text: &str) -> String {
    let catalogue = Catalogue::new(&bartizan_inspect::KINDS);
    let mut bytes = text.as_bytes().to_vec();
    TextInspector::new().scan(Source::User, text.as_bytes(), &mut |finding| {
        let is_secret = catalogue.info(finding.kind).name.starts_with("secret.");
        let range =
            usize::try_from(finding.span.start).ok().zip(usize::try_from(finding.span.end).ok());
        let span = range.filter(|_| is_secret).and_then(|(start, end)| bytes.get_mut(start..end));
        span.unwrap_or_default()
            .iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = b'*');
    });
    // A finding covers whole characters, so what is left is still UTF-8.
    String::from_utf8_lossy(&bytes).into_owned()
}
