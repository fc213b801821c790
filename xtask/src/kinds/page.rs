//! The tables of kinds, as `docs/reference/kinds.md` shows them.
use bartizan_core::kind::{Extent, STRUCTURAL};
use bartizan_inspect::kind_details;

/// Where the table of detected kinds begins.
const BEGIN: &str = "<!-- kinds -->\n";
/// Where it ends.
const END: &str = "<!-- end -->";

const fn extent(extent: Extent) -> &'static str {
    match extent {
        Extent::Span => "the span",
        Extent::Part => "the whole part",
    }
}

fn detected() -> impl Iterator<Item = String> {
    kind_details().iter().map(|kind| {
        let (name, title) = (kind.info.name, kind.info.title);
        let (region, legal) = (kind.region, kind.legal);
        let checksum = kind.checksum.unwrap_or("-");
        let extent = extent(kind.info.extent);
        format!("| `{name}` | {title} | {region} | {legal} | {checksum} | {extent} |")
    })
}

/// Every row of the page.
pub(crate) fn rows() -> Vec<String> {
    let structural = STRUCTURAL
        .iter()
        .map(|info| format!("| `{}` | {} | {} |", info.name, info.title, extent(info.extent)));
    detected().chain(structural).collect()
}

/// The page with a fresh table of detected kinds; `None` where it has no marks for one.
pub(crate) fn filled(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let rows: Vec<String> = detected().collect();
    let head = "| kind | what it is | region | in law | checksum | a redaction takes |\n|---|---|---|---|---|---|";
    Some(format!("{before}{BEGIN}\n{head}\n{}\n\n{END}{after}", rows.join("\n")))
}
