//! Output that acts: escapes that a terminal obeys, markup that a browser runs, addresses that carry data to whoever owns them.
//!
//! What is written as code is not acted on: markup between backticks or in a fenced block is left alone (of a longer block, its first
//! [`html::FENCE_BYTES_MAX`] bytes), and so are the colours and cursor moves of programs, which a text writes as `\033[` and a terminal
//! never reads. A page that shows answers without escaping them runs code in fences too: nothing here makes such a page safe.
pub(super) mod ansi;
pub(super) mod html;
pub(super) mod link;

use super::Rule;
use crate::gate::Head;
use crate::text::{Reader, Stop};

/// What the gate must look for.
pub(super) fn heads() -> impl Iterator<Item = Head> {
    let ansi = ansi::heads().map(|bytes| Head::new(Rule::Ansi, bytes, false, false));
    let html = html::HEADS.map(|(bytes, bounded)| Head::new(Rule::Html, bytes, true, bounded));
    ansi.chain(html).chain([Head::new(Rule::Link, *b"htt", true, true)])
}

/// Steps over what comes before the end of a tag, or before the bound, and over the end. Another tag ends it too, so that a text of
/// beginnings is read once.
fn rest_of_tag(reader: &mut Reader<'_>, n_max: usize) -> Result<(), Stop> {
    reader.run_long(|byte| !matches!(byte, b'<' | b'>'), n_max)?;
    reader.eat(b">")?;
    Ok(())
}
