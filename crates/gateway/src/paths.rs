//! Every path that callers of such servers know, and whether it is guarded. There are no side doors: what is not guarded is closed.
//!
//! Paths are compared byte for byte. Nothing is normalised, because the upstream might normalise differently: `//v1/models`,
//! `/v1/models/` and `/v1/%6dodels` are unknown here, and so they never become a request there.
use crate::exchange::Endpoint;

/// What happens to a request for a known path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathStatus {
    /// Its requests and answers are read and judged.
    Guarded(Endpoint),
    /// It exists at some upstreams, nobody here can judge its traffic, so nothing passes.
    Closed,
}

/// What a method and a path lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A guarded endpoint.
    Guarded(Endpoint),
    /// A known path that lets nothing through.
    Closed,
    /// A guarded path, but not by this method.
    WrongMethod {
        /// The value of the `allow` header.
        allow: &'static str,
    },
    /// Nobody knows it.
    Unknown,
}

use PathStatus::{Closed, Guarded};

/// Method, path pattern (`{...}` stands for one segment), status. The first three lines are all that is served.
pub static PATHS: &[(&str, &str, PathStatus)] = &[
    ("POST", "/v1/chat/completions", Guarded(Endpoint::Chat)),
    ("POST", "/v1/embeddings", Guarded(Endpoint::Embeddings)),
    ("GET", "/v1/models", Guarded(Endpoint::Models)),
    // Stored chat completions.
    ("GET", "/v1/chat/completions", Closed),
    ("GET", "/v1/chat/completions/{completion}", Closed),
    ("POST", "/v1/chat/completions/{completion}", Closed),
    ("DELETE", "/v1/chat/completions/{completion}", Closed),
    ("GET", "/v1/chat/completions/{completion}/messages", Closed),
    // Other ways to generate text.
    ("POST", "/v1/completions", Closed),
    ("POST", "/v1/edits", Closed),
    ("POST", "/v1/responses", Closed),
    ("GET", "/v1/responses/{response}", Closed),
    ("DELETE", "/v1/responses/{response}", Closed),
    ("POST", "/v1/responses/{response}/cancel", Closed),
    ("GET", "/v1/responses/{response}/input_items", Closed),
    ("POST", "/v1/responses/input_tokens", Closed),
    ("POST", "/v1/responses/compact", Closed),
    ("POST", "/v1/conversations", Closed),
    ("GET", "/v1/conversations/{conversation}", Closed),
    ("POST", "/v1/conversations/{conversation}", Closed),
    ("DELETE", "/v1/conversations/{conversation}", Closed),
    ("POST", "/v1/conversations/{conversation}/items", Closed),
    ("GET", "/v1/conversations/{conversation}/items", Closed),
    ("GET", "/v1/conversations/{conversation}/items/{item}", Closed),
    ("DELETE", "/v1/conversations/{conversation}/items/{item}", Closed),
    // One model.
    ("GET", "/v1/models/{model}", Closed),
    ("DELETE", "/v1/models/{model}", Closed),
    // Sound, pictures and films.
    ("POST", "/v1/audio/speech", Closed),
    ("POST", "/v1/audio/transcriptions", Closed),
    ("POST", "/v1/audio/translations", Closed),
    ("GET", "/v1/audio/voices", Closed),
    ("POST", "/v1/audio/voices", Closed),
    ("POST", "/v1/audio/voice_consents", Closed),
    ("GET", "/v1/audio/voice_consents", Closed),
    ("GET", "/v1/audio/voice_consents/{consent}", Closed),
    ("POST", "/v1/audio/voice_consents/{consent}", Closed),
    ("DELETE", "/v1/audio/voice_consents/{consent}", Closed),
    ("POST", "/v1/images/generations", Closed),
    ("POST", "/v1/images/edits", Closed),
    ("POST", "/v1/images/variations", Closed),
    ("POST", "/v1/videos", Closed),
    ("GET", "/v1/videos", Closed),
    ("GET", "/v1/videos/{video}", Closed),
    ("DELETE", "/v1/videos/{video}", Closed),
    ("GET", "/v1/videos/{video}/content", Closed),
    ("POST", "/v1/videos/{video}/remix", Closed),
    // Realtime.
    ("GET", "/v1/realtime", Closed),
    ("POST", "/v1/realtime", Closed),
    ("POST", "/v1/realtime/sessions", Closed),
    ("POST", "/v1/realtime/transcription_sessions", Closed),
    ("POST", "/v1/realtime/client_secrets", Closed),
    ("POST", "/v1/realtime/calls", Closed),
    ("POST", "/v1/realtime/calls/{call}/accept", Closed),
    ("POST", "/v1/realtime/calls/{call}/hangup", Closed),
    ("POST", "/v1/realtime/calls/{call}/refer", Closed),
    ("POST", "/v1/realtime/calls/{call}/reject", Closed),
    // Files, uploads and batches.
    ("GET", "/v1/files", Closed),
    ("POST", "/v1/files", Closed),
    ("GET", "/v1/files/{file}", Closed),
    ("DELETE", "/v1/files/{file}", Closed),
    ("GET", "/v1/files/{file}/content", Closed),
    ("POST", "/v1/uploads", Closed),
    ("POST", "/v1/uploads/{upload}/parts", Closed),
    ("POST", "/v1/uploads/{upload}/complete", Closed),
    ("POST", "/v1/uploads/{upload}/cancel", Closed),
    ("GET", "/v1/batches", Closed),
    ("POST", "/v1/batches", Closed),
    ("GET", "/v1/batches/{batch}", Closed),
    ("POST", "/v1/batches/{batch}/cancel", Closed),
    // Fine-tuning and evaluation.
    ("GET", "/v1/fine_tuning/jobs", Closed),
    ("POST", "/v1/fine_tuning/jobs", Closed),
    ("GET", "/v1/fine_tuning/jobs/{job}", Closed),
    ("POST", "/v1/fine_tuning/jobs/{job}/cancel", Closed),
    ("POST", "/v1/fine_tuning/jobs/{job}/pause", Closed),
    ("POST", "/v1/fine_tuning/jobs/{job}/resume", Closed),
    ("GET", "/v1/fine_tuning/jobs/{job}/events", Closed),
    ("GET", "/v1/fine_tuning/jobs/{job}/checkpoints", Closed),
    ("GET", "/v1/fine_tuning/checkpoints/{checkpoint}/permissions", Closed),
    ("POST", "/v1/fine_tuning/checkpoints/{checkpoint}/permissions", Closed),
    ("DELETE", "/v1/fine_tuning/checkpoints/{checkpoint}/permissions/{permission}", Closed),
    ("POST", "/v1/fine_tuning/alpha/graders/run", Closed),
    ("POST", "/v1/fine_tuning/alpha/graders/validate", Closed),
    ("GET", "/v1/fine-tunes", Closed),
    ("POST", "/v1/fine-tunes", Closed),
    ("GET", "/v1/fine-tunes/{job}", Closed),
    ("POST", "/v1/fine-tunes/{job}/cancel", Closed),
    ("GET", "/v1/fine-tunes/{job}/events", Closed),
    ("GET", "/v1/evals", Closed),
    ("POST", "/v1/evals", Closed),
    ("GET", "/v1/evals/{eval}", Closed),
    ("POST", "/v1/evals/{eval}", Closed),
    ("DELETE", "/v1/evals/{eval}", Closed),
    ("GET", "/v1/evals/{eval}/runs", Closed),
    ("POST", "/v1/evals/{eval}/runs", Closed),
    ("GET", "/v1/evals/{eval}/runs/{run}", Closed),
    ("POST", "/v1/evals/{eval}/runs/{run}", Closed),
    ("DELETE", "/v1/evals/{eval}/runs/{run}", Closed),
    ("GET", "/v1/evals/{eval}/runs/{run}/output_items", Closed),
    ("GET", "/v1/evals/{eval}/runs/{run}/output_items/{item}", Closed),
    // Assistants and threads.
    ("GET", "/v1/assistants", Closed),
    ("POST", "/v1/assistants", Closed),
    ("GET", "/v1/assistants/{assistant}", Closed),
    ("POST", "/v1/assistants/{assistant}", Closed),
    ("DELETE", "/v1/assistants/{assistant}", Closed),
    ("POST", "/v1/threads", Closed),
    ("POST", "/v1/threads/runs", Closed),
    ("GET", "/v1/threads/{thread}", Closed),
    ("POST", "/v1/threads/{thread}", Closed),
    ("DELETE", "/v1/threads/{thread}", Closed),
    ("GET", "/v1/threads/{thread}/messages", Closed),
    ("POST", "/v1/threads/{thread}/messages", Closed),
    ("GET", "/v1/threads/{thread}/messages/{message}", Closed),
    ("POST", "/v1/threads/{thread}/messages/{message}", Closed),
    ("DELETE", "/v1/threads/{thread}/messages/{message}", Closed),
    ("GET", "/v1/threads/{thread}/runs", Closed),
    ("POST", "/v1/threads/{thread}/runs", Closed),
    ("GET", "/v1/threads/{thread}/runs/{run}", Closed),
    ("POST", "/v1/threads/{thread}/runs/{run}", Closed),
    ("POST", "/v1/threads/{thread}/runs/{run}/cancel", Closed),
    ("POST", "/v1/threads/{thread}/runs/{run}/submit_tool_outputs", Closed),
    ("GET", "/v1/threads/{thread}/runs/{run}/steps", Closed),
    ("GET", "/v1/threads/{thread}/runs/{run}/steps/{step}", Closed),
    ("POST", "/v1/chatkit/sessions", Closed),
    ("POST", "/v1/chatkit/sessions/{session}/cancel", Closed),
    ("GET", "/v1/chatkit/threads", Closed),
    ("GET", "/v1/chatkit/threads/{thread}", Closed),
    ("DELETE", "/v1/chatkit/threads/{thread}", Closed),
    ("GET", "/v1/chatkit/threads/{thread}/items", Closed),
    // Vector stores, containers, skills.
    ("GET", "/v1/vector_stores", Closed),
    ("POST", "/v1/vector_stores", Closed),
    ("GET", "/v1/vector_stores/{store}", Closed),
    ("POST", "/v1/vector_stores/{store}", Closed),
    ("DELETE", "/v1/vector_stores/{store}", Closed),
    ("POST", "/v1/vector_stores/{store}/search", Closed),
    ("GET", "/v1/vector_stores/{store}/files", Closed),
    ("POST", "/v1/vector_stores/{store}/files", Closed),
    ("GET", "/v1/vector_stores/{store}/files/{file}", Closed),
    ("POST", "/v1/vector_stores/{store}/files/{file}", Closed),
    ("DELETE", "/v1/vector_stores/{store}/files/{file}", Closed),
    ("GET", "/v1/vector_stores/{store}/files/{file}/content", Closed),
    ("POST", "/v1/vector_stores/{store}/file_batches", Closed),
    ("GET", "/v1/vector_stores/{store}/file_batches/{batch}", Closed),
    ("POST", "/v1/vector_stores/{store}/file_batches/{batch}/cancel", Closed),
    ("GET", "/v1/vector_stores/{store}/file_batches/{batch}/files", Closed),
    ("GET", "/v1/containers", Closed),
    ("POST", "/v1/containers", Closed),
    ("GET", "/v1/containers/{container}", Closed),
    ("DELETE", "/v1/containers/{container}", Closed),
    ("GET", "/v1/containers/{container}/files", Closed),
    ("POST", "/v1/containers/{container}/files", Closed),
    ("GET", "/v1/containers/{container}/files/{file}", Closed),
    ("DELETE", "/v1/containers/{container}/files/{file}", Closed),
    ("GET", "/v1/containers/{container}/files/{file}/content", Closed),
    ("GET", "/v1/skills", Closed),
    ("POST", "/v1/skills", Closed),
    ("GET", "/v1/skills/{skill}", Closed),
    ("POST", "/v1/skills/{skill}", Closed),
    ("DELETE", "/v1/skills/{skill}", Closed),
    // Moderation and administration.
    ("POST", "/v1/moderations", Closed),
    ("GET", "/v1/organization/{area}", Closed),
    ("POST", "/v1/organization/{area}", Closed),
    ("GET", "/v1/organization/{area}/{item}", Closed),
    ("POST", "/v1/organization/{area}/{item}", Closed),
    ("DELETE", "/v1/organization/{area}/{item}", Closed),
    ("GET", "/v1/organization/projects/{project}/{area}", Closed),
    ("POST", "/v1/organization/projects/{project}/{area}", Closed),
    ("GET", "/v1/usage", Closed),
    ("GET", "/v1/dashboard/billing/usage", Closed),
    ("GET", "/v1/dashboard/billing/subscription", Closed),
    ("GET", "/v1/engines", Closed),
    ("GET", "/v1/engines/{engine}", Closed),
    ("POST", "/v1/engines/{engine}/completions", Closed),
    ("POST", "/v1/engines/{engine}/embeddings", Closed),
    // Without the version, as several servers also accept.
    ("POST", "/chat/completions", Closed),
    ("POST", "/completions", Closed),
    ("POST", "/embeddings", Closed),
    ("GET", "/models", Closed),
    ("POST", "/responses", Closed),
    ("POST", "/openai/deployments/{deployment}/chat/completions", Closed),
    ("POST", "/openai/deployments/{deployment}/completions", Closed),
    ("POST", "/openai/deployments/{deployment}/embeddings", Closed),
    // Dialects of other vendors.
    ("POST", "/v1/messages", Closed),
    ("POST", "/v1/messages/count_tokens", Closed),
    ("GET", "/v1/messages/batches", Closed),
    ("POST", "/v1/messages/batches", Closed),
    ("POST", "/v1/complete", Closed),
    ("POST", "/v1/rerank", Closed),
    ("POST", "/v2/rerank", Closed),
    ("POST", "/rerank", Closed),
    ("POST", "/reranking", Closed),
    ("POST", "/v1/reranking", Closed),
    ("POST", "/v1/score", Closed),
    ("POST", "/score", Closed),
    ("POST", "/v1/classify", Closed),
    ("POST", "/classify", Closed),
    ("POST", "/v1/pooling", Closed),
    ("POST", "/pooling", Closed),
    ("POST", "/v1/tokenize", Closed),
    ("POST", "/v1/detokenize", Closed),
    ("POST", "/v1/load_lora_adapter", Closed),
    ("POST", "/v1/unload_lora_adapter", Closed),
    ("GET", "/v1beta/models", Closed),
    ("GET", "/v1beta/models/{model}", Closed),
    ("POST", "/v1beta/models/{model}", Closed),
    // vLLM, SGLang and TGI.
    ("GET", "/ping", Closed),
    ("POST", "/ping", Closed),
    ("GET", "/load", Closed),
    ("GET", "/version", Closed),
    ("GET", "/server_info", Closed),
    ("GET", "/get_model_info", Closed),
    ("GET", "/get_server_info", Closed),
    ("POST", "/generate", Closed),
    ("POST", "/generate_stream", Closed),
    ("POST", "/encode", Closed),
    ("POST", "/flush_cache", Closed),
    ("POST", "/update_weights", Closed),
    ("POST", "/invocations", Closed),
    ("POST", "/inference/v1/generate", Closed),
    ("POST", "/start_profile", Closed),
    ("POST", "/stop_profile", Closed),
    ("POST", "/sleep", Closed),
    ("POST", "/wake_up", Closed),
    ("GET", "/is_sleeping", Closed),
    ("POST", "/reset_prefix_cache", Closed),
    ("POST", "/collective_rpc", Closed),
    ("POST", "/scale_elastic_ep", Closed),
    ("POST", "/abort_requests", Closed),
    ("GET", "/info", Closed),
    ("GET", "/docs", Closed),
    ("GET", "/redoc", Closed),
    ("GET", "/openapi.json", Closed),
    // llama.cpp.
    ("POST", "/completion", Closed),
    ("POST", "/embedding", Closed),
    ("POST", "/infill", Closed),
    ("POST", "/tokenize", Closed),
    ("POST", "/detokenize", Closed),
    ("POST", "/apply-template", Closed),
    ("GET", "/props", Closed),
    ("POST", "/props", Closed),
    ("GET", "/slots", Closed),
    ("POST", "/slots/{slot}", Closed),
    ("GET", "/lora-adapters", Closed),
    ("POST", "/lora-adapters", Closed),
    ("POST", "/models/load", Closed),
    ("POST", "/models/unload", Closed),
    ("GET", "/v1/health", Closed),
    ("GET", "/health", Closed),
    ("GET", "/metrics", Closed),
    ("GET", "/", Closed),
    // Ollama.
    ("POST", "/api/generate", Closed),
    ("POST", "/api/chat", Closed),
    ("POST", "/api/embed", Closed),
    ("POST", "/api/embeddings", Closed),
    ("GET", "/api/tags", Closed),
    ("GET", "/api/ps", Closed),
    ("GET", "/api/version", Closed),
    ("POST", "/api/show", Closed),
    ("POST", "/api/create", Closed),
    ("POST", "/api/copy", Closed),
    ("POST", "/api/pull", Closed),
    ("POST", "/api/push", Closed),
    ("DELETE", "/api/delete", Closed),
    ("HEAD", "/api/blobs/{digest}", Closed),
    ("POST", "/api/blobs/{digest}", Closed),
];

/// What `method` on `path` leads to. `path` is taken as it came, without query.
///
/// ```
/// # use bartizan_gateway::{exchange::Endpoint, paths::{lookup, Lookup}};
/// assert_eq!(lookup("POST", "/v1/chat/completions"), Lookup::Guarded(Endpoint::Chat));
/// assert_eq!(lookup("POST", "/v1/responses"), Lookup::Closed);
/// assert_eq!(lookup("GET", "/v1/embeddings"), Lookup::WrongMethod { allow: "POST" });
/// assert_eq!(lookup("GET", "/v1//models"), Lookup::Unknown);
/// ```
pub fn lookup(method: &str, path: &str) -> Lookup {
    let mut other_method = None;
    let mut known = false;
    for &(row_method, pattern, status) in PATHS {
        if !matches(pattern, path) {
            continue;
        }
        match status {
            Guarded(endpoint) if row_method == method => return Lookup::Guarded(endpoint),
            Guarded(_) => other_method = Some(row_method),
            Closed if row_method == method => return Lookup::Closed,
            Closed => known = true,
        }
    }
    match other_method {
        Some(allow) => Lookup::WrongMethod { allow },
        None if known => Lookup::Closed,
        None => Lookup::Unknown,
    }
}

/// Whether a path fits a pattern, segment by segment. A placeholder takes one segment of plain characters; neither an empty
/// one, nor dots alone, nor anything escaped.
fn matches(pattern: &str, path: &str) -> bool {
    if !pattern.contains('{') {
        return pattern == path;
    }
    let mut have = path.split('/');
    for want in pattern.split('/') {
        match have.next() {
            Some(segment) if want.starts_with('{') && is_plain(segment) => {}
            Some(segment) if segment == want => {}
            _ => return false,
        }
    }
    have.next().is_none()
}

fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@+=,".contains(&byte);
    segment.bytes().all(plain) && segment.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The API as its documentation lists it, kept apart from [`PATHS`] so that the two can disagree.
    const DOCUMENTED: &str = include_str!("paths/openai.txt");

    fn example(pattern: &str) -> String {
        let segments: Vec<_> =
            pattern.split('/').map(|s| if s.starts_with('{') { "an-id_1" } else { s }).collect();
        segments.join("/")
    }

    #[test]
    fn every_documented_path_has_a_status() {
        let lines: Vec<_> =
            DOCUMENTED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(lines.len() > 100, "the list is there");
        for line in lines {
            let (method, pattern) = line.split_once(' ').unwrap();
            let found = lookup(method, &example(pattern));
            assert!(matches!(found, Lookup::Guarded(_) | Lookup::Closed), "{line}: {found:?}");
        }
    }

    #[test]
    fn every_row_is_reachable_and_stands_once() {
        let mut seen = BTreeSet::new();
        for &(method, pattern, status) in PATHS {
            assert!(seen.insert((method, pattern)), "{method} {pattern} stands twice");
            let want = match status {
                Guarded(endpoint) => Lookup::Guarded(endpoint),
                Closed => Lookup::Closed,
            };
            assert_eq!(lookup(method, &example(pattern)), want, "{method} {pattern}");
        }
    }

    #[test]
    fn only_three_doors_are_open() {
        let open: Vec<_> = PATHS
            .iter()
            .filter(|(_, _, status)| *status != Closed)
            .map(|&(method, path, _)| (method, path))
            .collect();
        assert_eq!(
            open,
            [("POST", "/v1/chat/completions"), ("POST", "/v1/embeddings"), ("GET", "/v1/models")]
        );
    }

    #[test]
    fn odd_spellings_are_unknown() {
        for path in [
            "",
            "*",
            "v1/models",
            "//v1/models",
            "/v1//models",
            "/v1/models/",
            "/v1/./models",
            "/v1/../v1/models",
            "/v1/models/..",
            "/v1/models/.",
            "/v1/%6dodels",
            "/v1%2fmodels",
            "/v1/models%2f..",
            "/v1/models%00",
            "/v1/models;x=1",
            "/V1/models",
            "/v1/Models",
            "/v1/chat/completions%20",
            "/v1/chat\\completions",
            "/v1/nothing",
            "/console",
        ] {
            assert_eq!(lookup("GET", path), Lookup::Unknown, "{path}");
            assert_eq!(lookup("POST", path), Lookup::Unknown, "{path}");
        }
    }

    #[test]
    fn other_methods_of_guarded_paths_are_named() {
        for (method, path, want) in [
            ("GET", "/v1/chat/completions", Lookup::Closed),
            ("PUT", "/v1/chat/completions", Lookup::WrongMethod { allow: "POST" }),
            ("OPTIONS", "/v1/chat/completions", Lookup::WrongMethod { allow: "POST" }),
            ("post", "/v1/chat/completions", Lookup::WrongMethod { allow: "POST" }),
            ("HEAD", "/v1/models", Lookup::WrongMethod { allow: "GET" }),
            ("POST", "/v1/models", Lookup::WrongMethod { allow: "GET" }),
            ("GET", "/v1/embeddings", Lookup::WrongMethod { allow: "POST" }),
            ("PATCH", "/v1/responses", Lookup::Closed),
            ("GET", "/v1/models/org-model", Lookup::Closed),
        ] {
            assert_eq!(lookup(method, path), want, "{method} {path}");
        }
    }
}
