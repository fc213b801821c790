//! Names of the protocol that every exchange is full of. No detector finds anything in them, which a test shows for each, so that they are
//! told apart by a comparison instead of being read.

/// Most bytes of a name.
const NAME_BYTES_MAX: usize = 25;

/// Names of fields and values of chat completions and embeddings, sorted.
static NAMES: &[&str] = &[
    "annotations",
    "arguments",
    "assistant",
    "audio",
    "auto",
    "chat.completion",
    "chat.completion.chunk",
    "choices",
    "completion_tokens",
    "completion_tokens_details",
    "content",
    "created",
    "data",
    "description",
    "developer",
    "embedding",
    "encoding_format",
    "enum",
    "finish_reason",
    "float",
    "frequency_penalty",
    "function",
    "id",
    "include_usage",
    "index",
    "input",
    "length",
    "list",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "message",
    "messages",
    "metadata",
    "model",
    "n",
    "name",
    "none",
    "object",
    "parallel_tool_calls",
    "parameters",
    "presence_penalty",
    "prompt_tokens",
    "prompt_tokens_details",
    "properties",
    "refusal",
    "required",
    "response_format",
    "role",
    "seed",
    "service_tier",
    "stop",
    "stream",
    "stream_options",
    "strict",
    "string",
    "system",
    "system_fingerprint",
    "temperature",
    "text",
    "tool",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "total_tokens",
    "type",
    "usage",
    "user",
];

/// Whether a text is such a name, and nothing else.
pub(crate) fn is_name(text: &[u8]) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.first().is_some_and(u8::is_ascii_lowercase)
        && NAMES.binary_search_by(|name| name.as_bytes().cmp(text)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ears;
    use crate::model::Judge;
    use bartizan_core::evidence::Source;

    #[test]
    fn nothing_is_found_in_a_name() {
        assert!(NAMES.is_sorted(), "they are searched");
        let judge = Judge::shipped().ok().map(crate::intern::judge);
        for name in NAMES {
            assert!(is_name(name.as_bytes()), "{name}");
            for source in Source::ALL {
                let mut found = Vec::new();
                let ears = Ears { judge, source };
                crate::view::scan(ears, name.as_bytes(), &mut |finding| found.push(finding));
                assert!(found.is_empty(), "{name} of {source:?}: {found:?}");
            }
        }
        for text in ["", "Role", "role ", "roles", "x", "user@example.org"] {
            assert!(!is_name(text.as_bytes()), "{text}");
        }
    }
}
