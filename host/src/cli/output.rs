//! Standard output and standard error: escaped text, aligned tables, one JSON document.

use std::io::{self, Write};

use serde::Serialize;

pub(crate) use crate::human::{bytes, duration, escaped, local};

/// Writes a line to standard output. A reader that has gone ends the program quietly.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{}", text.as_ref()).is_err() {
        std::process::exit(0);
    }
}

/// Writes a text as it is to standard output, in the same way.
fn raw(text: &str) {
    if io::stdout().lock().write_all(text.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

/// Writes a line to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "ghostd: {text}");
}

/// Writes a remark to standard error: what a person wants to know and a pipe does not.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes one JSON document to standard output.
pub(crate) fn print_json(document: &impl Serialize) {
    match serde_json::to_string_pretty(document) {
        Ok(text) => line(text),
        Err(error) => complain(&format!("cannot write JSON: {error}")),
    }
}

/// One JSON array whose elements are written as they come, in the form of [`print_json`].
#[derive(Debug)]
pub(crate) struct JsonArray {
    is_empty: bool,
}

impl JsonArray {
    pub(crate) fn begin() -> Self {
        Self { is_empty: true }
    }

    pub(crate) fn add(&mut self, element: &impl Serialize) {
        match serde_json::to_string_pretty(element) {
            Ok(text) => {
                let before = if std::mem::replace(&mut self.is_empty, false) { "[" } else { "," };
                raw(&format!("{before}\n  {}", text.replace('\n', "\n  ")));
            }
            Err(error) => complain(&format!("cannot write JSON: {error}")),
        }
    }

    pub(crate) fn end(self) {
        line(if self.is_empty { "[]" } else { "\n]" });
    }
}

/// A table with aligned columns.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a head.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|word| (*word).to_owned()).collect()] }
    }

    /// Adds a row; what it shows is escaped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escaped(&cell)).collect());
    }

    /// Whether there is nothing but the head.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// Writes it.
    pub(crate) fn print(&self) {
        self.lines().iter().for_each(line);
    }

    /// Its lines, aligned.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|i| self.rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        let aligned = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> =
                cells.map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count()))).collect();
            cells.join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(aligned).collect()
    }
}
