//! `bartizan range`: a practice model that is gullible on purpose, for trying a guard without a GPU or a download.
//!
//! An `OpenAI`-compatible server with planted values (a system prompt, a test card number, two keys, an e-mail address, an IBAN, a
//! US social security number). It answers plain questions with canned answers, and gives its secrets away to anyone who knows
//! how to ask: [`LESSONS`] lists the ways. Everything follows from the seed and the request, so a run can be repeated.
//!
//! No language model is inside, and every answer says so. It checks no keys, guards nothing, and is no benchmark of guards: real
//! models find more ways. [`Range`] has no power at all; only [`serve`] opens the network, and only where its listener does.
mod answer;
mod call;
mod canary;
mod completion;
mod draw;
mod embedding;
mod form;
mod heard;
mod lessons;
mod range;
mod reply;
mod request;
mod said;
mod seen;
mod server;
mod token;
mod topics;
mod wish;

pub use answer::{ANSWER_BYTES_MAX, Way};
pub use canary::{Canary, Emitted};
pub use completion::Events;
pub use form::Form;
pub use heard::client_text;
pub use lessons::{LESSONS, Lesson, Place};
pub use range::{CHUNK_BYTES_MAX, DELAY_MS_MAX, Fate, OptionsError, Range, RangeOptions};
pub use reply::{Reply, ReplyBody};
pub use seen::{SEEN_BYTES_MAX, SEEN_REQUESTS_MAX, Seen, SeenRequest};
pub use server::{ServeLimits, Stopped, serve, serve_with};
