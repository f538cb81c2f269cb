//! Exports: what is recorded, for other tools.
//!
//! Owns: the forms that are given out, and reading everything of a time for them without holding all of it. What
//! leaves is what is stored, so it was sanitized before it was. Must not know: where it goes, who asked.

pub mod ndjson;
pub mod original;
pub mod parquet;
mod records;
#[cfg(test)]
mod tests;

pub use records::{Kind, Left, Measured, Record, Selection, Value, each};
