//! The rules: one decision per kind, and how candidates for it are found.
use crate::gate::Head;
use crate::kinds::Kind;
use crate::text::{Answer, Stop, Text, is_word};

mod address;
mod card;
mod cloud;
mod email;
mod hidden;
mod iban;
mod pem;
mod phone;
mod phrase;
mod separator;
mod ssn;
mod token;

/// Most bytes of one finding. What goes on after it is a further finding.
pub(crate) const MATCH_BYTES_MAX: usize = 2048;

/// Most bytes after the bound of a finding that a rule may ask for.
pub(crate) const LOOK_AHEAD_BYTES_MAX: usize = 1280;

/// The detector of a GitHub token whose checksum is right: it was really given out.
pub(crate) const CHECKSUM_DETECTOR: &str = "secret.github-token.checksum@1";

/// What the gate must look for.
pub(crate) fn heads() -> Vec<Head> {
    let mut heads = vec![Head::new(Kind::PrivateKey, *b"---", false, false)];
    heads.extend(token::heads().map(|(kind, bytes)| Head::new(kind, bytes, false, true)));
    heads.extend(cloud::HEADS.map(|bytes| Head::new(Kind::AwsSecretKey, bytes, true, false)));
    heads.extend(
        phrase::heads().map(|(bytes, bounded)| Head::new(Kind::Override, bytes, true, bounded)),
    );
    heads.sort_by_key(Head::key);
    heads.dedup_by_key(|head| head.key());
    heads
}

/// Decides one candidate.
pub(crate) fn decide(kind: Kind, text: Text<'_>, start: usize) -> Answer {
    match kind {
        Kind::Email => email::decide(text, start),
        Kind::Card => card::decide(text, start),
        Kind::Iban => iban::decide(text, start),
        Kind::Ssn => ssn::decide(text, start),
        Kind::Phone => phone::decide(text, start),
        Kind::Ipv4 => address::decide_v4(text, start),
        Kind::Ipv6 => address::decide_v6(text, start),
        Kind::PrivateKey => pem::decide(text, start),
        Kind::AwsSecretKey => cloud::decide(text, start),
        Kind::Jwt => token::decide_jwt(text, start),
        Kind::Tag => hidden::decide_tag(text, start),
        Kind::ZeroWidth => hidden::decide_zero_width(text, start),
        Kind::Bidi => hidden::decide_bidi(text, start),
        Kind::Override => phrase::decide(text, start),
        Kind::AwsAccessKey
        | Kind::Github
        | Kind::Gitlab
        | Kind::Slack
        | Kind::SlackWebhook
        | Kind::Stripe
        | Kind::GoogleApiKey
        | Kind::GoogleOauth
        | Kind::Openai
        | Kind::Anthropic
        | Kind::HuggingFace => token::decide(kind, text, start),
    }
}

/// Decides whether a finding that met its bound goes on.
pub(crate) fn go_on(kind: Kind, text: Text<'_>, start: usize) -> Answer {
    match kind {
        Kind::PrivateKey => pem::go_on(text, start),
        Kind::Jwt => token::go_on_jwt(text, start),
        Kind::Tag => hidden::decide_tag(text, start),
        Kind::ZeroWidth => hidden::decide_zero_width(text, start),
        _ => token::go_on(kind, text, start),
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
pub(crate) fn at_digit(text: Text<'_>, at: usize, found: &mut impl FnMut(Kind, usize)) {
    if !text.get(at).is_some_and(|byte| byte.is_ascii_digit()) {
        return;
    }
    let before = text.back(at, 1);
    if before.is_some_and(|byte| byte.is_ascii_digit()) {
        return;
    }
    if card::may_begin(text, at) {
        found(Kind::Card, at);
    }
    let is_letter = |byte: u8| byte.is_ascii_alphabetic();
    if before.is_some_and(is_letter)
        && text.back(at, 2).is_some_and(is_letter)
        && let Some(start) = at.checked_sub(2)
        && iban::may_begin(text, start)
    {
        found(Kind::Iban, start);
    }
    if ssn::may_begin(text, at) {
        found(Kind::Ssn, at);
    }
    if !text.is_boundary(at) {
        return;
    }
    if before != Some(b'.') {
        found(Kind::Ipv4, at);
    }
    if let Some(start) = phone::start_of(text, at) {
        found(Kind::Phone, start);
    }
}

/// Candidates at an `@`.
pub(crate) fn at_at_sign(text: Text<'_>, at: usize, found: &mut impl FnMut(Kind, usize)) {
    if text.get(at) == Some(b'@') {
        let start = email::start_of(text, at);
        if start < at {
            found(Kind::Email, start);
        }
    }
}

/// Candidates at a `:`.
pub(crate) fn at_colon(text: Text<'_>, at: usize, found: &mut impl FnMut(Kind, usize)) {
    if text.get(at) == Some(b':')
        && let Some(start) = address::start_of_v6(text, at)
    {
        found(Kind::Ipv6, start);
    }
}

/// Candidates at the first byte of a character that may be invisible.
pub(crate) fn at_invisible(text: Text<'_>, start: usize, found: &mut impl FnMut(Kind, usize)) {
    let bytes = text.slice(start, start.saturating_add(3));
    if let Some(kind) = hidden::kind_of(bytes) {
        found(kind, start);
    }
}

/// The first place near the end of the text where something of a wanted kind may have begun that no candidate stands for yet,
/// literals aside.
pub(crate) fn partial(text: Text<'_>, wanted: impl Fn(Kind) -> bool) -> usize {
    let end = text.len();
    let mut first = end;
    if wanted(Kind::Iban) {
        first = first.min(iban::partial(text));
    }
    if wanted(Kind::Email) {
        first = first.min(email::start_of(text, end));
    }
    if wanted(Kind::Phone) {
        first = first.min(phone::partial(text));
    }
    if wanted(Kind::Ipv6) {
        first = first.min(address::partial_v6(text));
    }
    if wanted(Kind::Tag) || wanted(Kind::ZeroWidth) || wanted(Kind::Bidi) {
        first = first.min(hidden::partial(text));
    }
    first
}

/// Reads the context before an offset: whether one of `words` (in lower case) stands in the last `n_max` bytes.
fn has_before(text: Text<'_>, at: usize, n_max: usize, words: &[&[u8]]) -> bool {
    let before = text.before(at, n_max);
    // Most places are told apart by their first byte.
    before.iter().enumerate().any(|(place, byte)| {
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
