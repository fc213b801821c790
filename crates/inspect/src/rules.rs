//! The rules: one decision for each, and how candidates for it are found.
use crate::gate::Head;
use crate::kinds::Kind;
use crate::text::{Answer, Stop, Text, is_word};

mod active;
mod address;
mod age;
mod bic;
mod card;
mod cloud;
mod context;
mod coordinate;
mod crypto;
mod date;
mod digest;
mod email;
mod glued;
mod hidden;
mod iban;
mod mac;
mod national;
mod pem;
mod phone;
mod phrase;
mod proper;
mod sample;
mod secret;
mod separator;
mod ssn;
mod token;
mod url;

/// Most bytes of one finding. What goes on after it is a further finding.
pub(crate) const MATCH_BYTES_MAX: usize = 2048;

/// Most bytes after the bound of a finding that a rule may ask for.
pub(crate) const LOOK_AHEAD_BYTES_MAX: usize = 1280;

macro_rules! rules {
    ($($rule:ident,)*) => {
        /// A line in which candidates wait. What its findings are called is said by [`crate::kinds`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(crate) enum Rule { $($rule,)* }

        impl Rule {
            /// Every rule.
            pub(crate) const ALL: &[Self] = &[$(Self::$rule,)*];
        }
    };
}

rules! {
    Email,
    Card,
    Iban,
    Ssn,
    Phone,
    Ipv4,
    Ipv6,
    PrivateKey,
    AwsAccessKey,
    AwsSecretKey,
    Github,
    Gitlab,
    Slack,
    SlackWebhook,
    Stripe,
    GoogleApiKey,
    GoogleOauth,
    Openai,
    Anthropic,
    HuggingFace,
    Jwt,
    Tag,
    ZeroWidth,
    Bidi,
    Override,
    Vendor,
    Keyed,
    Password,
    Connection,
    Telegram,
    Discord,
    National,
    Proper,
    Street,
    Url,
    Date,
    Mac,
    Crypto,
    Ansi,
    Html,
    Link,
    Bic,
}

/// How many rules there are.
pub(crate) const RULES_LEN: usize = Rule::ALL.len();
const _: () = assert!(RULES_LEN <= 64, "the detector keeps a bit for each");

impl Rule {
    /// Whether a candidate waits until earlier ones of its rule are decided and is dropped if it starts inside their finding, so that
    /// the leftmost one wins.
    ///
    /// What is found from words before it is another matter: several words may lead to one key, and of two, the later may see a key
    /// that the earlier missed. Such candidates stand alone, and a key that several find is reported once. Their rule owes it that all
    /// candidates which lead to one finding decide at the same byte.
    pub(crate) const fn waits_in_line(self) -> bool {
        self.begins_at_its_candidate()
    }

    /// Whether its findings begin where its literals do. What words announce begins later, so the words hold nothing back.
    pub(crate) const fn begins_at_its_candidate(self) -> bool {
        !matches!(self, Self::AwsSecretKey | Self::Password | Self::Connection | Self::Bic)
    }
}

/// What the gate must look for.
pub(crate) fn heads() -> Vec<Head> {
    let mut heads = vec![Head::new(Rule::PrivateKey, *b"---", false, false)];
    heads.push(Head::long(Rule::PrivateKey, pem::PUTTY_HEAD, false, true));
    heads.extend(bic::HEADS.map(|bytes| Head::long(Rule::Bic, bytes, true, true)));
    heads.extend(token::heads().map(|(rule, bytes)| Head::new(rule, bytes, false, true)));
    heads.extend(token::marks());
    heads.extend(cloud::HEADS.map(|bytes| Head::new(Rule::AwsSecretKey, bytes, true, false)));
    heads.extend(phrase::heads());
    heads.extend(secret::heads());
    heads.extend(crypto::HEADS.map(|bytes| Head::new(Rule::Crypto, bytes, true, true)));
    heads.extend(url::HEADS.map(|bytes| Head::new(Rule::Url, bytes, true, true)));
    heads.extend(active::heads());
    heads.sort_by_key(Head::key);
    heads.dedup_by_key(|head| head.key());
    heads
}

pub(crate) use secret::example;

pub use sample::{PublishedSample, published_samples};

/// Decides one candidate. What is a published sample, and nothing more, is no finding.
pub(crate) fn decide(rule: Rule, text: Text<'_>, start: usize) -> Answer {
    match rule {
        Rule::Email => email::decide(text, start),
        Rule::Bic => bic::decide(text, start),
        Rule::Card => card::decide(text, start),
        Rule::Iban => iban::decide(text, start),
        Rule::Ssn => ssn::decide(text, start),
        Rule::Phone => phone::decide(text, start),
        Rule::Ipv4 => address::decide_v4(text, start),
        Rule::Ipv6 => address::decide_v6(text, start),
        Rule::PrivateKey => pem::decide(text, start),
        Rule::AwsSecretKey => sample::excused(text, cloud::decide(text, start)),
        Rule::Jwt => sample::excused(text, token::decide_jwt(text, start)),
        Rule::Tag => hidden::decide_tag(text, start),
        Rule::ZeroWidth => hidden::decide_zero_width(text, start),
        Rule::Bidi => hidden::decide_bidi(text, start),
        Rule::Override => phrase::decide(text, start),
        Rule::National => national::decide(text, start),
        Rule::Proper => proper::decide(text, start),
        Rule::Crypto => crypto::decide(text, start),
        Rule::Mac => mac::decide(text, start),
        Rule::Url => url::decide(text, start),
        Rule::Date => date::decide(text, start),
        Rule::Street => proper::street::decide(text, start),
        Rule::Ansi => active::ansi::decide(text, start),
        Rule::Html => active::html::decide(text, start),
        Rule::Link => active::link::decide(text, start),
        Rule::AwsAccessKey
        | Rule::Github
        | Rule::Gitlab
        | Rule::Slack
        | Rule::SlackWebhook
        | Rule::Stripe
        | Rule::GoogleApiKey
        | Rule::GoogleOauth
        | Rule::Openai
        | Rule::Anthropic
        | Rule::HuggingFace => sample::excused(text, token::decide(rule, text, start)),
        Rule::Vendor
        | Rule::Keyed
        | Rule::Password
        | Rule::Connection
        | Rule::Telegram
        | Rule::Discord => sample::excused(text, secret::decide(rule, text, start)),
    }
}

/// Decides whether a finding that met its bound goes on.
pub(crate) fn go_on(rule: Rule, _kind: Kind, text: Text<'_>, start: usize) -> Answer {
    match rule {
        Rule::PrivateKey => pem::go_on(text, start),
        Rule::Jwt => token::go_on_jwt(text, start),
        Rule::Tag => hidden::decide_tag(text, start),
        Rule::ZeroWidth => hidden::decide_zero_width(text, start),
        Rule::Vendor => secret::go_on(text, start),
        Rule::Link => active::link::go_on(text, start),
        _ => token::go_on(rule, text, start),
    }
}

/// Whether a token or a phrase may begin here: where a word may, after an underscore (names of variables, emphasis), after an escape,
/// and right after a token of known length.
pub(crate) fn is_boundary_of_literal(text: Text<'_>, at: usize) -> bool {
    text.is_boundary(at)
        || text.back(at, 1) == Some(b'_')
        || text.is_after_escape(at)
        || token::ends_at(text, at)
}

/// Candidates at a digit whose predecessor is none.
pub(crate) fn at_digit(text: Text<'_>, at: usize, found: &mut impl FnMut(Rule, usize)) {
    if !text.get(at).is_some_and(|byte| byte.is_ascii_digit()) {
        return;
    }
    let before = text.back(at, 1);
    if before.is_some_and(|byte| byte.is_ascii_digit()) {
        return;
    }
    if is_quantity(text, at, before) {
        return at_quantity(text, at, found);
    }
    if card::may_begin(text, at) {
        found(Rule::Card, at);
    }
    let is_letter = |byte: u8| byte.is_ascii_alphabetic();
    if before.is_some_and(is_letter)
        && text.back(at, 2).is_some_and(is_letter)
        && let Some(start) = at.checked_sub(2)
        && iban::may_begin(text, start)
    {
        found(Rule::Iban, start);
    }
    if ssn::may_begin(text, at) {
        found(Rule::Ssn, at);
    }
    if let Some(start) = secret::start_of(text, at) {
        found(Rule::Keyed, start);
    }
    if before.is_some_and(|byte| is_word(byte) || byte == b'-')
        && let Some(start) = secret::discord::start_of(text, at)
    {
        found(Rule::Discord, start);
    }
    national::starts(text, at, |start| found(Rule::National, start));
    if !text.is_boundary(at) {
        return;
    }
    if before != Some(b'.') {
        found(Rule::Ipv4, at);
    }
    if let Some(start) = phone::start_of(text, at) {
        found(Rule::Phone, start);
    }
    // Those with colons are found at the colon; with hyphens there is nothing but digits to go by.
    if crypto::may_begin(text, at) {
        found(Rule::Crypto, at);
    }
    if mac::may_begin(text, at) {
        found(Rule::Mac, at);
    }
    if date::may_begin(text, at) {
        found(Rule::Date, at);
    }
    if proper::street::may_begin(text, at) {
        found(Rule::Street, at);
    }
}

/// Most digits of what is no more than a quantity.
const QUANTITY_DIGITS_MAX: usize = 3;

/// Whether a digit begins what nothing but a date or an address begins with: few digits on their own, and then a word or the end of a
/// clause. Most numbers in prose and code are such. It looks ahead, so it is asked of whole texts only: in a stream, rules that wait
/// for one another must not depend on what is at hand.
fn is_quantity(text: Text<'_>, at: usize, before: Option<u8>) -> bool {
    let is_alone = match before {
        Some(byte) => {
            !(is_word(byte) || matches!(byte, b'+' | b'(' | b'\\' | b'%' | b'-' | 0x80..))
        }
        None => true,
    };
    if !is_alone || !text.is_whole() {
        return false;
    }
    let after = text.slice(at, text.len().min(at.saturating_add(QUANTITY_DIGITS_MAX + 3)));
    let n = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let third = || after.get(n.saturating_add(2)).is_some_and(u8::is_ascii_digit);
    n <= QUANTITY_DIGITS_MAX
        && match (after.get(n), after.get(n.saturating_add(1))) {
            (Some(b' '), next) => next.is_some_and(u8::is_ascii_lowercase),
            // `4, 5` and `4**5` may be the digits of a number that is written one by one, and `536, 22` its groups.
            (Some(b','), Some(b' ')) | (Some(b'*'), Some(b'*')) => !third(),
            (Some(b',' | b';' | b')' | b']' | b'}' | b'"' | b'*'), next) => {
                !next.is_some_and(u8::is_ascii_digit)
            }
            (next, _) => next.is_none(),
        }
}

/// Candidates at a quantity.
fn at_quantity(text: Text<'_>, at: usize, found: &mut impl FnMut(Rule, usize)) {
    if date::may_begin(text, at) {
        found(Rule::Date, at);
    }
    if proper::street::may_begin(text, at) {
        found(Rule::Street, at);
    }
}

/// Candidates at a capital.
pub(crate) fn at_capital(text: Text<'_>, at: usize, found: &mut impl FnMut(Rule, usize)) {
    if proper::may_begin(text, at) {
        found(Rule::Proper, at);
    }
}

/// Candidates at an `@`.
pub(crate) fn at_at_sign(text: Text<'_>, at: usize, found: &mut impl FnMut(Rule, usize)) {
    if text.get(at) == Some(b'@') {
        let start = email::start_of(text, at);
        if start < at {
            found(Rule::Email, start);
        }
    }
}

/// Candidates at a `:`.
pub(crate) fn at_colon(text: Text<'_>, at: usize, found: &mut impl FnMut(Rule, usize)) {
    if text.get(at) == Some(b':')
        && let Some(start) = address::start_of_v6(text, at)
    {
        found(Rule::Ipv6, start);
    }
    if text.get(at) == Some(b':')
        && let Some(start) = mac::start_of(text, at)
    {
        found(Rule::Mac, start);
    }
}

/// Candidates at the control character that begins the escapes of terminals.
pub(crate) fn at_escape(text: Text<'_>, at: usize, found: &mut impl FnMut(Rule, usize)) {
    if text.get(at) == Some(0x1b) {
        found(Rule::Ansi, at);
    }
}

/// Candidates at the first byte of a character that may be invisible.
pub(crate) fn at_invisible(text: Text<'_>, start: usize, found: &mut impl FnMut(Rule, usize)) {
    let bytes = text.slice(start, start.saturating_add(3));
    if let Some(rule) = hidden::rule_of(bytes) {
        found(rule, start);
    }
}

/// The first place near the end of the text where something of a wanted rule may have begun that no candidate stands for yet,
/// literals aside.
pub(crate) fn partial(text: Text<'_>, wanted: impl Fn(Rule) -> bool) -> usize {
    let end = text.len();
    let mut first = end;
    if wanted(Rule::Iban) {
        first = first.min(iban::partial(text));
    }
    if wanted(Rule::Mac) {
        first = first.min(mac::partial(text));
    }
    if wanted(Rule::National) {
        first = first.min(national::partial(text));
    }
    if wanted(Rule::Email) {
        first = first.min(email::start_of(text, end));
    }
    if wanted(Rule::Phone) {
        first = first.min(phone::partial(text));
    }
    if wanted(Rule::Ipv6) {
        first = first.min(address::partial_v6(text));
    }
    if wanted(Rule::Discord) {
        first = first.min(secret::discord::partial(text));
    }
    if wanted(Rule::Keyed) {
        first = first.min(secret::partial(text));
    }
    if wanted(Rule::Tag) || wanted(Rule::ZeroWidth) || wanted(Rule::Bidi) {
        first = first.min(hidden::partial(text));
    }
    first
}

/// Reads the context before an offset: whether one of `words` (in lower case) stands in the last `n_max` bytes.
fn has_before(text: Text<'_>, at: usize, n_max: usize, words: &[&[u8]]) -> bool {
    let before = text.before(at, n_max);
    // Most places are told apart by their first byte, and numbers in a table by that there are no letters at all.
    let bit = |byte: u8| 1_u128 << (byte & 0x7f);
    let bits = |byte: u8| bit(byte) | bit(byte.to_ascii_uppercase());
    let firsts =
        words.iter().filter_map(|word| word.first()).fold(0, |all, &byte| all | bits(byte));
    before.iter().enumerate().filter(|&(_, &byte)| firsts & bit(byte) != 0).any(|(place, byte)| {
        let first = byte.to_ascii_lowercase();
        words.iter().filter(|word| word.first() == Some(&first)).any(|word| {
            let window = before.get(place..place.saturating_add(word.len()));
            window.is_some_and(|window| window.eq_ignore_ascii_case(word))
        })
    })
}

/// Fails unless the next byte cannot prolong a word.
fn end_of_word(reader: &crate::text::Reader<'_>) -> Result<(), Stop> {
    if reader.sees(is_word)? { Err(Stop::No) } else { Ok(()) }
}
