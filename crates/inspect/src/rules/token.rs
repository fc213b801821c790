//! Tokens with a prefix: a literal, then a run of one class of bytes. A run longer than the bound goes on in a further finding, so
//! that the tail of a key never leaks.
use super::secret::{is_base62_right, looks_drawn};
use super::{MATCH_BYTES_MAX, Rule, glued};
use crate::gate::Head;
use crate::kinds::Support;
use crate::text::{Answer, Class, Hit, Reader, Stop, Text, is_base64url, is_word};
use std::sync::LazyLock;

/// Most bytes of a token's body in one finding.
const BODY_BYTES_MAX: usize = 512;
/// Most bytes of a JWT's first part.
const JWT_HEADER_BYTES_MAX: usize = 512;

/// One format of a rule.
struct Form {
    rule: Rule,
    prefix: &'static str,
    body: Class,
    /// Fewest bytes of body.
    n_min: usize,
    /// Bytes of body, where the vendor gives out one length only.
    n_fixed: Option<usize>,
    judge: fn(&[u8]) -> bool,
    /// What the first bytes of its body must look like where something is glued before the prefix; without it, such a token is none.
    glued: Option<fn(&[u8]) -> bool>,
}

const fn form(rule: Rule, prefix: &'static str, body: Class, n_min: usize) -> Form {
    Form { rule, prefix, body, n_min, n_fixed: None, judge: always, glued: None }
}

const fn fixed(mut form: Form, n_bytes: usize) -> Form {
    form.n_fixed = Some(n_bytes);
    form
}

const fn judged(mut form: Form, judge: fn(&[u8]) -> bool) -> Form {
    form.judge = judge;
    form
}

/// The same, known by its prefix whatever is glued before.
const fn marked(mut form: Form, judge: fn(&[u8]) -> bool) -> Form {
    form.glued = Some(judge);
    form
}

const fn drawn(form: Form) -> Form {
    marked(form, looks_drawn)
}

const fn aws(prefix: &'static str) -> Form {
    let form = judged(form(Rule::AwsAccessKey, prefix, UPPER, 16), is_key_id);
    marked(fixed(form, 16), begins_key_id)
}

const ALNUM: Class = |byte| byte.is_ascii_alphanumeric();
const UPPER: Class = |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit();
const URL: Class = is_base64url;
const DOTTED: Class = |byte| is_base64url(byte) || byte == b'.';
const BASE64: Class = |byte| is_base64url(byte) || matches!(byte, b'+' | b'/' | b'=');
const SLACK: Class = |byte| is_base64url(byte) || matches!(byte, b'%' | b'.' | b'/' | b'+');
const PATH: Class = |byte| is_base64url(byte) || byte == b'/';

/// The formats, in order: of one rule the first whose prefix is there decides.
static FORMS: &[Form] = &[
    aws("AKIA"),
    aws("ASIA"),
    aws("ABIA"),
    aws("ACCA"),
    aws("AGPA"),
    aws("AIDA"),
    aws("AIPA"),
    aws("ANPA"),
    aws("ANVA"),
    aws("APKA"),
    aws("AROA"),
    aws("ASCA"),
    drawn(fixed(form(Rule::Github, "ghp_", is_word, 36), 36)),
    drawn(fixed(form(Rule::Github, "gho_", is_word, 36), 36)),
    drawn(fixed(form(Rule::Github, "ghu_", is_word, 36), 36)),
    // Server tokens come as JWTs too.
    drawn(fixed(form(Rule::Github, "ghs_", DOTTED, 36), 36)),
    drawn(fixed(form(Rule::Github, "ghr_", is_word, 36), 36)),
    drawn(form(Rule::Github, "github_pat_", is_word, 36)),
    drawn(fixed(form(Rule::Gitlab, "glpat-", DOTTED, 20), 20)),
    drawn(form(Rule::Gitlab, "gldt-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glrt-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glrtr-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glcbt-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glptt-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glft-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glffct-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glimt-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glagent-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glsoat-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "gloas-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "glwt-", DOTTED, 20)),
    drawn(form(Rule::Gitlab, "GR1348941", DOTTED, 20)),
    marked(judged(form(Rule::Slack, "xoxa-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxb-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxc-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxd-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxe-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxe.xoxb-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxe.xoxp-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxp-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxr-", SLACK, 16), has_digit), has_digit),
    marked(judged(form(Rule::Slack, "xoxs-", SLACK, 16), has_digit), has_digit),
    drawn(judged(form(Rule::Slack, "xapp-", SLACK, 16), has_digit)),
    form(Rule::SlackWebhook, "https://hooks.slack.com/services/", PATH, 20),
    form(Rule::SlackWebhook, "https://hooks.slack.com/workflows/", PATH, 20),
    form(Rule::SlackWebhook, "https://hooks.slack.com/triggers/", PATH, 20),
    form(Rule::SlackWebhook, "http://hooks.slack.com/services/", PATH, 20),
    form(Rule::SlackWebhook, "hooks.slack.com/services/", PATH, 20),
    marked(form(Rule::Stripe, "sk_live_", ALNUM, 16), begins_stripe_key),
    form(Rule::Stripe, "sk_test_", ALNUM, 16),
    marked(form(Rule::Stripe, "rk_live_", ALNUM, 16), begins_stripe_key),
    form(Rule::Stripe, "rk_test_", ALNUM, 16),
    drawn(form(Rule::Stripe, "whsec_", BASE64, 24)),
    marked(fixed(form(Rule::GoogleApiKey, "AIza", URL, 35), 35), begins_google_key),
    drawn(form(Rule::GoogleOauth, "ya29.", DOTTED, 20)),
    drawn(form(Rule::GoogleOauth, "GOCSPX-", DOTTED, 20)),
    form(Rule::GoogleOauth, "1//0", DOTTED, 40),
    judged(form(Rule::Openai, "sk-ant-", URL, 0), never),
    judged(form(Rule::Openai, "sk-or-v1-", URL, 0), never),
    judged(form(Rule::Openai, "sk-lf-", URL, 0), never),
    judged(form(Rule::Openai, "sk-helicone-", URL, 0), never),
    drawn(judged(form(Rule::Openai, "sk-proj-", URL, 20), is_dense)),
    drawn(judged(form(Rule::Openai, "sk-svcacct-", URL, 20), is_dense)),
    drawn(judged(form(Rule::Openai, "sk-service-", URL, 20), is_dense)),
    drawn(judged(form(Rule::Openai, "sk-admin-", URL, 20), is_dense)),
    judged(form(Rule::Openai, "sk-", URL, 20), is_dense),
    drawn(form(Rule::Anthropic, "sk-ant-", URL, 20)),
    marked(fixed(form(Rule::HuggingFace, "hf_", ALNUM, 30), 34), is_of_both_cases),
    drawn(form(Rule::HuggingFace, "api_org_", ALNUM, 30)),
];

fn always(_: &[u8]) -> bool {
    true
}

fn never(_: &[u8]) -> bool {
    false
}

fn is_key_id(body: &[u8]) -> bool {
    let Some((id, rest)) = body.split_at_checked(16) else { return false };
    // Several may be glued to each other.
    let is_next = FORMS
        .iter()
        .any(|form| form.rule == Rule::AwsAccessKey && rest.starts_with(form.prefix.as_bytes()));
    (rest.is_empty() || (is_next && rest.len() >= 20))
        && id.iter().all(|&byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte))
}

/// Whether a body may be a key id, or several, by its first bytes.
fn begins_key_id(body: &[u8]) -> bool {
    let (id, rest) = body.split_at_checked(16).unwrap_or((body, b""));
    let is_known = |form: &Form| rest.starts_with(form.prefix.as_bytes());
    is_key_id(id) && (rest.is_empty() || FORMS.iter().any(is_known))
}

/// All that were seen begin alike; four letters alone stand in every megabyte of base64.
fn begins_google_key(body: &[u8]) -> bool {
    (body.starts_with(b"Sy") || body.len() == 35) && looks_drawn(body)
}

/// Longer than the ids of what is called `task_live_`.
fn begins_stripe_key(body: &[u8]) -> bool {
    body.len() >= 24 && looks_drawn(body)
}

/// Letters in both cases, as no word of thirty has them; some tokens have no digit.
fn is_of_both_cases(body: &[u8]) -> bool {
    let n_upper = body.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let n_lower = body.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    n_upper.min(n_lower) >= 6 && (30..=40).contains(&body.len())
}

fn has_digit(body: &[u8]) -> bool {
    body.iter().any(u8::is_ascii_digit)
}

/// A key has a long piece or many digits; `sk-toggleable-content-label` has neither.
fn is_dense(body: &[u8]) -> bool {
    let n_digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    let longest = body.split(|&byte| byte == b'-' || byte == b'_').map(<[u8]>::len).max();
    n_digits >= 4 || longest.is_some_and(|n| n >= 16)
}

/// Most bytes of a token of fixed length.
const FIXED_BYTES_MAX: usize = 40;
/// Length and first byte of every token of fixed length.
const FIXED: [(usize, u8); 5] = [(20, b'A'), (26, b'g'), (37, b'h'), (39, b'A'), (40, b'g')];

/// Whether a token of fixed length ends here, so that what is glued to it begins anew.
pub(super) fn ends_at(text: Text<'_>, at: usize) -> bool {
    let before = text.slice(at.saturating_sub(FIXED_BYTES_MAX), at);
    FIXED.iter().any(|&(n_bytes, first)| {
        let start = before.len().wrapping_sub(n_bytes);
        before.get(start) == Some(&first) && is_fixed(text.before(at, n_bytes))
    })
}

fn is_fixed(token: &[u8]) -> bool {
    FORMS.iter().any(|form| {
        let body = token.strip_prefix(form.prefix.as_bytes());
        body.is_some_and(|body| {
            form.n_fixed == Some(body.len()) && body.iter().all(|&byte| (form.body)(byte))
        })
    })
}

/// Rule and first three bytes of every format.
pub(super) fn heads() -> impl Iterator<Item = (Rule, [u8; 3])> {
    let forms =
        FORMS.iter().filter_map(|form| Some((form.rule, *form.prefix.as_bytes().first_chunk()?)));
    // Markup writes `sk\_live\_`: where that changes the first three bytes, they are looked for as well.
    let escaped = FORMS.iter().filter_map(|form| match form.prefix.as_bytes() {
        [first, second, b'_', ..] => Some((form.rule, [*first, *second, b'\\'])),
        _ => None,
    });
    forms.chain(escaped).chain([(Rule::Jwt, *b"eyJ")])
}

/// What says by itself that a token follows, plain and in markup.
pub(super) fn marks() -> Vec<Head> {
    let marked = FORMS.iter().filter(|form| form.glued.is_some());
    let mut marks: Vec<Head> =
        marked.clone().map(|form| Head::mark(form.rule, form.prefix.as_bytes())).collect();
    let escaped = marked.filter(|form| form.prefix.contains('_'));
    marks.extend(
        escaped.map(|form| Head::mark(form.rule, form.prefix.replace('_', "\\_").as_bytes())),
    );
    marks.extend(JWT_MARKS.map(|mark| Head::mark(Rule::Jwt, mark)));
    marks
}

pub(super) fn decide(rule: Rule, text: Text<'_>, start: usize) -> Answer {
    match at_prefix(rule, text, start) {
        Err(stop @ (Stop::No | Stop::NoUntil(_))) => {
            after_mark(rule, text, start).unwrap_or(Err(stop))
        }
        answer => answer,
    }
}

/// What the prefixes that are known by themselves end with.
static MARK_ENDS: LazyLock<glued::Ends> = LazyLock::new(|| {
    let marked = FORMS.iter().filter(|form| form.glued.is_some());
    glued::Ends::new(marked.map(|form| form.prefix.as_bytes()))
});

/// The token whose prefix ends here and has something glued to it; nothing where no such prefix does.
fn after_mark(rule: Rule, text: Text<'_>, start: usize) -> Option<Answer> {
    let last_two = glued::last_two(text, start).filter(|last| MARK_ENDS.contains(*last))?;
    let ends_so = |form: &&Form| form.rule == rule && form.prefix.as_bytes().ends_with(&last_two);
    let forms = FORMS.iter().filter(ends_so);
    let (form, judge, mark) =
        forms.filter_map(|form| Some((form, form.glued?))).find_map(|(form, judge)| {
            Some((form, judge, glued::start_of(text, start, form.prefix.as_bytes())?))
        })?;
    Some(match glued::is_drawn(text, start, form.body, judge) {
        Ok(true) => glued::without_mark(text, start, decide_form(form, text.reader(start), mark)),
        Ok(false) => Err(Stop::No),
        Err(stop) => Err(stop),
    })
}

fn at_prefix(rule: Rule, text: Text<'_>, start: usize) -> Answer {
    for form in FORMS.iter().filter(|form| form.rule == rule) {
        let mut reader = text.reader(start);
        if eat_prefix(&mut reader, form.prefix.as_bytes())? {
            return decide_form(form, reader, start);
        }
    }
    Err(Stop::No)
}

/// Steps over a prefix, whose underscores may be written as markup does: `\_`.
fn eat_prefix(reader: &mut Reader<'_>, prefix: &[u8]) -> Result<bool, Stop> {
    for want in prefix {
        if *want == b'_' && reader.sees(|byte| byte == b'\\')? {
            reader.skip(1);
        }
        if reader.peek()? != Some(*want) {
            return Ok(false);
        }
        reader.skip(1);
    }
    Ok(true)
}

fn decide_form(form: &Form, mut reader: Reader<'_>, start: usize) -> Answer {
    let from = reader.at;
    let n = reader.run_long(form.body, BODY_BYTES_MAX)?;
    let body = reader.text().slice(from, reader.at);
    let kept = if n < BODY_BYTES_MAX { body.trim_ascii_end_of_dots() } else { body };
    if kept.len() < form.n_min {
        // A prefix inside may be that of a format whose class is wider, so its token may be longer.
        return Err(Stop::No);
    }
    if !(form.judge)(kept) {
        if form.rule == Rule::AwsAccessKey {
            // The last sixteen may be one.
            return Err(Stop::No);
        }
        // What is inside is shorter and no denser, so a text of prefixes is read once. Where the bound cut the run, that is sure of its
        // first half only: what begins in the second one may see what this did not.
        let n_sure = if n < BODY_BYTES_MAX { n } else { BODY_BYTES_MAX / 2 };
        return Err(Stop::NoUntil(from.saturating_add(n_sure)));
    }
    let mut hit = Hit::new(start, from.saturating_add(kept.len()));
    hit.goes_on = n == BODY_BYTES_MAX;
    if form.rule == Rule::Github && is_base62_right(kept) {
        hit.support = Support::Checksum;
    }
    Ok(hit)
}

pub(super) fn go_on(rule: Rule, text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n = reader.run_long(widest(rule), BODY_BYTES_MAX)?;
    Ok(Hit { goes_on: n == BODY_BYTES_MAX, ..Hit::new(start, reader.at) })
}

/// The class that holds all classes of a rule: where a token goes on, no prefix says any more which one it is.
fn widest(rule: Rule) -> Class {
    match rule {
        Rule::AwsAccessKey => UPPER,
        Rule::HuggingFace => ALNUM,
        Rule::Github | Rule::Gitlab | Rule::GoogleOauth => DOTTED,
        Rule::Slack => SLACK,
        Rule::SlackWebhook => PATH,
        Rule::Stripe => BASE64,
        _ => URL,
    }
}

trait TrimDots {
    /// Without the full stops that end the sentence, not the token.
    fn trim_ascii_end_of_dots(&self) -> &[u8];
}

impl TrimDots for [u8] {
    fn trim_ascii_end_of_dots(&self) -> &[u8] {
        let n = self.iter().rev().take_while(|&&byte| byte == b'.').count();
        self.get(..self.len().saturating_sub(n)).unwrap_or_default()
    }
}

/// Whether one of these rules finds something here.
pub(super) fn has_mark(text: Text<'_>, start: usize) -> Result<bool, Stop> {
    let rules = FORMS.chunk_by(|one, other| one.rule == other.rule).filter_map(<[Form]>::first);
    let answers = rules.map(|form| decide(form.rule, text, start));
    for answer in answers.chain([decide_jwt(text, start)]) {
        match answer {
            Ok(_) => return Ok(true),
            Err(Stop::More(wait)) => return Err(Stop::More(wait)),
            Err(_) => {}
        }
    }
    Ok(false)
}

/// What the headers of nearly all JWTs begin with: `{"alg"` and other names in base64.
const JWT_MARKS: [&[u8]; 9] = [
    b"eyJhbGci",
    b"eyJ0eXAi",
    b"eyJraWQi",
    b"eyJlbmMi",
    b"eyJjdHki",
    b"eyJ4NXQi",
    b"eyJqa3Ui",
    b"eyJlcGsi",
    b"eyJ6aXAi",
];

pub(super) fn decide_jwt(text: Text<'_>, start: usize) -> Answer {
    match jwt_from(text, start) {
        Err(Stop::No) => {
            let mark = JWT_MARKS.iter().find_map(|mark| glued::start_of(text, start, mark));
            mark.map_or(Err(Stop::No), |mark| {
                glued::without_mark(text, start, jwt_from(text, mark))
            })
        }
        answer => answer,
    }
}

fn jwt_from(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    for (ahead, &want) in b"eyJ".iter().enumerate() {
        if reader.peek_ahead(ahead)? != Some(want) {
            return Err(Stop::No);
        }
    }
    let n_header = reader.run_long(is_base64url, JWT_HEADER_BYTES_MAX)?;
    if n_header < 12 || reader.peek()? != Some(b'.') {
        return Err(Stop::No);
    }
    let header = decode_base64url(text.slice(start, reader.at));
    let names = |key: &[u8]| header.windows(key.len()).any(|window| window == key);
    if header.first() != Some(&b'{') || !names(b"\"alg\"") {
        return Err(Stop::No);
    }
    reader.skip(1);
    let n_payload = reader
        .run_long(is_base64url, MATCH_BYTES_MAX.saturating_sub(n_header.saturating_add(1)))?;
    if reader.at.saturating_sub(start) >= MATCH_BYTES_MAX {
        return Ok(Hit { goes_on: true, ..Hit::new(start, reader.at) });
    }
    // Encrypted tokens with a direct key have nothing in the second part.
    let is_encrypted = names(b"\"enc\"");
    if n_payload < 4 && !is_encrypted {
        return Err(Stop::No);
    }
    if reader.peek()? != Some(b'.') {
        // A token whose signature was cut off still says what it said; half a payload says nothing.
        let payload = text.slice(reader.at.saturating_sub(n_payload), reader.at);
        let claims = decode_base64url(payload);
        let is_whole = claims.first() == Some(&b'{') && claims.last() == Some(&b'}');
        return if is_whole { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) };
    }
    reader.skip(1);
    parts(reader, start)
}

pub(super) fn go_on_jwt(text: Text<'_>, start: usize) -> Answer {
    parts(text.reader(start), start)
}

/// Reads the rest of a JWT up to the bound: parts with single dots between them.
fn parts(mut reader: Reader<'_>, start: usize) -> Answer {
    while reader.at.saturating_sub(start) < MATCH_BYTES_MAX {
        if reader.sees(|byte| byte == b'.')? && reader.sees_ahead(1, is_base64url)? {
            reader.skip(1);
        } else if reader.run_long(
            is_base64url,
            MATCH_BYTES_MAX.saturating_sub(reader.at.saturating_sub(start)),
        )? == 0
        {
            return Ok(Hit::new(start, reader.at));
        }
    }
    Ok(Hit { goes_on: true, ..Hit::new(start, reader.at) })
}

/// Decodes what it can; the last bits of a cut text are lost.
pub(super) fn decode_base64url(text: &[u8]) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'-' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len());
    for group in text.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, &byte| bits << 6 | u32::from(value(byte)));
        let missing = 4_usize.saturating_sub(group.len());
        let bits = (0..missing).fold(bits, |bits, _| bits << 6);
        bytes.extend(bits.to_be_bytes().iter().skip(1).take(3_usize.saturating_sub(missing)));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::LEFT_BYTES_MAX;

    #[test]
    fn the_widest_class_is_the_union_of_all_of_a_rule() {
        for rule in FORMS.iter().map(|form| form.rule) {
            for byte in 0..=u8::MAX {
                let in_some = FORMS.iter().any(|form| form.rule == rule && (form.body)(byte));
                assert_eq!(widest(rule)(byte), in_some, "{rule:?} {byte}");
            }
        }
    }

    #[test]
    fn tokens_of_fixed_length_are_looked_for_where_they_would_begin() {
        let n_bytes = |form: &Form| form.prefix.len() + form.n_fixed.unwrap_or_default();
        let mut wanted: Vec<_> = FORMS
            .iter()
            .filter(|form| form.n_fixed.is_some_and(|n_body| n_body >= form.n_min))
            .map(|form| (n_bytes(form), form.prefix.as_bytes()[0]))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(wanted, FIXED);
        assert!(FIXED.iter().all(|&(n_bytes, _)| n_bytes <= FIXED_BYTES_MAX));
        const { assert!(FIXED_BYTES_MAX <= LEFT_BYTES_MAX) };
    }

    #[test]
    fn the_marks_of_jwts_are_names_in_base64() {
        for mark in JWT_MARKS {
            let text = decode_base64url(mark);
            assert!(
                matches!(&text[..], [b'{', b'"', name @ .., b'"'] if name.len() == 3),
                "{text:?}"
            );
        }
    }

    #[test]
    fn base64_decodes() {
        assert_eq!(decode_base64url(b"eyJhbGciOiJIUzI1NiJ9"), br#"{"alg":"HS256"}"#);
        assert_eq!(decode_base64url(b"eyJh"), b"{\"a");
        assert_eq!(decode_base64url(b"eyI"), b"{\"");
    }
}
