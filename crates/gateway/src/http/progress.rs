//! Whether an event stream is getting anywhere: an upstream that only keeps the connection alive is stalled all the same.
use memchr::memchr2;

const FIELD: &[u8] = b"data:";

/// Where in a line of the stream we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// So many bytes of `data:` were read; after the last one, spaces too.
    Field(usize),
    /// The value of a `data` line.
    Value,
    /// A comment, or a line that says nothing of its own.
    Other,
}

/// Reads a stream as it comes and tells data from comments, empty events and bare names, whatever the cuts. It holds no text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    place: Place,
}

impl Default for Progress {
    fn default() -> Self {
        Self { place: Place::Field(0) }
    }
}

impl Progress {
    /// Whether this chunk brings data.
    pub(super) fn push(&mut self, chunk: &[u8]) -> bool {
        let mut brings_data = false;
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            at += 1;
            if byte == b'\n' || byte == b'\r' {
                self.place = Place::Field(0);
                continue;
            }
            self.place = match self.place {
                Place::Field(n) if FIELD.get(n) == Some(&byte) => Place::Field(n + 1),
                Place::Field(n) if n == FIELD.len() && byte == b' ' => Place::Field(n),
                Place::Field(n) if n == FIELD.len() => Place::Value,
                Place::Field(_) => Place::Other,
                place => place,
            };
            if matches!(self.place, Place::Value | Place::Other) {
                brings_data |= self.place == Place::Value;
                let rest = chunk.get(at..).unwrap_or_default();
                at += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            }
        }
        brings_data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_data_is_progress() {
        for (name, text, want) in [
            ("an event", "data: {\"a\":1}\n\n", true),
            ("without a space", "data:1", true),
            ("the end", "data: [DONE]\n\n", true),
            ("after a comment", ": ping\n\ndata: 1\n\n", true),
            ("after a name", "event: message\ndata: 1\n\n", true),
            ("carriage returns", ":\r\rdata: 1", true),
            ("a comment", ": ping\n\n", false),
            ("a comment with data in it", ": data: 1\n\n", false),
            ("empty data", "data:\n\ndata: \r\n\r\ndata:   \n\n", false),
            ("data without a colon", "data\n\n", false),
            ("other fields", "event: ping\nid: 1\nretry: 5\n\n", false),
            ("another field's name", "database: 1\n\n", false),
            ("blank lines", "\n\r\n\n", false),
            ("nothing", "", false),
        ] {
            assert_eq!(Progress::default().push(text.as_bytes()), want, "{name}");
            let mut progress = Progress::default();
            let pieces = text.as_bytes().iter().filter(|&&byte| progress.push(&[byte])).count();
            assert_eq!(0 < pieces, want, "{name}, byte by byte");
        }
    }

    proptest! {
        /// Cutting changes nothing: data comes in some piece exactly when it comes in the whole.
        #[test]
        fn cuts_do_not_matter(text in "(data:|data|: p|event: x|1| |\n|\r){0,16}", cut in any::<prop::sample::Index>()) {
            let whole = Progress::default().push(text.as_bytes());
            let (head, tail) = text.as_bytes().split_at(cut.index(text.len() + 1));
            let mut progress = Progress::default();
            let (first, second) = (progress.push(head), progress.push(tail));
            prop_assert_eq!(first || second, whole);
        }
    }
}
