//! What is wrong, or was.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::snapshots::Why;
use super::{CURSOR, LIMIT, Page};
use crate::api::operation::{Answered, Ask, Does, Doing, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::query::{Kind, Param, cursor};
use crate::api::reply::Reply;
use crate::control::Request;
use crate::model::{Finding, Scope, Severity, Wall};
use crate::store::{HandResolution, Reader, StoredFinding};

const STATE: Param = Param {
    name: "state",
    kind: Kind::Word(&["open", "resolved", "all"]),
    what: "Which: `open` where nothing is said.",
};
const SEVERITY: Param =
    Param { name: "severity", kind: Kind::Word(&["low", "medium", "high", "critical"]), what: "At least so severe." };
const COLLECTOR: Param = Param { name: "collector", kind: Kind::Text(64), what: "Of this collector." };
const SEARCH: Param = Param {
    name: "q",
    kind: Kind::Text(200),
    what: "With this in the title, the detail, the source or the fingerprint, without regard to case.",
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/findings",
        scope: Some(Scope::Read),
        summary: "Findings: open ones first, worst first, newest first",
        params: &[STATE, SEVERITY, COLLECTOR, SEARCH, LIMIT, CURSOR],
        body: None,
        answer: Answered::Json(schema_of::<Page<Row>>),
        does: Does::Read(list),
    },
    Operation {
        method: "GET",
        path: "/api/v1/findings/{collector}/{fingerprint}",
        scope: Some(Scope::Read),
        summary: "Everything that is known of one finding",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Row>),
        does: Does::Read(one),
    },
    Operation {
        method: "POST",
        path: "/api/v1/findings/{collector}/{fingerprint}/resolve",
        scope: Some(Scope::Operate),
        summary: "Resolves a finding by hand: it stays resolved until it is seen again",
        params: &[],
        body: Some(schema_of::<Why>),
        answer: Answered::Json(schema_of::<super::Done>),
        does: Does::Order(resolve),
    },
];

/// A finding with what ghostd knows of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Row {
    /// Whether it is open.
    open: bool,
    /// Which collector reports it.
    collector: String,
    /// Since when ghostd knows of it, or knows of it again.
    opened_at: Wall,
    /// When it was resolved.
    resolved_at: Option<Wall>,
    /// Who resolved it, where somebody did.
    resolved_by_hand: Option<HandResolution>,
    /// The finding.
    #[serde(flatten)]
    finding: Finding,
}

impl From<StoredFinding> for Row {
    fn from(stored: StoredFinding) -> Self {
        Self {
            open: stored.resolved_at.is_none(),
            collector: stored.collector,
            opened_at: stored.opened_at,
            resolved_at: stored.resolved_at,
            resolved_by_hand: stored.by_hand,
            finding: stored.finding,
        }
    }
}

/// Where a finding stands in the list: what is open and worst and newest is first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place {
    resolved: bool,
    severity: Reverse<Severity>,
    opened: Reverse<i64>,
    collector: String,
    fingerprint: String,
}

impl Row {
    fn place(&self) -> Place {
        Place {
            resolved: !self.open,
            severity: Reverse(self.finding.severity),
            opened: Reverse(self.opened_at.0),
            collector: self.collector.clone(),
            fingerprint: self.finding.fingerprint.clone(),
        }
    }
}

fn resolve(ask: Ask, json: Json) -> Doing {
    Box::pin(async move {
        let why = Why::of(json)?;
        let (collector, fingerprint) = (ask.path("collector").to_owned(), ask.path("fingerprint").to_owned());
        let by = ask.caller.who.clone();
        super::done(&ask, Request::FindingResolve { collector, fingerprint, by, why }).await
    })
}

fn list(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let limit = usize::try_from(ask.query.number(&LIMIT)).unwrap_or(usize::MAX);
    let state = ask.query.text("state").unwrap_or("open");
    let least: Option<Severity> = ask.query.word("severity");
    let collector = ask.query.text("collector");
    let search = ask.query.text("q").map(str::to_lowercase);
    let resolved_since = if state == "open" { Wall(i64::MAX) } else { Wall(i64::MIN) };
    let after: Option<Place> = ask.query.cursor()?;
    let wanted = |row: &Row| {
        let has = |search: &str| {
            let finding = &row.finding;
            [Some(&finding.title), finding.detail.as_ref(), finding.source.as_ref(), Some(&finding.fingerprint)]
                .into_iter()
                .flatten()
                .any(|text| text.to_lowercase().contains(search))
        };
        (state != "resolved" || !row.open)
            && least.is_none_or(|least| row.finding.severity >= least)
            && collector.is_none_or(|collector| row.collector == collector)
            && search.as_deref().is_none_or(has)
    };
    let rows = reader.findings(resolved_since)?.into_iter().map(Row::from).filter(wanted);
    let mut placed: Vec<(Place, Row)> = rows
        .map(|row| (row.place(), row))
        .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
        .collect();
    placed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let more = placed.len() > limit;
    placed.truncate(limit);
    let next = placed.last().filter(|_| more).and_then(|(place, _)| cursor(place));
    Reply::json(&Page { items: placed.into_iter().map(|(_, row)| row).collect(), next })
}

fn one(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let (collector, fingerprint) = (ask.path("collector"), ask.path("fingerprint"));
    let is_it = |stored: &StoredFinding| stored.collector == collector && stored.finding.fingerprint == fingerprint;
    let found = reader.findings(Wall(i64::MIN))?.into_iter().find(is_it);
    let stored = found.ok_or_else(|| Problem::not_found("there is no such finding"))?;
    Reply::json(&Row::from(stored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_and_worst_and_newest_is_first() {
        let place = |resolved, severity, opened| Place {
            resolved,
            severity: Reverse(severity),
            opened: Reverse(opened),
            collector: String::new(),
            fingerprint: String::new(),
        };
        let mut all = [
            place(true, Severity::Critical, 9),
            place(false, Severity::Low, 5),
            place(false, Severity::High, 1),
            place(false, Severity::High, 2),
        ];
        all.sort();
        let opened: Vec<i64> = all.iter().map(|place| place.opened.0).collect();
        assert_eq!(opened, [2, 1, 5, 9]);
        let text = cursor(&all[0]).unwrap();
        let query =
            crate::api::query::Query::parse(&format!("/x?cursor={text}").parse().unwrap(), &[CURSOR], Wall(0)).unwrap();
        assert_eq!(query.cursor::<Place>().unwrap().as_ref(), Some(&all[0]));
    }
}
