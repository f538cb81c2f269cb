//! The configuration that is in effect.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::api::operation::{Answered, Ask, Does, Doing, Operation, schema_of};
use crate::api::reply::Reply;
use crate::control::{Answer, PruneReport, Request};
use crate::model::Scope;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/config",
        scope: Some(Scope::Read),
        summary: "Every setting that is in effect, and where it comes from. Secrets are not in it: they stand in files of their own",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Configuration>),
        does: Does::Order(show),
    },
    Operation {
        method: "POST",
        path: "/api/v1/config/reload",
        scope: Some(Scope::Admin),
        summary: "Reads the configuration anew and takes it, or keeps the old one and says why",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<super::Done>),
        does: Does::Order(reload),
    },
    Operation {
        method: "POST",
        path: "/api/v1/prune",
        scope: Some(Scope::Admin),
        summary: "Applies retention now",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<PruneReport>),
        does: Does::Order(prune),
    },
];

/// The configuration.
#[derive(Debug, Serialize, JsonSchema)]
struct Configuration {
    /// One row for each value.
    items: Vec<Setting>,
}

/// A value of the configuration.
#[derive(Debug, Serialize, JsonSchema)]
struct Setting {
    /// `snapshot.every`, `daemon[0].name`.
    key: Json,
    /// Its value.
    value: Json,
    /// Where it stands.
    origin: Json,
}

fn show(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let config = ask.shared.config();
        let setting = |row: &Json| Setting {
            key: row["key"].clone(),
            value: cleaned(&ask, &row["value"]),
            origin: row["origin"].clone(),
        };
        Reply::json(&Configuration { items: config.as_array().into_iter().flatten().map(setting).collect() })
    })
}

/// No secret may stand in the configuration; where one slipped in, it goes no further.
fn cleaned(ask: &Ask, value: &Json) -> Json {
    let mut value = value.clone();
    ask.shared.sanitizer.json(&mut value, &mut crate::sanitize::Report::default());
    value
}

fn reload(ask: Ask, _: Json) -> Doing {
    Box::pin(async move { super::done(&ask, Request::Reload).await })
}

fn prune(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        match ask.shared.ask(Request::Prune, super::DISK_PATIENCE).await? {
            Answer::Pruned(report) => Reply::json(&*report),
            _ => Err(super::odd_answer()),
        }
    })
}
