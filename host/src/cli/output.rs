//! Standard output and standard error: escaped text, aligned tables, one JSON document.

use std::io::{self, Write};

use serde::Serialize;

use crate::model::Wall;

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

/// A text from outside as a terminal may be shown it: control characters would move its cursor, set its title, or
/// hide what follows.
pub(crate) fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let hidden =
                matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}');
            if c.is_control() || hidden { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
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

/// `12.3 kB`, `4.0 MB`: decimal, as disks are sold and `ls -h --si` has it.
pub(crate) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit < 4 {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ => format!("{value:.1} {}", ["B", "kB", "MB", "GB", "TB"][unit]),
    }
}

/// A time for people: local, to the second.
pub(crate) fn local(at: Wall) -> String {
    at.to_utc().with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2 h 5 min`, `4.2 s`: the two largest units.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_a_cursor() {
        assert_eq!(escaped("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}");
        assert_eq!(escaped("grün 日本"), "grün 日本");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(duration(4.21), "4.2 s");
        assert_eq!(duration(90_061.0), "1 d 1 h");
    }
}
