//! The JSON schema of the configuration, made from the raw structs. It serves editors and the check alike,
//! so what one accepts the other accepts.
//!
//! Beside the standard's keywords it has `x-ghostd` (what a text must be), `x-ghostd-min` and `x-ghostd-max`
//! (its range, in the same notation). A file is an overlay, so nothing is required but what no default can give.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value as Json};

use super::raw::Raw;

/// The schema, a JSON object.
pub(super) fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.with_transform(ForOverlay).into_generator().into_root_schema_for::<Raw>();
    schema.insert("title".to_owned(), Json::from("ghostd configuration"));
    name_rules(&mut schema);
    schema.into()
}

/// The words that a schema allows, where it allows nothing else.
pub(super) fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return Some(words.iter().filter_map(Json::as_str).collect());
    }
    let cases = schema.get("oneOf").and_then(Json::as_array)?;
    cases.iter().map(|case| case.get("const").and_then(Json::as_str)).collect()
}

/// The schema of a key of a table, whether it has a name of its own or is one of many.
pub(super) fn property<'a>(schema: &'a Json, key: &str) -> Option<&'a Json> {
    let named = schema.get("properties").and_then(|properties| properties.get(key));
    named.or_else(|| schema.get("additionalProperties").filter(|schema| **schema != Json::Bool(false)))
}

/// The paths of all tables that have a property of this name.
pub(super) fn homes(schema: &Json, key: &str) -> Vec<String> {
    let mut homes = Vec::new();
    find_homes(schema, key, String::new(), &mut homes);
    homes
}

fn find_homes(schema: &Json, key: &str, path: String, homes: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return;
    };
    for (name, property) in properties {
        if name == key && !path.is_empty() {
            homes.push(path.clone());
        }
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        find_homes(property, key, below, homes);
    }
}

/// Nothing is required of an overlay, and TOML has no null.
#[derive(Debug, Clone)]
struct ForOverlay;

impl Transform for ForOverlay {
    fn transform(&mut self, schema: &mut Schema) {
        schema.remove("required");
        // `Option<Table>`: the table, described as the field is.
        if let Some(Json::Array(cases)) = schema.get("anyOf").cloned() {
            let mut tables = cases.into_iter().filter(|case| case.get("type") != Some(&Json::from("null")));
            if let (Some(Json::Object(table)), None) = (tables.next(), tables.next()) {
                schema.remove("anyOf");
                for (keyword, value) in table {
                    schema.ensure_object().entry(keyword).or_insert(value);
                }
            }
        }
        if let Some(Json::Array(types)) = schema.get("type").cloned()
            && let [kind, Json::String(null)] = types.as_slice()
            && null == "null"
        {
            schema.insert("type".to_owned(), kind.clone());
        }
        // Rust's own integer widths mean nothing here: the ranges say it all.
        schema.remove("format");
        transform_subschemas(self, schema);
        if let Some(required) = schema.remove("x-ghostd-required") {
            schema.insert("required".to_owned(), required);
        }
    }
}

/// The names that somebody may choose have a grammar that serde cannot say.
fn name_rules(schema: &mut Schema) {
    let rules: [(&[&str], &str); 7] = [
        (&["collector"], "^[a-z][a-z0-9-]{0,63}$"),
        (&["receiver"], "^[a-z][a-z0-9-]{0,63}$"),
        (&["collector", "*", "sections"], "^[a-z][a-z0-9_]{0,63}$"),
        (&["collector", "*", "files"], "^[a-z][a-z0-9_-]{0,63}$"),
        (&["collector", "*", "commands"], "^[a-z][a-z0-9_-]{0,63}$"),
        (&["collectors", "keys"], "^[a-z][a-z0-9_-]{0,63}$"),
        (&["host", "versions"], "^[A-Za-z][A-Za-z0-9_.+-]{0,63}$"),
    ];
    for (path, pattern) in rules {
        let mut at = Some(schema.ensure_object());
        for step in path {
            at = at.and_then(|object| {
                let inner = match *step {
                    "*" => object.get_mut("additionalProperties"),
                    key => object.get_mut("properties").and_then(|properties| properties.get_mut(key)),
                };
                inner.and_then(Json::as_object_mut)
            });
        }
        if let Some(object) = at {
            let names = Map::from_iter([("pattern".to_owned(), Json::from(pattern))]);
            object.insert("propertyNames".to_owned(), names.into());
        }
    }
}
