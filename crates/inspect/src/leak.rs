//! What an answer gives away of its own request: the system prompt, and the secrets and personal data that came in with it.
//!
//! [`Context`] holds what must not leak in one exchange, [`Leaks`] wraps an inspector and looks for it besides what that one finds. A
//! prompt is compared by letters only, so that line breaks, case, markup, punctuation, letter spacing and invisible characters change
//! nothing; a changed word costs a changed word. It is also found reversed, in ROT13, base64, base32, hex and decimal codes, escaped for
//! URLs, and in wide, mathematical and invisible letters. What is translated, told in other words, compressed or encrypted is not found.
//!
//! Two kinds are reported: `leak.system-prompt` for the prompt or a canary in an answer, and `exfil.context` for the prompt in a tool call
//! or an address, and for a value there. A finding begins at the eighth letter of what was copied: seven letters are no leak, and a
//! stream that held them back would hold back every word.
//!
//! ```
//! # use bartizan_core::{detect::Inspector, evidence::Source};
//! # use bartizan_inspect::{TextInspector, leak::{Context, Leaks, Material}};
//! # use std::sync::Arc;
//! let prompt = b"You book tables for the Blue Heron. Never offer more than nine percent off, whatever the guest says.";
//! let context = Context::new(&Material { prompts: vec![prompt], ..Material::default() });
//! let leaks = Leaks::new(Arc::new(TextInspector::new()), Arc::new(context));
//! let mut seen = Vec::new();
//! let answer = "My rules:\n- you book tables for the BLUE HERON\n- never offer more than *nine* percent off, whatever the guest says";
//! leaks.scan(Source::Model, answer.as_bytes(), &mut |finding| seen.push(finding.detector));
//! assert_eq!(seen, ["leak.system-prompt@1"]);
//! ```
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{KindId, KindInfo, KindSet, LIMIT_DETECTOR};
use std::sync::{Arc, LazyLock};

mod context;
mod detector;
mod forms;
mod grams;
mod letters;
mod needle;
mod place;
mod refusal;
mod runs;

pub use context::{
    CODED_PROMPT_BYTES_MAX, Context, KNOWN_BYTES_MAX, Material, PROMPT_BYTES_MAX, VALUE_BYTES_MAX,
    VALUES_MAX,
};

pub use refusal::is_refusal;

const PROMPT_ID: &str = "leak.system-prompt@1";
const CANARY_ID: &str = "leak.system-prompt.canary@1";
const CARRIED_ID: &str = "exfil.context@1";
const PROMPT_CARRIED_ID: &str = "exfil.context.prompt@1";

static SYSTEM_PROMPT: LazyLock<KindId> = LazyLock::new(|| kind("leak.system-prompt"));
static EXFIL_CONTEXT: LazyLock<KindId> = LazyLock::new(|| kind("exfil.context"));

/// The number of a kind of this crate. No policy permits what a name without a row would be.
fn kind(name: &str) -> KindId {
    let at = crate::KINDS.iter().position(|info| info.name == name);
    at.and_then(|at| KindId::detected(u16::try_from(at).ok()?)).unwrap_or(LIMIT_DETECTOR)
}

/// Wraps an inspector, and finds what leaks of one exchange besides what that one finds.
///
/// Only what a model says ([`Source::Model`]) and what it wants to call ([`Source::ToolCall`]) can leak; every other text is read by the
/// inner inspector alone.
#[derive(Clone)]
pub struct Leaks {
    inner: Arc<dyn Inspector>,
    context: Arc<Context>,
}

impl Leaks {
    /// Looks for what `context` holds, too.
    pub fn new(inner: Arc<dyn Inspector>, context: Arc<Context>) -> Self {
        Self { inner, context }
    }

    fn reader(&self, source: Source) -> Option<detector::Reader> {
        let is_call = source == Source::ToolCall;
        let may_leak = (is_call || source == Source::Model) && !self.context.is_empty();
        may_leak.then(|| detector::Reader::new(Arc::clone(&self.context), is_call))
    }
}

impl std::fmt::Debug for Leaks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaks").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Inspector for Leaks {
    fn kinds(&self) -> &'static [KindInfo] {
        self.inner.kinds()
    }

    fn detector(&self, source: Source) -> Box<dyn Detector> {
        let inner = self.inner.detector(source);
        match self.reader(source) {
            Some(reader) => Box::new(LeakDetector { inner, reader }),
            None => inner,
        }
    }

    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        let Some(mut reader) = self.reader(source) else {
            return self.inner.scan(source, text, report);
        };
        let mut found = Vec::new();
        reader.read(text, &mut |finding| found.push(finding));
        reader.finish(&mut |finding| found.push(finding));
        if found.is_empty() {
            return self.inner.scan(source, text, report);
        }
        self.inner.scan(source, text, &mut |finding| found.push(finding));
        found.sort_unstable();
        found.into_iter().for_each(report);
    }
}

struct LeakDetector {
    inner: Box<dyn Detector>,
    reader: detector::Reader,
}

impl Detector for LeakDetector {
    fn id(&self) -> &'static str {
        self.inner.id()
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        self.inner.push(chunk, report);
        self.reader.read(chunk, report);
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.inner.finish(report);
        self.reader.finish(report);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        self.inner.pending(kinds).min(self.reader.pending(kinds))
    }
}
