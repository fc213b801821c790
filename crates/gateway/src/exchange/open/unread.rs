//! What a request carries that is not text to be read here: token ids, templates, demands for an echo, media.
use crate::exchange::document::Scan;
use crate::exchange::ids::is_ids;
use bartizan_core::evidence::Source;
use bartizan_core::json::{NodeKind, Value};
use bartizan_core::kind::{
    KindId, UNREAD_MEDIA, UNREAD_PROMPT_ECHO, UNREAD_TEMPLATE, UNREAD_TOKEN_IDS,
};

/// Fields that carry text as token ids or embeddings, or ask the upstream to answer in them.
const TOKEN_ID_FIELDS: &[&str] = &[
    "prompt_token_ids",
    "prompt_embeds",
    "input_ids",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "return_tokens",
];
/// Fields of a message that carry its text as token ids or embeddings.
const MESSAGE_ID_FIELDS: &[&str] =
    &["token_ids", "tokens", "prompt_token_ids", "prompt_embeds", "input_ids", "input_embeds"];
/// Fields that make the upstream send the prompt back beside the answer.
const ECHO_FIELDS: &[&str] =
    &["prompt_logprobs", "echo", "return_prompt", "__verbose", "verbose_prompt"];
/// Fields that replace the template which tells instructions from data.
const TEMPLATE_FIELDS: &[&str] = &["chat_template", "template", "raw", "prompt_template"];
/// Fields that are a prompt, where numbers are its tokens however few there are.
const PROMPT_FIELDS: &[&str] = &["prompt", "input"];
/// Fields whose numbers are settings, not text.
const SETTING_FIELDS: &[&str] = &["stop", "stop_token_ids", "allowed_token_ids", "bad_words_ids"];
/// Fields that hold a schema or labels: names in them are the caller's own and mean nothing to the upstream.
const FOREIGN_FIELDS: &[&str] =
    &["metadata", "guided_json", "json_schema", "structured_outputs", "response_format", "tools"];
/// Media data that is shorter is scanned like any other text: it costs nothing.
const DATA_BYTES_MIN: usize = 256;
/// What stands before the data of a data URL is no longer than this.
const DATA_HEAD_BYTES_MAX: usize = 128;

/// Notes what is unread in a field outside the conversation, at any depth.
pub(super) fn in_field(scan: &mut Scan<'_>, key: Value<'_>, value: Value<'_>) {
    let kind = |key: Option<Value<'_>>, value: Value<'_>| {
        let name = key.and_then(Value::text).unwrap_or_default();
        if is_listed(&name, SETTING_FIELDS) || is_listed(&name, FOREIGN_FIELDS) {
            return Look::Past;
        }
        let asked = !value.is_null() && value.bool() != Some(false);
        let kinds = [
            (TOKEN_ID_FIELDS, UNREAD_TOKEN_IDS),
            (ECHO_FIELDS, UNREAD_PROMPT_ECHO),
            (TEMPLATE_FIELDS, UNREAD_TEMPLATE),
        ];
        let named = kinds.into_iter().find(|(fields, _)| asked && is_listed(&name, fields));
        let is_prompt = is_listed(&name, PROMPT_FIELDS) && has_numbers(value);
        match named {
            Some((_, kind)) => Look::Found(kind),
            // Texts whose vectors are asked for may well be numbers.
            None if is_prompt || is_ids(value, !is_listed(&name, &["input"])) => {
                Look::Found(UNREAD_TOKEN_IDS)
            }
            None => Look::Into,
        }
    };
    look(scan, Some(key), value, Source::User, kind);
}

/// Notes what is unread in a message, but for the media among its parts.
pub(super) fn in_message(scan: &mut Scan<'_>, message: Value<'_>, source: Source) {
    for (key, value) in message.members() {
        let name = key.text().unwrap_or_default();
        let empty = value.is_null() || value.bool() == Some(false);
        if !empty && is_listed(&name, MESSAGE_ID_FIELDS) {
            scan.note(value, source, UNREAD_TOKEN_IDS);
            continue;
        }
        if !empty && is_listed(&name, &["chat_template"]) {
            scan.note(value, source, UNREAD_TEMPLATE);
            continue;
        }
        look(scan, None, value, source, |_, value| {
            if is_ids(value, true) { Look::Found(UNREAD_TOKEN_IDS) } else { Look::Into }
        });
    }
}

/// What to do about a value.
enum Look {
    /// It is unread.
    Found(KindId),
    /// Nothing in it matters.
    Past,
    /// Look at what is in it.
    Into,
}

/// Goes through a value and everything in it, each with its key, and notes what `judge` finds.
fn look(
    scan: &mut Scan<'_>,
    key: Option<Value<'_>>,
    value: Value<'_>,
    source: Source,
    judge: impl Fn(Option<Value<'_>>, Value<'_>) -> Look,
) {
    let mut key = key;
    let mut past: Option<Value<'_>> = None;
    for node in value.descendants() {
        if past.is_some_and(|past| past.holds(node.index())) {
            continue;
        }
        if node.kind() == NodeKind::Key {
            key = Some(node);
            continue;
        }
        match judge(key.take(), node) {
            Look::Found(kind) => {
                scan.note(node, source, kind);
                past = Some(node);
            }
            Look::Past => past = Some(node),
            Look::Into => {}
        }
    }
}

/// Upstreams differ in whether case matters in a name: here it does not.
fn is_listed(name: &[u8], fields: &[&str]) -> bool {
    fields.iter().any(|field| field.as_bytes().eq_ignore_ascii_case(name))
}

fn has_numbers(value: Value<'_>) -> bool {
    let is_number = |value: Value<'_>| value.kind() == NodeKind::Number;
    value.items().any(|item| is_number(item) || item.items().any(is_number))
}

/// Notes a media part and scans what is in it, but for its data: that is what `unread.media` stands for.
pub(super) fn media(scan: &mut Scan<'_>, part: Value<'_>) {
    scan.note(part, Source::Document, UNREAD_MEDIA);
    let mut key: Option<Value<'_>> = None;
    for node in part.descendants() {
        let name = key.take().and_then(Value::text).unwrap_or_default();
        if node.kind() == NodeKind::Key {
            key = Some(node);
        }
        match data_head(&name, node) {
            Some(n_bytes) => scan.head(node, n_bytes, Source::Document),
            None => scan.node(node, Source::Document),
        }
    }
}

/// How many bytes stand before the data, when this is a string in a field for data and really holds nothing else.
fn data_head(name: &[u8], node: Value<'_>) -> Option<usize> {
    const URL_FIELDS: [&[u8]; 5] = [b"url", b"image_url", b"audio_url", b"video_url", b"file_data"];
    const DATA_FIELDS: [&[u8]; 2] = [b"data", b"file_data"];
    const MARK: &[u8] = b";base64,";
    let text = (node.kind() == NodeKind::String).then(|| node.text()).flatten()?;
    if text.len() < DATA_BYTES_MIN {
        return None;
    }
    if URL_FIELDS.contains(&name) && text.starts_with(b"data:") {
        let head = text.get(..DATA_HEAD_BYTES_MAX)?;
        let n_head = memchr::memmem::find(head, MARK)? + MARK.len();
        // A text is a text, whatever part it stands in: it is read through its encoding.
        if is_text_type(head.get(b"data:".len()..n_head - MARK.len()).unwrap_or_default()) {
            return None;
        }
        return text.get(n_head..).filter(|data| is_base64(data)).map(|_| n_head);
    }
    (DATA_FIELDS.contains(&name) && is_base64(&text)).then_some(0)
}

/// Whether a media type is that of a text: what comes from such a data URL can be read here.
fn is_text_type(media_type: &[u8]) -> bool {
    const TEXTS: [&[u8]; 5] = [b"json", b"xml", b"javascript", b"yaml", b"x-www-form-urlencoded"];
    let name = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let name = name.trim_ascii().to_ascii_lowercase();
    let (family, kind) = match memchr::memchr(b'/', &name) {
        Some(at) => name.split_at(at),
        None => (name.as_slice(), &b""[..]),
    };
    // Without a type it is plain text: RFC 2397.
    matches!(family, b"" | b"text" | b"message") || TEXTS.iter().any(|text| kind.ends_with(text))
}

fn is_base64(text: &[u8]) -> bool {
    let data = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    data.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}
