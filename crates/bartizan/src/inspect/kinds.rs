//! The kinds that the guards can see, printed.
use crate::outcome::{Outcome, Usage};
use crate::print;
use bartizan_core::kind::{Extent, KindInfo};
use bartizan_inspect::{KindDetails, kind_details, published_samples};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Lists kinds.
///
/// * `prefix`: only those whose name is this or begins with it and a dot
///
/// # Errors
/// [`Usage`] when there is none; those of stdout.
pub(crate) fn list(prefix: Option<&str>, is_json: bool) -> anyhow::Result<Outcome> {
    let is_wanted = |name: &str| {
        prefix.is_none_or(|prefix| {
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let wanted: Vec<_> =
        kind_details().iter().filter(|details| is_wanted(details.info.name)).collect();
    if wanted.is_empty() {
        let prefix = prefix.unwrap_or_default();
        let message = format!("there is no kind `{prefix}`; `bartizan inspect kinds` lists them");
        return Err(Usage(message).into());
    }
    if is_json {
        let all: Vec<Value> = wanted.into_iter().map(details_json).collect();
        print::json(&all)?;
        return Ok(Outcome::Allow);
    }
    let mut out = String::new();
    let width = |part: fn(&KindDetails) -> &str| {
        wanted.iter().map(|details| part(details).len()).max().unwrap_or_default()
    };
    let (names, titles) = (width(|kind| kind.info.name), width(|kind| kind.info.title));
    for kind in &wanted {
        let KindInfo { name, title, .. } = kind.info;
        let (region, checksum) = (kind.region, kind.checksum.unwrap_or("-"));
        writeln!(out, "{name:names$}  {title:titles$}  {region:2}  {checksum}")?;
    }
    print::data(&out)?;
    print::talk(&format!("{} kinds; --json tells more of each", wanted.len()));
    Ok(Outcome::Allow)
}

fn details_json(details: &KindDetails) -> Value {
    let samples = published_samples().iter().filter(|sample| sample.kind == details.info.name);
    let samples: Vec<Value> = samples
        .map(|sample| {
            let digest = format!("{:032x}", sample.digest);
            json!({ "title": sample.title, "page": sample.page, "sha256_prefix": digest })
        })
        .collect();
    json!({
        "kind": details.info.name, "title": details.info.title, "class": details.class,
        "region": details.region, "legal": details.legal, "checksum": details.checksum,
        "redacts": match details.info.extent { Extent::Span => "span", Extent::Part => "part" },
        "example": details.example_text(), "example_reason": details.example_reason(),
        "notes": details.notes,
        "samples": samples,
    })
}
