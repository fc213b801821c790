//! Parsers for the files that a model consists of: hostile bytes in, evidence out.
//!
//! Nothing here loads, imports or executes what it reads, and nothing here opens a file: bytes are handed in, in pieces of any size, and
//! what they would do comes out. This crate has no opinion: which calls a framework needs, and which files may enter, is for others to say.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod pickle;
