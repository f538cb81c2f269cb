//! JSON trees: names and their values, `{"name": …, "value": …}` pairs, lists of arguments, and JSON inside strings.

use serde_json::{Map, Value};

use super::Sanitizer;
use super::argv;
use super::assign::ExtraNames;
use super::beside::{is_name_of_names, is_name_of_values};
use super::judge::{self, Form};
use super::marker;
use super::names::{self, Level, Name};
use super::report::Report;

/// How deep a tree is followed; what lies deeper is treated as text. It keeps the stack in bounds.
const MAX_DEPTH: usize = 128;
/// The longest string that is parsed as JSON within JSON.
const MAX_NESTED: usize = 1024 * 1024;

/// Cleans a value in place. `name` is the name that it, or the list that holds it, stands under.
pub(super) fn clean(sanitizer: &Sanitizer, value: &mut Value, name: Option<Name>, depth: usize, report: &mut Report) {
    if depth > MAX_DEPTH {
        let text = value.to_string();
        let mut inner = Report::default();
        if !matches!(sanitizer.text(&text, &mut inner), std::borrow::Cow::Borrowed(_)) {
            *value = Value::String(sanitizer.text(&text, report).into_owned());
        }
        return;
    }
    match value {
        Value::String(text) => string(sanitizer, text, name, depth, report),
        Value::Number(number) => {
            if let Some(name) = name.filter(|name| matches!(name.level, Level::Password | Level::Digits))
                && judge::is_secret(number.to_string().as_bytes(), name.level, Form::Whole)
            {
                *value = Value::String(sanitizer.replace(name.rule, number.to_string().as_bytes(), report));
            }
        }
        Value::Array(items) => array(sanitizer, items, name, depth, report),
        Value::Object(map) => object(sanitizer, map, name, depth, report),
        Value::Null | Value::Bool(_) => {}
    }
}

fn string(sanitizer: &Sanitizer, text: &mut String, name: Option<Name>, depth: usize, report: &mut Report) {
    if let Some(name) = name {
        match name.level {
            Level::Authorization | Level::Cookie => {
                // As it would stand in a header, so that scheme and attributes are kept.
                let head = if name.level == Level::Cookie { "cookie: " } else { "authorization: " };
                let line = format!("{head}{text}");
                if let std::borrow::Cow::Owned(clean) = sanitizer.text(&line, report) {
                    *text = clean.get(head.len()..).unwrap_or_default().to_owned();
                }
                return;
            }
            level => {
                let found = text.trim();
                let (skip, body) = match super::assign::scheme(found.as_bytes(), 0) {
                    Some(skip) => (skip, found.get(skip..).unwrap_or(found)),
                    None => (0, found),
                };
                if !found.starts_with("-----BEGIN")
                    && judge::is_secret(body.as_bytes(), level, Form::Whole)
                    && !sanitizer.is_excepted(body, name.rule)
                {
                    let marker = sanitizer.replace(name.rule, body.as_bytes(), report);
                    let head = found.get(..skip).unwrap_or_default();
                    *text = format!("{head}{marker}");
                    return;
                }
            }
        }
    }
    let head = text.as_bytes().trim_ascii_start();
    if matches!(head.first(), Some(b'{' | b'['))
        && text.len() <= MAX_NESTED
        && depth < MAX_DEPTH / 2
        && let Ok(mut inner) = serde_json::from_str::<Value>(text)
    {
        let mut changes = Report::default();
        clean(sanitizer, &mut inner, name, depth + 1, &mut changes);
        if !changes.is_empty() {
            report.merge(&changes);
            *text = inner.to_string();
        }
        return;
    }
    if let std::borrow::Cow::Owned(clean) = sanitizer.text(text, report) {
        *text = clean;
    }
}

fn array(sanitizer: &Sanitizer, items: &mut [Value], name: Option<Name>, depth: usize, report: &mut Report) {
    // A list of arguments, or a pair of a name and its value.
    if name.is_none() && items.len() >= 2 && items.iter().all(Value::is_string) && items.len() <= argv::MAX_ARGUMENTS {
        let arguments: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        if argv::is_argv(&arguments) {
            let clean = sanitizer.argv(&arguments, report);
            for (item, clean) in items.iter_mut().zip(clean) {
                *item = Value::String(clean);
            }
            return;
        }
        if let [Value::String(key), value] = items
            && let Some(name) = sanitizer.name(key.as_bytes()).filter(|name| name.level != Level::Weak)
        {
            let form = if let Value::String(text) = &*value {
                judge::is_secret(text.as_bytes(), name.level, Form::Announced) || name.level >= Level::Authorization
            } else {
                false
            };
            if form {
                return clean(sanitizer, value, Some(name), depth + 1, report);
            }
        }
    }
    for item in items {
        clean(sanitizer, item, name, depth + 1, report);
    }
}

fn object(sanitizer: &Sanitizer, map: &mut Map<String, Value>, outer: Option<Name>, depth: usize, report: &mut Report) {
    // `{"name": "DB_PASSWORD", "value": "x"}`
    let sibling = map
        .iter()
        .filter(|(key, _)| is_name_of_names(key.as_bytes()))
        .filter_map(|(_, value)| value.as_str())
        .find_map(|text| sanitizer.name(text.as_bytes()));
    // A Kubernetes Secret: every value below `data` is one.
    let is_secret_object = map.get("kind").and_then(Value::as_str) == Some("Secret");
    let mut renamed = false;
    for (key, value) in map.iter_mut() {
        let own = sanitizer.name(key.as_bytes());
        let name = if sibling.is_some() && is_name_of_values(key.as_bytes()) {
            sibling
        } else if let Some(own) = own {
            // `"secrets": {"db": "x"}`: what is below a container is asked by its own name first.
            Some(own)
        } else if is_secret_object && matches!(key.as_str(), "data" | "stringData") {
            Some(Name { level: Level::Secret, rule: super::rule::SECRET })
        } else if value.is_string()
            && outer.is_some_and(|outer| outer.level >= Level::Secret && outer.level <= Level::Password)
            && (is_name_of_values(key.as_bytes()) || outer.is_some_and(|_| !is_description(key)))
        {
            outer.map(|outer| Name { level: Level::Token.min(outer.level), ..outer })
        } else {
            None
        };
        clean(sanitizer, value, name, depth + 1, report);
        let mut nothing = Report::default();
        renamed = renamed
            || sanitizer.engine.may_matter(key.as_bytes())
                && matches!(sanitizer.text(key, &mut nothing), std::borrow::Cow::Owned(_));
    }
    if renamed {
        let old = std::mem::take(map);
        for (key, value) in old {
            let clean = sanitizer.text(&key, report).into_owned();
            let mut key = clean;
            // Two secrets as names become one marker; none may vanish.
            while map.contains_key(&key) {
                key.push('+');
            }
            map.insert(key, value);
        }
    }
}

/// Names that describe a secret beside it.
fn is_description(key: &str) -> bool {
    matches!(
        key,
        "type"
            | "name"
            | "id"
            | "description"
            | "created"
            | "created_at"
            | "createdAt"
            | "updated_at"
            | "expires"
            | "expires_at"
            | "expiresAt"
            | "expiry"
            | "version"
            | "status"
            | "state"
            | "kind"
            | "scope"
            | "scopes"
            | "path"
            | "file"
            | "url"
            | "title"
            | "label"
            | "$ref"
            | "format"
            | "namespace"
            | "key"
    )
}

impl Sanitizer {
    /// The name's meaning, the configuration's names included.
    pub(super) fn name(&self, key: &[u8]) -> Option<Name> {
        // A name that was a secret says no more what its value is.
        if !self.engine.may_matter(key) || marker::contains(key) {
            return None;
        }
        self.engine.extra(key).or_else(|| names::classify(key))
    }
}
