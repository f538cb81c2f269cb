//! Heartbeats: each by itself, and over a long time in stretches.

use schemars::JsonSchema;
use serde::Serialize;

use super::{CURSOR, LIMIT, POINTS, Page, SINCE, UNTIL};
use crate::api::operation::{Answered, Ask, Does, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::query::cursor;
use crate::api::reply::Reply;
use crate::api::stretch;
use crate::model::{Heartbeat, Scope};
use crate::store::{self, BeatStretch, Reader};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/heartbeats",
        scope: Some(Scope::Read),
        summary: "Single heartbeats, newest first, as far back as they are kept one by one",
        params: &[SINCE, UNTIL, LIMIT, CURSOR],
        body: None,
        answer: Answered::Json(schema_of::<Page<Heartbeat>>),
        does: Does::Read(list),
    },
    Operation {
        method: "GET",
        path: "/api/v1/heartbeats/history",
        scope: Some(Scope::Read),
        summary: "Heartbeats over a while, oldest first, summed up into at most `points` stretches of the same width",
        params: &[SINCE, UNTIL, POINTS],
        body: None,
        answer: Answered::Json(schema_of::<History>),
        does: Does::Read(history),
    },
];

/// Heartbeats over a while.
#[derive(Debug, Serialize, JsonSchema)]
struct History {
    /// The stretches, oldest first. Where there is none for a while, nothing was recorded.
    items: Vec<BeatStretch>,
}

fn list(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let limit = ask.query.number(&LIMIT);
    let page = store::Page {
        since: ask.query.time("since"),
        until: ask.query.time("until"),
        before: ask.query.cursor()?,
        limit,
    };
    let items = reader.heartbeats_page(&page)?;
    let next = items.last().filter(|_| items.len() as u64 == limit).and_then(|last| cursor(&last.sequence));
    Reply::json(&Page { items, next })
}

fn history(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let window = stretch::Window::of(ask, 24)?;
    let stretches = reader.beat_history(&window.span())?;
    Reply::json(&History { items: stretch::beats(stretches, &window) })
}
