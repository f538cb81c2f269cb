//! A configuration as a tree of values, each with the place it came from. Owns reading TOML into that
//! tree, overlaying one tree with another, and finding a value by its path. Knows no key and no meaning.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::place::{Origin, Place};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// TOML's values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    List(Vec<Item>),
    Table(Vec<Entry>),
}

/// An element of a list. The index is that of the text, whatever was taken out since.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) node: Node,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key stands.
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Value {
    /// What it is, with its article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "text",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Node {
    /// An empty table.
    pub(super) fn table(place: Place) -> Self {
        Self { place, value: Value::Table(Vec::new()) }
    }

    /// The entries of a table; nothing for every other value.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; nothing for every other value.
    pub(super) fn items(&self) -> &[Item] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entry under a key of a table.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value under a key of a table.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The text of a text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Lays `above` over this one: tables merge key by key, everything else is replaced.
    pub(super) fn overlay(&mut self, above: Node) {
        match (&mut self.value, above) {
            (Value::Table(below), Node { value: Value::Table(above), .. }) => {
                for entry in above {
                    match below.iter_mut().find(|existing| existing.key == entry.key) {
                        Some(existing) => {
                            existing.place = entry.place;
                            existing.node.overlay(entry.node);
                        }
                        None => below.push(entry),
                    }
                }
            }
            (_, above) => *self = above,
        }
    }

    /// Lays `below` under this one: it gives what is not here.
    pub(super) fn underlay(&mut self, below: &Node) {
        let (Value::Table(above), Value::Table(below)) = (&mut self.value, &below.value) else {
            return;
        };
        for entry in below {
            match above.iter_mut().find(|existing| existing.key == entry.key) {
                Some(existing) => existing.node.underlay(&entry.node),
                None => above.push(entry.clone()),
            }
        }
    }

    /// The same as JSON; dates become text. A float that JSON cannot say becomes `null` (the check
    /// refuses such a float before).
    pub(super) fn to_json(&self) -> Json {
        match &self.value {
            Value::Text(text) | Value::Datetime(text) => Json::String(text.clone()),
            Value::Integer(integer) => Json::from(*integer),
            Value::Float(float) => Json::from(*float),
            Value::Boolean(boolean) => Json::Bool(*boolean),
            Value::List(items) => items.iter().map(|item| item.node.to_json()).collect(),
            Value::Table(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect::<Map<String, Json>>()
                .into(),
        }
    }
}

/// Reads TOML. Every syntax error that the parser recovers from is reported; where there is any, nothing else is.
pub(super) fn parse(text: &str, origin: &Origin) -> Result<Node, Vec<Fault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text, origin);
    if !errors.is_empty() {
        return Err(errors
            .iter()
            .map(|error| {
                let place = error.span().map(|span| lines.place(span.start));
                let hint = match error.span().and_then(|span| text.get(span)) {
                    Some(bare) if error.message().starts_with("string values must be quoted") => {
                        Some(format!("write `{}`", quote(bare.trim())))
                    }
                    _ => None,
                };
                Fault { hint, ..Fault::new(place.as_ref(), "", format!("no valid TOML: {}", error.message())) }
            })
            .collect());
    }
    let mut faults = Vec::new();
    let node = lines.table(document.get_ref(), document.span().start, &mut faults);
    if faults.is_empty() { Ok(node) } else { Err(faults) }
}

/// `a.b`, with quotes where TOML needs them.
pub(super) fn join(path: &str, key: &str) -> String {
    let mut joined = path.to_owned();
    if !joined.is_empty() {
        joined.push('.');
    }
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare {
        joined.push_str(key)
    } else {
        joined.push_str(&quote(key))
    }
    joined
}

/// A TOML basic string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            // Writing to a string cannot fail.
            c if c.is_control() => _ = write!(quoted, "\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Turns byte offsets of one text into places.
struct Lines<'a> {
    text: &'a str,
    origin: &'a Origin,
    /// The offset at which each line begins.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str, origin: &'a Origin) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(offset, _)| offset + 1)).collect();
        Self { text, origin, starts }
    }

    fn place(&self, offset: usize) -> Place {
        // What stands on the command line or in a variable has one line of our own making.
        if matches!(self.origin, Origin::Environment(_) | Origin::CommandLine(_)) {
            return Place::whole(self.origin.clone());
        }
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { origin: self.origin.clone(), line: narrow(line), column: narrow(column) }
    }

    fn table(&self, table: &DeTable<'_>, offset: usize, faults: &mut Vec<Fault>) -> Node {
        let mut entries: Vec<Entry> = Vec::with_capacity(table.len());
        for (key, value) in table {
            entries.push(Entry {
                key: key.get_ref().to_string(),
                place: self.place(key.span().start),
                node: self.node(value, faults),
            });
        }
        // As they were written, whatever order the parser keeps.
        entries.sort_by_key(|entry| (entry.place.line, entry.place.column));
        Node { place: self.place(offset), value: Value::Table(entries) }
    }

    fn node(&self, value: &Spanned<DeValue<'_>>, faults: &mut Vec<Fault>) -> Node {
        let offset = value.span().start;
        let place = self.place(offset);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Value::Integer(integer),
                Err(_) => {
                    faults.push(Fault::new(Some(&place), "", format!("`{integer}` does not fit into 64 bits")));
                    Value::Integer(0)
                }
            },
            DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Array(items) => Value::List(
                items.iter().enumerate().map(|(index, item)| Item { index, node: self.node(item, faults) }).collect(),
            ),
            DeValue::Table(table) => return self.table(table, offset, faults),
        };
        Node { place, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node {
        parse(text, &Origin::Default).unwrap()
    }

    #[test]
    fn places_are_those_of_the_text() {
        let node = read("a = 1\n[b.c]\n\"ü\" = \"x\"\n[[d]]\nname = 'y'\n");
        let place = |node: &Node| (node.place.line, node.place.column);
        assert_eq!(place(node.get("a").unwrap()), (1, 5));
        let c = node.get("b").and_then(|b| b.entry("c")).unwrap();
        assert_eq!((c.place.line, c.place.column), (2, 4));
        assert_eq!(place(&node.get("d").unwrap().items()[0].node), (4, 1));
        assert_eq!(place(node.get("d").unwrap().items()[0].node.get("name").unwrap()), (5, 8));
    }

    #[test]
    fn an_overlay_merges_tables_and_replaces_the_rest() {
        let mut below = read("a = [1, 2]\n[t]\nx = 1\ny = 2\n[t.u]\nz = 3\n");
        below.overlay(read("a = []\nnew = true\n[t]\ny = 'b'\n[t.u]\nw = 4\n"));
        let expected = serde_json::json!({
            "a": [], "t": { "x": 1, "y": "b", "u": { "z": 3, "w": 4 } }, "new": true
        });
        assert_eq!(below.to_json(), expected);
        assert_eq!(below.get("t").unwrap().get("x").unwrap().place.line, 3);
        assert_eq!(below.get("t").unwrap().get("y").unwrap().place.line, 4);
    }

    #[test]
    fn an_underlay_gives_what_is_not_there() {
        let mut above = read("a = [1]\n[t]\nx = 1\n");
        above.underlay(&read("a = [2, 3]\nb = 4\n[t]\nx = 'no'\ny = 5\n"));
        assert_eq!(above.to_json(), serde_json::json!({ "a": [1], "t": { "x": 1, "y": 5 }, "b": 4 }));
    }

    #[test]
    fn quoting_survives_the_parser() {
        for text in ["", "plain", "with \"quotes\" and \\", "line\nline\ttab\r", "\u{1}\u{7f}\u{1b}[31m", "ünï"] {
            let node = read(&format!("{} = {}", join("", text), quote(text)));
            assert_eq!(node.entries()[0].key, text);
            assert_eq!(node.entries()[0].node.text(), Some(text));
        }
    }
}
