//! The OpenAPI 3.1 document, made from the table of operations and from the types that they answer with. It stands at
//! `/api/v1/openapi.json` and in `config/openapi.json`; a test holds the two together.

use std::sync::OnceLock;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use super::operation::{Answered, Operation, schema_of};
use super::problem::Problem;
use super::query::{Kind, Param};
use super::reply::{Reply, Wants};
use super::routes;
use crate::model::Scope;

/// The parts of paths, and what each may be.
const PARTS: [(&str, &str, &str); 8] = [
    ("snapshot", "An id, the beginning of one, `latest`, `latest~2`, `@2026-11-21T03:12:00Z`, `@-2h`.", "latest"),
    ("other", "The later one, named like the first.", "latest"),
    ("section", "A section's key, such as `daemon`.", "daemon"),
    ("daemon", "A watched daemon's name.", "relayCore"),
    ("collector", "A collector's name.", "metric"),
    ("fingerprint", "A finding's fingerprint.", "0123456789abcdef"),
    ("series", "A series' number.", "1"),
    ("silence", "A silence's id.", "0123456789ab"),
];

/// The document, made once.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
        text.push('\n');
        text
    })
}

/// Sends it.
pub(super) async fn serve(text: &'static str, request: Request) -> Response {
    match Reply::bytes("application/json", text.as_bytes().to_vec()) {
        reply if request.uri().query().is_none() => reply.finish(&Wants::of(request.headers())),
        _ => Problem::bad_request("unknown_parameter", "there are no parameters here").into_response(),
    }
}

fn document() -> Json {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .for_serialize();
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in routes::TABLE.iter().copied().flatten() {
        let entry = paths.entry(operation.path).or_insert_with(|| Json::Object(Map::new()));
        entry[operation.method.to_ascii_lowercase()] = describe(operation, &mut generator);
    }
    let problem = schema_of::<Problem>(&mut generator);
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ghostd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What ghostd recorded, and what it can be asked to do. Lists come in pages: `next` of one is \
                `cursor` of the next. Errors are problem details (RFC 9457), with a `code` for programs. Answers have an \
                ETag; texts from the machine are data, to be shown as text.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "What could not be done, and why",
                    "content": {"application/problem+json": {"schema": problem}},
                },
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`ghostd token new` makes one"},
                "session": {"type": "apiKey", "in": "cookie", "name": "ghostd_7878", "description": "Of a browser that logged in; the name has the server's port"},
            },
        },
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Json {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Json> = in_path.map(part).collect();
    parameters.extend(operation.params.iter().map(parameter));
    let json_of = |schema: Schema| json!({"application/json": {"schema": schema}});
    let (status, content) = match operation.answer {
        Answered::Json(schema) => ("200", Some(json_of(schema(generator)))),
        Answered::Created(schema) => ("201", Some(json_of(schema(generator)))),
        Answered::Other(kind) => {
            let mut content = Map::new();
            content.insert(kind.to_owned(), json!({"schema": {}}));
            ("200", Some(Json::Object(content)))
        }
        Answered::Nothing => ("204", None),
    };
    let mut answer = json!({"description": operation.summary});
    if let Some(content) = content {
        answer["content"] = content;
    }
    let mut responses = Map::new();
    responses.insert(status.to_owned(), answer);
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Problem"}));
    let scope = operation.scope.map_or("none", Scope::as_str);
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": format!("Scope: {scope}."),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = operation.body {
        // What is sent is read, not written.
        described["requestBody"] = json!({"required": false, "content": json_of(body(generator))});
    }
    if operation.scope.is_none() {
        described["security"] = json!([]);
    }
    described
}

fn operation_id(operation: &Operation) -> String {
    // `/metrics` for Prometheus is not `/api/v1/metrics`.
    let path = match operation.path.strip_prefix("/api/v1/") {
        Some(path) => path.to_owned(),
        None => format!("root{}", operation.path),
    };
    let path = path.replace(['/', '{', '}', '.'], "_");
    let id = format!("{}_{path}", operation.method.to_ascii_lowercase());
    id.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

fn part(name: &str) -> Json {
    let known = PARTS.iter().find(|(known, ..)| *known == name);
    let (what, example) = known.map_or(("", ""), |(_, what, example)| (*what, *example));
    json!({
        "name": name, "in": "path", "required": true, "description": what, "example": example,
        "schema": {"type": "string", "minLength": 1},
    })
}

fn parameter(param: &Param) -> Json {
    let schema = match param.kind {
        Kind::Time => json!({"type": "string", "examples": ["-2h", "2026-11-21T03:12:00Z"]}),
        Kind::Number { min, max, default } => {
            json!({"type": "integer", "minimum": min, "maximum": max, "default": default})
        }
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
        Kind::Text(most) => json!({"type": "string", "maxLength": most}),
        Kind::Cursor => json!({"type": "string", "maxLength": 1024}),
    };
    json!({"name": param.name, "in": "query", "required": false, "description": param.what, "schema": schema})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/openapi.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        if std::env::var_os("GHOSTD_WRITE_GOLDEN").is_some() {
            crate::store::atomic_write(std::path::Path::new(path), text().as_bytes()).unwrap();
        } else {
            assert!(
                committed == text(),
                "config/openapi.json is old: GHOSTD_WRITE_GOLDEN=1 cargo test -p ghostd openapi"
            );
        }
    }

    #[test]
    fn every_part_of_a_path_is_described_and_every_id_is_there_once() {
        let mut ids = std::collections::BTreeSet::new();
        for operation in routes::TABLE.iter().copied().flatten() {
            assert!(ids.insert(operation_id(operation)), "{operation:?}");
            for name in operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(PARTS.iter().any(|(known, ..)| *known == name), "{name}");
            }
        }
    }
}
