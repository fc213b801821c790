use super::*;

const COLUMNS: [Column; 3] = [
    Column { name: "n", kind: Kind::Number, is_optional: false },
    Column { name: "maybe", kind: Kind::Number, is_optional: true },
    Column { name: "word", kind: Kind::Text, is_optional: true },
];

fn file(rows: &[[Cell; 3]]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut parquet = Parquet::begin(&mut out, &COLUMNS)?;
    rows.iter().try_for_each(|row| parquet.push(row.to_vec()))?;
    parquet.end()?;
    Ok(out)
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn numbers_are_packed_as_the_format_shows() {
    let cases: [(&str, &[u64], u32, &[u8]); 4] = [
        // The example of the specification: 0 to 7 in three bits.
        ("0 to 7", &[0, 1, 2, 3, 4, 5, 6, 7], 3, &[0x03, 0b1000_1000, 0b1100_0110, 0b1111_1010]),
        ("levels", &[1, 0, 1], 1, &[0x03, 0b101]),
        ("nothing", &[], 1, &[0x01]),
        ("no bits", &[0, 0], 0, &[0x03]),
    ];
    for (name, numbers, width, want) in cases {
        assert_eq!(packed(numbers.iter().copied(), width), want, "{name}");
    }
}

#[test]
fn the_file_begins_and_ends_as_it_must() {
    let rows = [
        [Cell::Number(1), Cell::Null, text("a")],
        [Cell::Number(-2), Cell::Number(7), text("a")],
        [Cell::Number(3), Cell::Null, Cell::Null],
    ];
    for (name, rows) in [("three rows", &rows[..]), ("no rows", &[])] {
        let bytes = file(rows).unwrap();
        assert_eq!(
            (&bytes[..4], &bytes[bytes.len() - 4..]),
            (&b"PAR1"[..], &b"PAR1"[..]),
            "{name}"
        );
        let length: [u8; 4] = bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap();
        let footer = bytes.len() - 8 - u32::from_le_bytes(length) as usize;
        // Version 2, then a list of four columns' structs.
        assert_eq!(&bytes[footer..footer + 4], [0x15, 0x04, 0x19, 0x4c], "{name}");
        assert_eq!(bytes[bytes.len() - 9], 0, "the footer is a struct that ends: {name}");
    }
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let cases = [
        ("too short", vec![Cell::Number(1)]),
        ("a text for a number", vec![text("1"), Cell::Null, Cell::Null]),
        ("a number for a text", vec![Cell::Number(1), Cell::Null, Cell::Number(1)]),
        ("nothing where something must be", vec![Cell::Null, Cell::Null, Cell::Null]),
    ];
    for (name, row) in cases {
        let mut parquet = Parquet::begin(Vec::new(), &COLUMNS).unwrap();
        assert_eq!(parquet.push(row).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
    }
}

#[test]
fn a_dictionary_is_for_few_texts() {
    let texts = |n: usize, different: usize| -> Vec<String> {
        (0..n).map(|i| (i % different).to_string()).collect()
    };
    assert_eq!(dictionary(&texts(10, 5)).map(|all| all.len()), Some(5));
    assert_eq!(dictionary(&texts(10, 6)), None, "hardly any is repeated");
    assert_eq!(dictionary(&[]), None);
    assert!(dictionary(&texts(10 * DICTIONARY_MAX, DICTIONARY_MAX)).is_some());
    assert_eq!(dictionary(&texts(10 * DICTIONARY_MAX, DICTIONARY_MAX + 1)), None);
}

#[test]
fn groups_have_a_limit() {
    let mut parquet = Parquet::begin(Vec::new(), &COLUMNS[..1]).unwrap();
    for n in 0..=i64::try_from(GROUP_ROWS_MAX).unwrap() {
        parquet.push(vec![Cell::Number(n)]).unwrap();
    }
    assert_eq!((parquet.groups.len(), parquet.n_gathered), (1, 1));
    assert_eq!(parquet.groups[0].1[0].range, Some((0, 65_535)));
}
