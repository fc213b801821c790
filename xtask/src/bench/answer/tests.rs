use super::*;
use proptest::prelude::*;

/// Reads `parts` one after the other: status, body and whether the answer was complete, or the first error.
fn read<'part>(
    parts: impl IntoIterator<Item = &'part [u8]>,
) -> Result<(Option<u16>, Vec<u8>, bool), AnswerError> {
    let mut reader = AnswerReader::new(true);
    let mut done = false;
    for part in parts {
        done = reader.push(part)?;
    }
    let kept = reader.kept().unwrap_or_default().to_vec();
    assert_eq!(u64::try_from(kept.len()).unwrap(), reader.n_body_bytes());
    assert_eq!(reader.tail(), &kept[kept.len().saturating_sub(TAIL_BYTES)..]);
    Ok((reader.status(), kept, done))
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn reads_answers() {
    let cases = [
        (
            "a length",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
            200,
            "hello",
            true,
        ),
        ("no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), 200, "", true),
        (
            "no reason, old version",
            "HTTP/1.0 404\r\ncontent-length:1\r\n\r\nx".to_owned(),
            404,
            "x",
            true,
        ),
        (
            "body not there yet",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel".to_owned(),
            200,
            "hel",
            false,
        ),
        ("chunks", format!("{CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200, "abcde", true),
        ("no chunk", format!("{CHUNKED}0\r\n\r\n"), 200, "", true),
        (
            "hex, either case, leading zeros",
            format!("{CHUNKED}0A\r\n0123456789\r\n00b\r\n0123456789x\r\n0\r\n\r\n"),
            200,
            "01234567890123456789x",
            true,
        ),
        (
            "extensions and trailers",
            format!("{CHUNKED}1;a=b\r\nx\r\n0 ;c\r\nk: v\r\nk2: v2\r\n\r\n"),
            200,
            "x",
            true,
        ),
        ("last chunk without the blank line", format!("{CHUNKED}1\r\nx\r\n0\r\n"), 200, "x", false),
    ];
    for (name, text, status, body, done) in cases {
        assert_eq!(
            read([text.as_bytes()]),
            Ok((Some(status), body.as_bytes().to_vec(), done)),
            "{name}"
        );
    }
    assert_eq!(
        read([&b"HTTP/1.1 200 OK\r\ncontent-le"[..]]),
        Ok((None, vec![], false)),
        "head not there yet"
    );
}

#[test]
fn refuses_what_is_no_answer() {
    let head = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\nx");
    let cases = [
        ("not HTTP", "SSH-2.0-x\r\n\r\n".to_owned(), AnswerError::StatusLine),
        ("another version", "HTTP/2.0 200 OK\r\n\r\n".to_owned(), AnswerError::StatusLine),
        ("status of two digits", "HTTP/1.1 20\r\n\r\n".to_owned(), AnswerError::StatusLine),
        ("status of four digits", "HTTP/1.1 2000 OK\r\n\r\n".to_owned(), AnswerError::StatusLine),
        ("status below 100", "HTTP/1.1 099 OK\r\n\r\n".to_owned(), AnswerError::StatusLine),
        ("neither length nor chunks", head("a: b"), AnswerError::Length),
        ("length is no number", head("content-length: x"), AnswerError::Length),
        ("length has a sign", head("content-length: +1"), AnswerError::Length),
        ("length is empty", head("content-length:"), AnswerError::Length),
        ("length overflows", head("content-length: 99999999999999999999"), AnswerError::Length),
        ("two lengths", head("content-length: 1\r\ncontent-length: 1"), AnswerError::Length),
        (
            "length and chunks",
            head("content-length: 1\r\ntransfer-encoding: chunked"),
            AnswerError::Length,
        ),
        ("another coding", head("transfer-encoding: gzip, chunked"), AnswerError::Length),
        (
            "bytes after a length",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy".to_owned(),
            AnswerError::Surplus,
        ),
        ("bytes after chunks", format!("{CHUNKED}0\r\n\r\nx"), AnswerError::Surplus),
        ("no chunk size", format!("{CHUNKED}\r\n"), AnswerError::Chunk),
        ("size is no number", format!("{CHUNKED}g\r\n"), AnswerError::Chunk),
        ("negative size", format!("{CHUNKED}-1\r\n"), AnswerError::Chunk),
        ("size too long", format!("{CHUNKED}0000000000000001\r\n"), AnswerError::Chunk),
        ("size ends with a bare line feed", format!("{CHUNKED}1\nx\r\n"), AnswerError::Chunk),
        ("line feed in an extension", format!("{CHUNKED}1;a\nx\r\n"), AnswerError::Chunk),
        ("return without line feed", format!("{CHUNKED}1\rx"), AnswerError::Chunk),
        ("data longer than its size", format!("{CHUNKED}1\r\nxy\r\n"), AnswerError::Chunk),
        ("data ends with a bare line feed", format!("{CHUNKED}1\r\nx\n"), AnswerError::Chunk),
        ("trailer ends with a bare line feed", format!("{CHUNKED}0\r\nk: v\n"), AnswerError::Chunk),
    ];
    for (name, text, want) in cases {
        assert_eq!(read([text.as_bytes()]), Err(want), "{name}");
    }
}

#[test]
fn limits_hold() {
    let long =
        |n: usize| format!("HTTP/1.1 200 OK\r\na: {}\r\ncontent-length: 1\r\n\r\nx", "y".repeat(n));
    assert!(read([long(HEAD_BYTES_MAX - 100).as_bytes()]).is_ok());
    assert_eq!(read([long(HEAD_BYTES_MAX).as_bytes()]), Err(AnswerError::HeadTooLong));
    let extra = "y".repeat(usize::try_from(EXTRA_BYTES_MAX).unwrap());
    assert_eq!(read([format!("{CHUNKED}0\r\n{extra}y").as_bytes()]), Err(AnswerError::Chunk));
    assert!(read([format!("{CHUNKED}0\r\n{extra}").as_bytes()]).is_ok());
    let mut reader = AnswerReader::new(true);
    assert_eq!(
        reader.push(
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", KEPT_BYTES_MAX + 1).as_bytes()
        ),
        Ok(false)
    );
    assert_eq!(reader.push(&vec![0; KEPT_BYTES_MAX]), Ok(false));
    assert_eq!(reader.push(b"x"), Err(AnswerError::KeptTooLong));
}

proptest! {
    /// The network may cut an answer anywhere.
    #[test]
    fn cutting_does_not_matter(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..90), 0..6),
        chunked in any::<bool>(),
        cuts in prop::collection::vec(0..700_usize, 0..5),
    ) {
        let body = bodies.concat();
        let mut wire = if chunked { CHUNKED.as_bytes().to_vec() } else { format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes() };
        if chunked {
            for chunk in &bodies {
                wire.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
            }
            wire.extend(b"0\r\n\r\n");
        } else {
            wire.extend(&body);
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).chain([0, wire.len()]).collect();
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]);
        prop_assert_eq!(read(parts), Ok((Some(200), body, true)));
    }

    /// Garbage is an error or an unfinished answer, never a panic.
    #[test]
    fn garbage_does_no_harm(wire in prop::collection::vec(prop::sample::select(&b"HTTP/1. 20\r\n:;chunked0aF"[..]), 0..200), chunked in any::<bool>()) {
        let head = if chunked { CHUNKED } else { "" };
        let _outcome = read([head.as_bytes(), &wire]);
    }
}
