//! What happened.

use schemars::JsonSchema;
use serde::Serialize;

use super::{CURSOR, LIMIT, Page, SINCE, UNTIL};
use crate::api::operation::{Answered, Ask, Does, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::query::{Kind, Param, cursor};
use crate::api::reply::Reply;
use crate::model::{Event, EventKind, EventSeverity, Scope, Wall};
use crate::store::{self, NumberedEvent, Reader};

/// The kinds of events, as they are written.
const KINDS: &[&str] = &[
    "heartbeat",
    "clock_sync",
    "daemon_check",
    "system_status",
    "anomaly",
    "error",
    "system_startup",
    "system_shutdown",
    "config_update",
    "snapshot_start",
    "snapshot_complete",
    "snapshot_error",
    "backup_start",
    "backup_complete",
    "cleanup",
    "collector",
    "store",
];

const KIND: Param = Param { name: "type", kind: Kind::Word(KINDS), what: "Of this kind." };
const SEVERITY: Param =
    Param { name: "severity", kind: Kind::Word(&["info", "warning", "error", "critical"]), what: "At least so loud." };
const DAEMON: Param = Param { name: "daemon", kind: Kind::Text(64), what: "Of this watched daemon." };
const SEARCH: Param =
    Param { name: "q", kind: Kind::Text(200), what: "With this in the message, without regard to case." };

/// Marks on a time bar: more than anybody tells apart.
const MARKS: Param = Param {
    name: "limit",
    kind: Kind::Number { min: 1, max: 5_000, default: 1_000 },
    what: "How many at most, the newest.",
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/events",
        scope: Some(Scope::Read),
        summary: "Events, newest first. A page may be empty and have a next one, where a filter matches little",
        params: &[SINCE, UNTIL, KIND, SEVERITY, DAEMON, SEARCH, LIMIT, CURSOR],
        body: None,
        answer: Answered::Json(schema_of::<Page<NumberedEvent>>),
        does: Does::Read(list),
    },
    Operation {
        method: "GET",
        path: "/api/v1/timeline",
        scope: Some(Scope::Read),
        summary: "What is worth a mark on a time bar, oldest first: deaths, findings, verdicts, starts, failures",
        params: &[SINCE, UNTIL, MARKS],
        body: None,
        answer: Answered::Json(schema_of::<Timeline>),
        does: Does::Read(timeline),
    },
];

/// Marks on a time bar.
#[derive(Debug, Serialize, JsonSchema)]
struct Timeline {
    /// The marks, oldest first.
    items: Vec<NumberedEvent>,
    /// When the earlier ones that were left out end; null where none was.
    left_out_until: Option<Wall>,
}

fn list(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let kind: Option<EventKind> = ask.query.word("type");
    let least: Option<EventSeverity> = ask.query.word("severity");
    let daemon = ask.query.text("daemon");
    let search = ask.query.text("q").map(str::to_lowercase);
    let matches = |event: &Event| {
        kind.is_none_or(|kind| event.event_type == kind)
            && least.is_none_or(|least| event.severity >= least)
            && daemon.is_none_or(|daemon| event.data.get("daemon").is_some_and(|its| its == daemon))
            && search.as_deref().is_none_or(|search| event.message.to_lowercase().contains(search))
    };
    let (items, next) = reader.events_page(&page(ask, ask.query.number(&LIMIT))?, &matches)?;
    Reply::json(&Page { items, next: next.and_then(|before| cursor(&before)) })
}

fn page(ask: &Ask, limit: u64) -> Result<store::Page, Problem> {
    Ok(store::Page {
        since: ask.query.time("since"),
        until: ask.query.time("until"),
        before: ask.query.cursor()?,
        limit,
    })
}

fn timeline(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let page = page(ask, ask.query.number(&MARKS))?;
    let (mut items, more) = reader.events_page(&page, &is_mark)?;
    items.reverse();
    let left_out_until = more.and(items.first().map(|first| first.event.timestamp));
    Reply::json(&Timeline { items, left_out_until })
}

fn is_mark(event: &Event) -> bool {
    event.severity > EventSeverity::Info
        || matches!(
            event.event_type,
            EventKind::DaemonCheck
                | EventKind::SystemStatus
                | EventKind::Anomaly
                | EventKind::SystemStartup
                | EventKind::SystemShutdown
                | EventKind::ConfigUpdate
                | EventKind::ClockSync
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_a_kind() {
        for word in KINDS {
            serde_json::from_value::<EventKind>((*word).into()).unwrap_or_else(|error| panic!("{word}: {error}"));
        }
    }
}
