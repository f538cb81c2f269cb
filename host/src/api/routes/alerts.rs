//! Alerts, silences and receivers.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::snapshots::not_too_long;
use crate::api::operation::{Answered, Ask, Does, Doing, Operation, body, schema_of};
use crate::api::problem::Problem;
use crate::api::reply::Reply;
use crate::control::{Answer, Request};
use crate::model::{AlertBoard, Scope, Silence};
use crate::store::Reader;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/alerts",
        scope: Some(Scope::Read),
        summary: "Alerts (firing ones first, then pending, then resolved), silences, and how the receivers do",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<AlertBoard>),
        does: Does::Read(board),
    },
    Operation {
        method: "POST",
        path: "/api/v1/silences",
        scope: Some(Scope::Operate),
        summary: "Tells nobody of some alerts for a while",
        params: &[],
        body: Some(schema_of::<NewSilence>),
        answer: Answered::Json(schema_of::<Silence>),
        does: Does::Order(silence),
    },
    Operation {
        method: "DELETE",
        path: "/api/v1/silences/{silence}",
        scope: Some(Scope::Operate),
        summary: "Ends a silence before its time",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<super::Done>),
        does: Does::Order(unsilence),
    },
];

/// The most matchers that one silence has: each narrows it, and an alert has no more labels than that.
const MAX_MATCHERS: usize = 16;

/// What is to be silent, and for how long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSilence {
    /// Of which alerts: all of `rule=disk-full`, `mount=~"/srv.*"` must hold.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 1024)))]
    matchers: Vec<String>,
    /// For how long, in seconds: up to 366 days.
    #[schemars(range(min = 1, max = 31_622_400))]
    seconds: u64,
    /// What for; it is shown with it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    why: Option<String>,
}

fn silence(ask: Ask, json: Json) -> Doing {
    Box::pin(async move {
        let NewSilence { matchers, seconds, why } = body(json)?;
        not_too_long(why.as_deref(), "why")?;
        if matchers.is_empty() || matchers.len() > MAX_MATCHERS {
            let detail = format!("`matchers` holds 1 to {MAX_MATCHERS}: one for all would silence everything");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_body", detail));
        }
        let by = ask.caller.who.clone();
        match ask.shared.ask(Request::Silence { matchers, seconds, by, why }, super::DISK_PATIENCE).await? {
            Answer::Silenced(silence) => Ok(Reply::json(&*silence)?.status(StatusCode::CREATED)),
            _ => Err(super::odd_answer()),
        }
    })
}

fn unsilence(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let (id, by) = (ask.path("silence").to_owned(), ask.caller.who.clone());
        super::done(&ask, Request::Unsilence { id, by }).await
    })
}

/// Everything that there is to show of alerts.
pub(super) fn read(reader: &Reader) -> Result<AlertBoard, Problem> {
    let documents = reader.documents()?;
    Ok(AlertBoard::from_documents(
        documents.iter().map(|document| (document.namespace.as_str(), document.key.as_str(), &document.document)),
    ))
}

fn board(_: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    Reply::json(&read(reader)?)
}
