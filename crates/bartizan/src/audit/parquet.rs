//! Apache Parquet files, as far as a flat table of numbers and texts needs them.
//!
//! Whatever reads Parquet reads these: one data page per column and group of rows, plain values, a dictionary where few different texts stand,
//! nothing compressed. A library that writes all of Parquet costs more to build than the rest of this command.
//!
//! What it deliberately does not do: nested columns, other types, compression, reading.
//!
//! Source: [Apache Parquet format 2.10](https://parquet.apache.org/docs/file-format/), `parquet.thrift`.
mod thrift;

use std::collections::BTreeMap;
use std::io::{self, Write};
use thrift::{STRUCT, Thrift};

const MAGIC: &[u8; 4] = b"PAR1";
/// Rows of a group: what is held in memory, and what a reader takes at a time.
const GROUP_ROWS_MAX: usize = 65_536;
/// Most different texts of a dictionary; a column with more is written plainly.
const DICTIONARY_MAX: usize = 1_024;

// Numbers of the format.
const INT64: i64 = 2;
const BYTE_ARRAY: i64 = 6;
const REQUIRED: i64 = 0;
const OPTIONAL: i64 = 1;
const UTF8: i64 = 0;
const PLAIN: i64 = 0;
const RLE: i64 = 3;
const RLE_DICTIONARY: i64 = 8;
const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;
const FORMAT_VERSION: i64 = 2;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers of 64 bits.
    Number,
    /// Text.
    Text,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: &'static str,
    /// What stands in it.
    pub(super) kind: Kind,
    /// Whether some rows have nothing there.
    pub(super) is_optional: bool,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// The values of one column in the group that is being gathered.
#[derive(Debug, Default)]
struct Cells {
    /// For each row whether there is a value.
    defined: Vec<bool>,
    numbers: Vec<i64>,
    texts: Vec<String>,
}

/// Where a column of a written group is, and what the footer says of it.
#[derive(Debug)]
struct Chunk {
    /// Of the dictionary, where there is one.
    dictionary_at: Option<u64>,
    data_at: u64,
    bytes: u64,
    n_values: u64,
    n_nulls: u64,
    /// Of numbers: the least and the largest, by which readers pass over groups.
    range: Option<(i64, i64)>,
}

/// A file that is being written, row by row.
#[derive(Debug)]
pub(super) struct Parquet<W> {
    out: W,
    /// Bytes written.
    at: u64,
    columns: &'static [Column],
    cells: Vec<Cells>,
    n_gathered: usize,
    groups: Vec<(u64, Vec<Chunk>)>,
}

impl<W: Write> Parquet<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn begin(out: W, columns: &'static [Column]) -> io::Result<Self> {
        let cells = columns.iter().map(|_| Cells::default()).collect();
        let mut file = Self { out, at: 0, columns, cells, n_gathered: 0, groups: Vec::new() };
        file.put(MAGIC)?;
        Ok(file)
    }

    /// Adds a row, which has a cell for each column.
    ///
    /// # Errors
    /// Those of `out`; [`io::ErrorKind::InvalidInput`] for a row that does not fit the columns.
    pub(super) fn push(&mut self, row: Vec<Cell>) -> io::Result<()> {
        if row.len() != self.columns.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for ((cell, column), cells) in row.into_iter().zip(self.columns).zip(&mut self.cells) {
            let is_defined = match (cell, column.kind) {
                (Cell::Number(number), Kind::Number) => {
                    cells.numbers.push(number);
                    true
                }
                (Cell::Text(text), Kind::Text) => {
                    cells.texts.push(text);
                    true
                }
                (Cell::Null, _) if column.is_optional => false,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            };
            cells.defined.push(is_defined);
        }
        self.n_gathered += 1;
        if self.n_gathered == GROUP_ROWS_MAX { self.end_group() } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.end_group()?;
        let footer = self.footer();
        let length = u32::try_from(footer.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.put(&footer)?;
        self.put(&length.to_le_bytes())?;
        self.put(MAGIC)?;
        self.out.flush()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn end_group(&mut self) -> io::Result<()> {
        if self.n_gathered == 0 {
            return Ok(());
        }
        let mut chunks = Vec::with_capacity(self.columns.len());
        for column in 0..self.columns.len() {
            let Some(cells) = self.cells.get_mut(column).map(std::mem::take) else { continue };
            let is_optional = self.columns.get(column).is_some_and(|column| column.is_optional);
            chunks.push(self.put_chunk(&cells, is_optional)?);
        }
        self.groups.push((self.n_gathered as u64, chunks));
        self.n_gathered = 0;
        Ok(())
    }

    fn put_chunk(&mut self, cells: &Cells, is_optional: bool) -> io::Result<Chunk> {
        let start = self.at;
        let mut page = Vec::new();
        if is_optional {
            let levels = packed(cells.defined.iter().map(|&defined| u64::from(defined)), 1);
            page.extend_from_slice(&length(levels.len())?);
            page.extend_from_slice(&levels);
        }
        let dictionary = dictionary(&cells.texts);
        let mut dictionary_at = None;
        if let Some(numbers) = &dictionary {
            let mut texts = Vec::new();
            let mut in_order: Vec<_> = numbers.iter().collect();
            in_order.sort_unstable_by_key(|(_, number)| **number);
            in_order.iter().try_for_each(|(text, _)| put_text(&mut texts, text))?;
            dictionary_at = Some(start);
            self.put_page(DICTIONARY_PAGE, PLAIN, numbers.len(), &texts)?;
            let width =
                u32::BITS - u32::try_from(numbers.len()).unwrap_or(u32::MAX).leading_zeros();
            page.push(u8::try_from(width).unwrap_or(u8::MAX));
            let places = cells.texts.iter().filter_map(|text| numbers.get(text.as_str()).copied());
            page.extend_from_slice(&packed(places, width));
        } else {
            cells.numbers.iter().for_each(|number| page.extend_from_slice(&number.to_le_bytes()));
            cells.texts.iter().try_for_each(|text| put_text(&mut page, text))?;
        }
        let data_at = self.at;
        let encoding = if dictionary.is_some() { RLE_DICTIONARY } else { PLAIN };
        self.put_page(DATA_PAGE, encoding, cells.defined.len(), &page)?;
        let range = cells.numbers.iter().min().copied().zip(cells.numbers.iter().max().copied());
        let n_nulls = cells.defined.iter().filter(|defined| !**defined).count() as u64;
        let (bytes, n_values) = (self.at - start, cells.defined.len() as u64);
        Ok(Chunk { dictionary_at, data_at, bytes, n_values, n_nulls, range })
    }

    fn put_page(&mut self, kind: i64, encoding: i64, n: usize, page: &[u8]) -> io::Result<()> {
        let size = i64::from(u32::from_le_bytes(length(page.len())?));
        let mut header = Thrift::default();
        header.number32(1, kind);
        header.number32(2, size);
        header.number32(3, size);
        let is_data = kind == DATA_PAGE;
        header.begin(if is_data { 5 } else { 7 });
        header.number32(1, signed(n as u64));
        header.number32(2, encoding);
        if is_data {
            header.number32(3, RLE);
            header.number32(4, RLE);
        }
        header.end();
        let header = header.finish();
        self.put(&header)?;
        self.put(page)
    }

    fn footer(&self) -> Vec<u8> {
        let n_rows = self.groups.iter().map(|(n, _)| n).sum::<u64>();
        let mut footer = Thrift::default();
        footer.number32(1, FORMAT_VERSION);
        footer.list(2, STRUCT, self.columns.len() + 1);
        footer.begin_element();
        footer.text(4, "leaves");
        footer.number32(5, signed(self.columns.len() as u64));
        footer.end();
        self.columns.iter().for_each(|column| put_column(&mut footer, column));
        footer.number64(3, signed(n_rows));
        footer.list(4, STRUCT, self.groups.len());
        for (n, chunks) in &self.groups {
            footer.begin_element();
            footer.list(1, STRUCT, chunks.len());
            for (column, chunk) in self.columns.iter().zip(chunks) {
                put_chunk_meta(&mut footer, column, chunk);
            }
            let bytes = chunks.iter().map(|chunk| chunk.bytes).sum();
            footer.number64(2, signed(bytes));
            footer.number64(3, signed(*n));
            footer.end();
        }
        footer.text(6, concat!("bartizan version ", env!("CARGO_PKG_VERSION")));
        // Without an order readers may not believe the least and the largest.
        footer.list(7, STRUCT, self.columns.len());
        for _ in self.columns {
            footer.begin_element();
            footer.begin(1);
            footer.end();
            footer.end();
        }
        footer.finish()
    }
}

fn put_column(footer: &mut Thrift, column: &Column) {
    footer.begin_element();
    footer.number32(1, if column.kind == Kind::Text { BYTE_ARRAY } else { INT64 });
    footer.number32(3, if column.is_optional { OPTIONAL } else { REQUIRED });
    footer.text(4, column.name);
    if column.kind == Kind::Text {
        footer.number32(6, UTF8);
        footer.begin(10);
        footer.begin(1);
        footer.end();
        footer.end();
    }
    footer.end();
}

fn put_chunk_meta(footer: &mut Thrift, column: &Column, chunk: &Chunk) {
    let encodings = match chunk.dictionary_at {
        Some(_) => [PLAIN, RLE, RLE_DICTIONARY].as_slice(),
        None => &[PLAIN, RLE],
    };
    footer.begin_element();
    footer.number64(2, signed(chunk.dictionary_at.unwrap_or(chunk.data_at)));
    footer.begin(3);
    footer.number32(1, if column.kind == Kind::Text { BYTE_ARRAY } else { INT64 });
    footer.numbers32(2, encodings);
    footer.texts(3, &[column.name]);
    footer.number32(4, 0);
    footer.number64(5, signed(chunk.n_values));
    footer.number64(6, signed(chunk.bytes));
    footer.number64(7, signed(chunk.bytes));
    footer.number64(9, signed(chunk.data_at));
    if let Some(at) = chunk.dictionary_at {
        footer.number64(11, signed(at));
    }
    footer.begin(12);
    footer.number64(3, signed(chunk.n_nulls));
    if let Some((least, largest)) = chunk.range {
        footer.bytes(5, &largest.to_le_bytes());
        footer.bytes(6, &least.to_le_bytes());
    }
    footer.end();
    footer.end();
    footer.end();
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn length(n_bytes: usize) -> io::Result<[u8; 4]> {
    let n_bytes = i32::try_from(n_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
    Ok(n_bytes.to_le_bytes())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    out.extend_from_slice(&length(text.len())?);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// The different texts, each with its number in order of appearance; `None` where a dictionary would not pay.
fn dictionary(texts: &[String]) -> Option<BTreeMap<&str, u64>> {
    let mut numbers = BTreeMap::new();
    for text in texts {
        let next = numbers.len() as u64;
        numbers.entry(text.as_str()).or_insert(next);
        if DICTIONARY_MAX < numbers.len() {
            return None;
        }
    }
    (2 * numbers.len() <= texts.len() && !texts.is_empty()).then_some(numbers)
}

/// Numbers of `width` bits, lowest bit first, as one bit-packed run: the hybrid encoding that both levels and dictionaries have.
fn packed(numbers: impl Iterator<Item = u64>, width: u32) -> Vec<u8> {
    let numbers: Vec<u64> = numbers.collect();
    let n_groups = numbers.len().div_ceil(8);
    let mut out = Vec::new();
    thrift::varint(&mut out, (n_groups as u64) << 1 | 1);
    let (mut bits, mut n_bits) = (0_u64, 0);
    let padding = std::iter::repeat_n(0, n_groups * 8 - numbers.len());
    for number in numbers.into_iter().chain(padding) {
        bits |= number << n_bits;
        n_bits += width;
        while 8 <= n_bits {
            out.push(u8::try_from(bits & 0xff).unwrap_or_default());
            bits >>= 8;
            n_bits -= 8;
        }
    }
    out
}

#[cfg(test)]
mod tests;
