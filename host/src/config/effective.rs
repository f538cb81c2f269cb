//! The configuration that is in effect, with the origin of each value: what `config show` prints. The text is TOML
//! and reads as the same configuration again.

use serde_json::{Map, Value as Json, json};

use super::place::{Origin, Place};
use super::settings::Capability;
use super::tree::{Node, Value, join, quote};

/// Origins stand in this column, or behind a longer line.
const ORIGIN_COLUMN: usize = 48;

/// All values with their origins.
#[derive(Debug, Clone)]
pub struct Effective {
    tree: Node,
}

impl Effective {
    pub(super) fn new(tree: Node) -> Self {
        Self { tree }
    }

    /// TOML with the origin of each value as a comment. What a collector, a daemon, an alert or a receiver
    /// merely has from the common defaults is not repeated.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        self.table(&self.tree, "", &mut text);
        text
    }

    /// `[{"key": ..., "value": ..., "origin": {...}}]`, each single value once, in the order of [`Self::to_toml`].
    pub fn to_json(&self) -> Json {
        let mut rows = Vec::new();
        leaves(&self.tree, String::new(), &mut rows);
        rows.into_iter()
            .map(|(key, node)| json!({ "key": key, "value": node.to_json(), "origin": node.place.to_json() }))
            .collect()
    }

    /// All values without their origins.
    pub fn values(&self) -> Map<String, Json> {
        match self.tree.to_json() {
            Json::Object(object) => object,
            _ => Map::new(),
        }
    }

    /// Where a key stands, such as `["collector", "nginx", "grant"]`. None where nobody wrote it.
    pub fn place(&self, keys: &[&str]) -> Option<Place> {
        let mut at = &self.tree;
        let mut place = None;
        for key in keys {
            let entry = at.entry(key)?;
            at = &entry.node;
            place = Some(if matches!(at.value, Value::Table(_)) { &entry.place } else { &at.place });
        }
        place.filter(|place| place.line > 0 || !matches!(place.origin, Origin::Default)).cloned()
    }

    /// What to write, and where, to grant a collector one more capability.
    pub fn how_to_grant(&self, collector: &str, capability: Capability) -> String {
        let list = self.tree.get("collector").and_then(|all| all.get(collector)).and_then(|one| one.get("grant"));
        let mut granted: Vec<&str> =
            list.map(Node::items).unwrap_or_default().iter().filter_map(|i| i.node.text()).collect();
        if !granted.contains(&capability.as_str()) {
            granted.push(capability.as_str());
        }
        let line = format!("grant = [{}]", granted.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", "));
        let section = join("collector", collector);
        match self.place(&["collector", collector, "grant"]).filter(|place| place.origin != Origin::Default) {
            Some(place) => format!("write `{line}` at {place}"),
            None => match self.place(&["collector", collector]).filter(|place| place.origin != Origin::Default) {
                Some(place) => format!("write `{line}` below `[{section}]` at {place}"),
                None => format!("write `{line}` below `[{section}]` in the configuration file"),
            },
        }
    }

    /// Single values first, then the tables, as TOML needs it.
    fn table(&self, node: &Node, path: &str, text: &mut String) {
        for entry in node
            .entries()
            .iter()
            .filter(|entry| !is_table(&entry.node) && !self.is_inherited(path, &entry.key, &entry.node))
        {
            let start = text.len();
            text.push_str(&join("", &entry.key));
            text.push_str(" = ");
            inline(&entry.node, text);
            let width = text[start..].chars().count();
            text.extend(std::iter::repeat_n(' ', ORIGIN_COLUMN.saturating_sub(width).max(1)));
            text.push_str(&format!("# {}\n", printable(&entry.node.place)));
        }
        for entry in node.entries().iter().filter(|entry| is_table(&entry.node)) {
            let below = join(path, &entry.key);
            match &entry.node.value {
                Value::List(items) => {
                    for item in items {
                        text.push_str(&format!("\n[[{below}]]\n"));
                        self.table(&item.node, &below, text);
                    }
                }
                _ if self.is_inherited(path, &entry.key, &entry.node) => {}
                _ => {
                    let has_own =
                        entry.node.entries().is_empty()
                            || entry.node.entries().iter().any(|inner| {
                                !is_table(&inner.node) && !self.is_inherited(&below, &inner.key, &inner.node)
                            });
                    if has_own {
                        text.push_str(&format!("\n[{below}]\n"));
                    }
                    self.table(&entry.node, &below, text);
                }
            }
        }
    }

    /// Whether a collector or a daemon has this from the common defaults, or from nobody.
    fn is_inherited(&self, path: &str, key: &str, node: &Node) -> bool {
        let defaults = match path.strip_prefix("collector.") {
            Some(below) if below.ends_with(".limits") => {
                self.tree.get("collector_defaults").and_then(|d| d.get("limits"))
            }
            Some(_) => self.tree.get("collector_defaults"),
            None if path == "daemon" => self.tree.get("daemon_defaults"),
            None if path == "alert" => self.tree.get("alert_defaults"),
            None if path.starts_with("receiver.") => self.tree.get("receiver_defaults"),
            None => return false,
        };
        if node.place.line == 0 && node.place.origin == Origin::Default {
            return node.entries().is_empty();
        }
        let is_simple = !is_table(node) || matches!(&node.value, Value::Table(entries) if entries.is_empty());
        is_simple && defaults.and_then(|defaults| defaults.get(key)).is_some_and(|same| same.place == node.place)
    }
}

/// Whether it gets a header of its own.
fn is_table(node: &Node) -> bool {
    match &node.value {
        Value::Table(_) => true,
        Value::List(items) => !items.is_empty() && items.iter().all(|item| matches!(item.node.value, Value::Table(_))),
        _ => false,
    }
}

/// A comment ends with its line.
fn printable(place: &Place) -> String {
    match &place.origin {
        Origin::Default => "default".to_owned(),
        _ => place.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
    }
}

fn inline(node: &Node, text: &mut String) {
    match &node.value {
        Value::Text(value) => text.push_str(&quote(value)),
        Value::Integer(value) => text.push_str(&value.to_string()),
        // `{:?}` keeps the point of `1.0`: without it TOML would read an integer.
        Value::Float(value) => text.push_str(&format!("{value:?}")),
        Value::Boolean(value) => text.push_str(&value.to_string()),
        Value::Datetime(value) => text.push_str(value),
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                inline(&item.node, text);
            }
            text.push(']');
        }
        Value::Table(entries) => {
            text.push('{');
            for (index, entry) in entries.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { " " });
                text.push_str(&join("", &entry.key));
                text.push_str(" = ");
                inline(&entry.node, text);
            }
            text.push_str(if entries.is_empty() { "}" } else { " }" });
        }
    }
}

fn leaves<'t>(node: &'t Node, path: String, rows: &mut Vec<(String, &'t Node)>) {
    match &node.value {
        Value::Table(entries) => {
            for entry in entries {
                leaves(&entry.node, join(&path, &entry.key), rows);
            }
        }
        Value::List(items) if is_table(node) => {
            for item in items {
                leaves(&item.node, format!("{path}[{}]", item.index), rows);
            }
        }
        _ => rows.push((path, node)),
    }
}
