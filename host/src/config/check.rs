//! Holds one source against the schema: keys, types, words, ranges. What is faulty is reported with its place
//! and taken out, so that the rest can be judged further and all faults come in one go.

use serde_json::Value as Json;

use super::fault::Fault;
use super::nearest::nearest;
use super::place::Place;
use super::scalar::Kind;
use super::schema;
use super::secret;
use super::tree::{Entry, Item, Node, Value, join};

/// At most this many characters of a value are repeated in a message.
const SHOWN_CHARACTERS: usize = 60;
/// At most this many known keys are listed where none is near.
const LISTED_KEYS: usize = 16;

/// Capabilities that are not granted because everybody has them.
const ALWAYS_LENT: [&str; 3] = ["log", "state", "redact"];

/// Finds whether a text is a secret: gives the name of the kind.
pub(super) type SecretCheck<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is left of a source, and what was wrong with the rest.
pub(super) fn check(source: Node, schema: &Json, is_secret: SecretCheck<'_>) -> (Node, Vec<Fault>) {
    let place = source.place.clone();
    let mut check = Check { root: schema, is_secret, faults: Vec::new() };
    let sound = check.node(source, schema, "", "");
    (sound.unwrap_or_else(|| Node::table(place)), check.faults)
}

struct Check<'a> {
    root: &'a Json,
    is_secret: SecretCheck<'a>,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, place: &Place, path: &str, problem: impl Into<String>, hint: Option<String>) {
        self.faults.push(Fault { hint, ..Fault::new(Some(place), path, problem) });
    }

    /// `name` is the last key of the path: what it says of secrets decides whether a value may be repeated.
    fn node(&mut self, node: Node, schema: &Json, path: &str, name: &str) -> Option<Node> {
        if let Some(words) = schema::words(schema) {
            return self.word(node, &words, path, name);
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("object") => self.table(node, schema, path),
            Some("array") => self.list(node, schema, path, name),
            Some("string") => self.text(node, schema, path, name),
            Some("integer") => self.integer(node, schema, path, name),
            Some("boolean") => match node.value {
                Value::Boolean(_) => Some(node),
                _ => self.wrong_type(&node, "`true` or `false`", path, name),
            },
            _ => self.free(node, path, name),
        }
    }

    fn table(&mut self, node: Node, schema: &Json, path: &str) -> Option<Node> {
        let Node { place, value: Value::Table(entries) } = node else {
            return self.wrong_type(&node, "a table", path, "");
        };
        let mut sound = Vec::with_capacity(entries.len());
        for Entry { key, place, node } in entries {
            let below = join(path, &key);
            let node = match schema::property(schema, &key) {
                Some(Json::Bool(true)) => self.free(node, &below, &key),
                Some(inner) => self.node(node, inner, &below, &key),
                None => {
                    let hint = self.hint_for_key(schema, &key, path);
                    self.fault(&place, &below, "unknown key", hint);
                    None
                }
            };
            sound.extend(node.map(|node| Entry { key, place, node }));
        }
        if let Some(most) = schema.get("maxProperties").and_then(Json::as_u64).filter(|most| sound.len() as u64 > *most)
        {
            self.fault(&place, path, format!("has {} entries, at most {most} are allowed", sound.len()), None);
        }
        for key in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if !sound.iter().any(|entry| entry.key == key) {
                // Where it is there and faulty, that was said already.
                if !self.faults.iter().any(|fault| fault.path == join(path, key)) {
                    self.fault(&place, path, format!("`{key}` is missing"), None);
                }
                return None;
            }
        }
        Some(Node { place, value: Value::Table(sound) })
    }

    fn list(&mut self, node: Node, schema: &Json, path: &str, name: &str) -> Option<Node> {
        let items_schema = schema.get("items").unwrap_or(&Json::Bool(true));
        let Node { place, value: Value::List(items) } = node else {
            let of_tables = items_schema.get("type").and_then(Json::as_str) == Some("object");
            let hint = match &node.value {
                Value::Table(_) if of_tables => Some(format!("write `[[{path}]]`, in double brackets")),
                Value::Text(text) if !of_tables && !secret::is_secret_name(name) => {
                    Some(format!("write `[{}]`", super::tree::quote(&shorten(text))))
                }
                _ => None,
            };
            let expected = if of_tables { "a list of tables" } else { "a list" };
            self.fault(&node.place, path, format!("expected {expected}, found {}", found(&node.value, name)), hint);
            return None;
        };
        let count = items.len() as u64;
        let bound = |keyword| schema.get(keyword).and_then(Json::as_u64);
        if let Some(least) = bound("minItems").filter(|least| count < *least) {
            let problem = if least == 1 {
                "must not be empty".to_owned()
            } else {
                format!("has {count} elements, at least {least} are needed")
            };
            self.fault(&place, path, problem, None);
            return None;
        }
        if let Some(most) = bound("maxItems").filter(|most| count > *most) {
            self.fault(&place, path, format!("has {count} elements, at most {most} are allowed"), None);
            return None;
        }
        let mut sound = Vec::with_capacity(items.len());
        for Item { index, node } in items {
            let node = self.node(node, items_schema, &format!("{path}[{index}]"), name);
            sound.extend(node.map(|node| Item { index, node }));
        }
        Some(Node { place, value: Value::List(sound) })
    }

    fn word(&mut self, node: Node, words: &[&str], path: &str, name: &str) -> Option<Node> {
        let Some(text) = node.text() else {
            return self.wrong_type(&node, &format!("one of {}", listed(words)), path, name);
        };
        if words.contains(&text) {
            return Some(node);
        }
        let bare = text.strip_prefix("ghost:host/").unwrap_or(text).split('@').next().unwrap_or(text);
        let hint = match nearest(bare, words.iter().copied()) {
            _ if words.contains(&"processes") && ALWAYS_LENT.contains(&bare) => {
                Some(format!("`{bare}` is lent to every collector: leave it out"))
            }
            near => near.map(|word| format!("did you mean `{word}`?")),
        };
        let problem = format!("`{}` is none of {}", shorten(text), listed(words));
        self.fault(&node.place, path, problem, hint);
        None
    }

    fn text(&mut self, node: Node, schema: &Json, path: &str, name: &str) -> Option<Node> {
        let kind = schema.get("x-ghostd").and_then(Json::as_str).and_then(Kind::named);
        let Some(text) = node.text() else {
            let expected = kind.map_or("text", Kind::noun);
            let hint = match (&node.value, kind) {
                (Value::Integer(number), Some(kind)) => kind.for_number(*number).or_else(|| Some(kind.hint())),
                (_, Some(kind)) => Some(kind.hint()),
                (Value::Table(_) | Value::List(_), None) => None,
                (_, None) => Some("put it into quotes".to_owned()),
            };
            self.fault(&node.place, path, format!("expected {expected}, found {}", found(&node.value, name)), hint);
            return None;
        };
        if let Some(kind) = kind {
            if !kind.accepts(text) {
                let problem = format!("`{}` is not {}", shorten(text), kind.noun());
                self.fault(&node.place, path, problem, Some(kind.hint()));
                return None;
            }
            return self.in_range(kind, text, schema, &node.place, path).then_some(node);
        }
        let length = text.chars().count() as u64;
        if schema.get("minLength").and_then(Json::as_u64).is_some_and(|least| length < least) {
            self.fault(&node.place, path, "must not be empty", None);
            return None;
        }
        if let Some(most) = schema.get("maxLength").and_then(Json::as_u64).filter(|most| length > *most) {
            self.fault(&node.place, path, format!("is {length} characters long, at most {most} are allowed"), None);
            return None;
        }
        self.no_secret(node, path, name)
    }

    fn in_range(&mut self, kind: Kind, text: &str, schema: &Json, place: &Place, path: &str) -> bool {
        let bound = |keyword: &str| schema.get(keyword).and_then(Json::as_str);
        let Some(amount) = kind.amount(text) else {
            return true;
        };
        let (least, most) = (bound("x-ghostd-min"), bound("x-ghostd-max"));
        let below = least.and_then(|least| kind.amount(least)).is_some_and(|least| amount < least);
        let above = most.and_then(|most| kind.amount(most)).is_some_and(|most| amount > most);
        if below || above {
            self.out_of_range(text, below, least, most, place, path);
        }
        !below && !above
    }

    fn integer(&mut self, node: Node, schema: &Json, path: &str, name: &str) -> Option<Node> {
        let Value::Integer(number) = node.value else {
            return self.wrong_type(&node, "an integer", path, name);
        };
        let bound = |keyword: &str| schema.get(keyword).and_then(Json::as_i64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let below = least.is_some_and(|least| number < least);
        let above = most.is_some_and(|most| number > most);
        if below || above {
            let (least, most) = (least.map(|n| n.to_string()), most.map(|n| n.to_string()));
            self.out_of_range(&number.to_string(), below, least.as_deref(), most.as_deref(), &node.place, path);
            return None;
        }
        Some(node)
    }

    fn out_of_range(
        &mut self,
        value: &str,
        below: bool,
        least: Option<&str>,
        most: Option<&str>,
        place: &Place,
        path: &str,
    ) {
        let problem = format!("`{value}` is too {}", if below { "small" } else { "large" });
        let hint = match (least, most) {
            (Some(least), Some(most)) => Some(format!("from `{least}` to `{most}`")),
            (Some(least), None) => Some(format!("at least `{least}`")),
            (None, Some(most)) => Some(format!("at most `{most}`")),
            (None, None) => None,
        };
        self.fault(place, path, problem, hint);
    }

    /// What a collector's own schema will judge: here it must only be sayable in JSON and hold no secret.
    fn free(&mut self, node: Node, path: &str, name: &str) -> Option<Node> {
        let Node { place, value } = node;
        let value = match value {
            Value::Table(entries) => Value::Table(
                entries
                    .into_iter()
                    .filter_map(|Entry { key, place, node }| {
                        let node = self.free(node, &join(path, &key), &key)?;
                        Some(Entry { key, place, node })
                    })
                    .collect(),
            ),
            Value::List(items) => Value::List(
                items
                    .into_iter()
                    .filter_map(|Item { index, node }| {
                        let node = self.free(node, &format!("{path}[{index}]"), name)?;
                        Some(Item { index, node })
                    })
                    .collect(),
            ),
            Value::Float(float) if !float.is_finite() => {
                self.fault(&place, path, format!("`{float}` cannot be said in JSON"), None);
                return None;
            }
            value => return self.no_secret(Node { place, value }, path, name),
        };
        Some(Node { place, value })
    }

    fn no_secret(&mut self, node: Node, path: &str, name: &str) -> Option<Node> {
        // Patterns of secrets look like secrets, and so do a digest and a public key.
        let looks_like_one =
            path.starts_with("security.sanitize.") || path.starts_with("collectors.keys.") || name == "sha256";
        let Some(text) = node.text().filter(|_| !looks_like_one) else {
            return Some(node);
        };
        let by_name = (secret::is_secret_name(name) && !text.is_empty()).then(|| "a secret".to_owned());
        let by_form = || secret::secret_in(text).map(str::to_owned).or_else(|| (self.is_secret)(text));
        let Some(what) = by_name.or_else(by_form) else {
            return Some(node);
        };
        let hint = format!("name where it is instead: `{name}_file = \"/path\"` or `{name}_env = \"VARIABLE\"`");
        self.fault(&node.place, path, format!("{what} must not stand in the configuration"), Some(hint));
        None
    }

    fn wrong_type(&mut self, node: &Node, expected: &str, path: &str, name: &str) -> Option<Node> {
        let hint = match &node.value {
            Value::Text(text) if expected == "an integer" && text.parse::<i64>().is_ok() => {
                Some(format!("write `{text}`, without quotes"))
            }
            Value::Text(text) if expected.starts_with("`true`") && matches!(text.as_str(), "true" | "false") => {
                Some(format!("write `{text}`, without quotes"))
            }
            _ => None,
        };
        self.fault(&node.place, path, format!("expected {expected}, found {}", found(&node.value, name)), hint);
        None
    }

    fn hint_for_key(&self, schema: &Json, key: &str, path: &str) -> Option<String> {
        let properties = schema.get("properties").and_then(Json::as_object)?;
        let known = || properties.keys().map(String::as_str);
        if let Some(near) = nearest(key, known()) {
            return Some(format!("did you mean `{near}`?"));
        }
        match schema::homes(self.root, key).as_slice() {
            [] if schema::property(self.root, key).is_some() => {
                Some(format!("`{key}` belongs to the top of the file, before the first `[table]`"))
            }
            [home] if home != path => Some(format!("it belongs into `[{home}]`")),
            _ => {
                let mut keys: Vec<String> = known().take(LISTED_KEYS).map(|key| format!("`{key}`")).collect();
                if properties.len() > LISTED_KEYS {
                    keys.push("...".to_owned());
                }
                (!keys.is_empty()).then(|| format!("known here: {}", keys.join(", ")))
            }
        }
    }
}

/// A value with its type; a secret is not repeated.
fn found(value: &Value, name: &str) -> String {
    let shown = match value {
        _ if secret::is_secret_name(name) => None,
        Value::Text(text) => Some(shorten(text)),
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Float(float) => Some(float.to_string()),
        Value::Boolean(boolean) => Some(boolean.to_string()),
        Value::Datetime(text) => Some(text.clone()),
        Value::List(_) | Value::Table(_) => None,
    };
    match shown {
        Some(shown) => format!("{} `{shown}`", value.kind().replacen("an ", "the ", 1).replacen("a ", "the ", 1)),
        None => value.kind().to_owned(),
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The beginning of a text that came from outside, safe to print.
pub(super) fn shorten(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS)
        .flat_map(|c| {
            let escaped = c.is_control();
            c.escape_default().filter(move |_| escaped).chain((!escaped).then_some(c))
        })
        .collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push_str("...");
    }
    shown
}
