//! Records of a few words, as tools give them back: what people and places are called, under the name of a field.
use super::grammar::Random;
use super::made::SEED;
use super::rows::{Row, labels};
use bartizan_inspect::model::{Head, Place};

/// What the sources of these texts are called, with the name of the one that the values are from before it.
pub(crate) const SUFFIX: &str = "_records";

/// Of so many rows, one becomes a record.
const ROWS_APART: usize = 4;
/// Most values of a record.
const VALUES_MAX: usize = 3;

/// Names of fields.
const FIELDS: &[&str] = &[
    "to", "owner", "value", "contact", "customer", "reply_to", "q", "name", "assignee", "location",
    "author", "title", "label", "input", "answer", "key",
];

/// Records with the values of some rows. All of them are harmless.
pub(crate) fn rows(given: &[Row]) -> Vec<Row> {
    let mut random = Random::new(SEED, "records");
    let named = given.iter().filter(|row| !row.values.is_empty());
    named.step_by(ROWS_APART).map(|row| record(row, &mut random)).collect()
}

fn record(row: &Row, random: &mut Random) -> Row {
    // In the order of their names, whatever order the library's own maps have in this build.
    let mut fields = std::collections::BTreeMap::new();
    for value in row.values.iter().take(VALUES_MAX) {
        let name = random.pick(FIELDS).copied().unwrap_or_default();
        fields.insert(name, value);
    }
    Row {
        source: format!("{}{SUFFIX}", row.source),
        family: row.family,
        text: serde_json::to_string(&fields).unwrap_or_default(),
        place: Place::Data,
        labels: labels(&[], &Head::ALL),
        attack: None,
        values: Vec::new(),
        near: Vec::new(),
        may_train: row.may_train,
        calibrates: true,
    }
}
