//! Snapshots: which there are, one, a part of one, what changed between two, whether they are what was written; taking
//! one and keeping it.

use axum::http::{StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{CURSOR, LIMIT, Page, SINCE, UNTIL};
use crate::api::operation::{Answered, Ask, Does, Doing, Operation, body, schema_of};
use crate::api::problem::Problem;
use crate::api::query::{Kind, Param, cursor};
use crate::api::reply::Reply;
use crate::api::shared::SNAPSHOT_PATIENCE;
use crate::api::usual::Ranges;
use crate::control::{Answer, Request};
use crate::diff::{self, Diff, Options};
use crate::model::{Body, MetricFamily, Scope, SectionEntry, SnapshotFinding, SnapshotId, Wall};
use crate::store::{Entry, Filter, Gap, HeartbeatCheck, Name, Reader, Source as _, Verdict, snapshot_file};

const TRIGGER: Param = Param {
    name: "trigger",
    kind: Kind::Word(&["schedule", "start", "manual", "event"]),
    what: "Taken for this reason.",
};
const IMPORTANT: Param = Param { name: "important", kind: Kind::Flag, what: "Marked to be kept, or not." };
const COMPLETE: Param = Param { name: "complete", kind: Kind::Flag, what: "With every section complete, or not." };
const ALL: Param =
    Param { name: "all", kind: Kind::Flag, what: "Also what always changes: times, counters, process ids." };

/// The longest reason that is taken.
const MAX_REASON_CHARS: usize = 500;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/snapshots",
        scope: Some(Scope::Read),
        summary: "The snapshots that match, newest first",
        params: &[SINCE, UNTIL, TRIGGER, IMPORTANT, COMPLETE, LIMIT, CURSOR],
        body: None,
        answer: Answered::Json(schema_of::<Page<Entry>>),
        does: Does::Read(list),
    },
    Operation {
        method: "POST",
        path: "/api/v1/snapshots",
        scope: Some(Scope::Operate),
        summary: "Takes a snapshot now; answers once it is durable",
        params: &[],
        body: Some(schema_of::<NewSnapshot>),
        answer: Answered::Created(schema_of::<Taken>),
        does: Does::Order(take),
    },
    Operation {
        method: "GET",
        path: "/api/v1/snapshots/{snapshot}",
        scope: Some(Scope::Read),
        summary: "One snapshot, every byte of it checked",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Whole>),
        does: Does::Read(one),
    },
    Operation {
        method: "GET",
        path: "/api/v1/snapshots/{snapshot}/sections/{section}",
        scope: Some(Scope::Read),
        summary: "One section of a snapshot, with its collector's metrics and findings",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Part>),
        does: Does::Read(section),
    },
    Operation {
        method: "GET",
        path: "/api/v1/snapshots/{snapshot}/file",
        scope: Some(Scope::Read),
        summary: "The file of a snapshot, byte for byte",
        params: &[],
        body: None,
        answer: Answered::Other("application/json"),
        does: Does::Read(file),
    },
    Operation {
        method: "GET",
        path: "/api/v1/snapshots/{snapshot}/verify",
        scope: Some(Scope::Read),
        summary: "Whether a snapshot is what was written, and its links to the ones before and after",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Verified>),
        does: Does::Read(verify),
    },
    Operation {
        method: "GET",
        path: "/api/v1/snapshots/{snapshot}/diff/{other}",
        scope: Some(Scope::Read),
        summary: "What changed from the first to the other",
        params: &[ALL],
        body: None,
        answer: Answered::Json(schema_of::<Diff>),
        does: Does::Read(difference),
    },
    Operation {
        method: "POST",
        path: "/api/v1/snapshots/{snapshot}/keep",
        scope: Some(Scope::Operate),
        summary: "Marks a snapshot to be kept, above every cap of retention",
        params: &[],
        body: Some(schema_of::<Why>),
        answer: Answered::Json(schema_of::<super::Done>),
        does: Does::Order(keep),
    },
    Operation {
        method: "POST",
        path: "/api/v1/snapshots/{snapshot}/unkeep",
        scope: Some(Scope::Operate),
        summary: "Takes the mark from a snapshot",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<super::Done>),
        does: Does::Order(unkeep),
    },
];

/// A snapshot with what the catalog says of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Whole {
    /// As the list has it; null where the catalog does not know it.
    entry: Option<Entry>,
    /// The snapshot.
    snapshot: Body,
}

/// A part of a snapshot.
#[derive(Debug, Serialize, JsonSchema)]
struct Part {
    /// Which snapshot.
    id: SnapshotId,
    /// When it was captured.
    captured_at: Wall,
    /// The section's name.
    key: String,
    /// The section.
    section: SectionEntry,
    /// What its collector measured.
    metrics: Vec<MetricFamily>,
    /// What its collector found.
    findings: Vec<SnapshotFinding>,
}

/// Whether a snapshot is what was written.
#[derive(Debug, Serialize, JsonSchema)]
struct Verified {
    /// Whether nothing is wrong.
    intact: bool,
    /// What is wrong.
    verdicts: Vec<Verdict>,
    /// What is gone around it for a reason on record.
    gaps: Vec<Gap>,
    /// The heartbeats behind its digest.
    heartbeats: HeartbeatCheck,
}

/// What a snapshot is to be taken for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSnapshot {
    /// What for; it stands in the snapshot.
    #[serde(default)]
    #[schemars(length(max = 500))]
    reason: Option<String>,
    /// Whether it is to be kept.
    #[serde(default)]
    important: bool,
}

/// A snapshot that was taken.
#[derive(Debug, Serialize, JsonSchema)]
struct Taken {
    /// Its name.
    id: SnapshotId,
    /// Its place in the chain.
    sequence: u64,
}

/// Why something is done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// What for; it is shown with it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub(super) why: Option<String>,
}

impl Why {
    /// Read and not too long.
    pub(super) fn of(json: Json) -> Result<Option<String>, Problem> {
        let Self { why } = body(json)?;
        not_too_long(why.as_deref(), "why")?;
        Ok(why)
    }
}

pub(super) fn not_too_long(text: Option<&str>, name: &str) -> Result<(), Problem> {
    if text.is_some_and(|text| text.chars().count() > MAX_REASON_CHARS) {
        let detail = format!("`{name}` may have {MAX_REASON_CHARS} characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_body", detail));
    }
    Ok(())
}

/// There is no such section.
pub(super) fn no_section(key: &str) -> Problem {
    let key: String = key.chars().take(64).collect();
    Problem::not_found(format!("there is no section `{key}`"))
}

/// The snapshot that a part of the path names: an id, the beginning of one, `latest`, `latest~2`, `@TIME`.
fn id(ask: &Ask, part: &str, reader: &Reader) -> Result<SnapshotId, Problem> {
    Ok(reader.resolve(&Name::parse(ask.path(part), ask.now.wall)?)?)
}

fn list(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let limit = ask.query.number(&LIMIT);
    let items = reader.list(&Filter {
        since: ask.query.time("since"),
        until: ask.query.time("until"),
        trigger: ask.query.word("trigger"),
        important: ask.query.flag("important"),
        complete: ask.query.flag("complete"),
        worst_at_least: None,
        before: ask.query.cursor()?,
        skip: 0,
        limit: Some(limit),
    })?;
    let next = items.last().filter(|_| items.len() as u64 == limit).and_then(|last| cursor(&last.sequence));
    Reply::json(&Page { items, next })
}

fn one(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let checked = reader.read(id(ask, "snapshot", reader)?)?;
    let entry = reader.entry(checked.body.id)?;
    Reply::json(&Whole { entry, snapshot: checked.body })
}

fn section(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let mut body = reader.read(id(ask, "snapshot", reader)?)?.body;
    let key = ask.path("section");
    let section = body.sections.remove(key).ok_or_else(|| no_section(key))?;
    body.metrics.retain(|family| family.collector == section.collector);
    body.findings.retain(|finding| finding.collector == section.collector);
    Reply::json(&Part {
        id: body.id,
        captured_at: body.captured_at,
        key: key.to_owned(),
        section,
        metrics: body.metrics,
        findings: body.findings,
    })
}

fn file(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let id = id(ask, "snapshot", reader)?;
    let (bytes, sha256) = reader.read_file(id)?;
    Ok(Reply::bytes("application/json", bytes)
        .tag(&sha256.to_string())
        .header(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{}\"", snapshot_file(id))))
}

fn verify(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let verification = reader.verify_one(id(ask, "snapshot", reader)?)?;
    Reply::json(&Verified {
        intact: verification.is_intact(),
        verdicts: verification.verdicts,
        gaps: verification.gaps,
        heartbeats: verification.heartbeats,
    })
}

fn difference(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let read = |part: &str| Ok::<_, Problem>(reader.read(id(ask, part, reader)?)?.body);
    let (from, to) = (read("snapshot")?, read("other")?);
    // Without a history everything else can still be told.
    let ranges = Ranges::before(reader, from.captured_at).unwrap_or_default();
    let usual_range = move |collector: &str, name: &str, labels: &_| ranges.of(collector, name, labels);
    let options = Options { everything: ask.query.flag("all") == Some(true), usual_range: &usual_range };
    Reply::json(&diff::diff(&from, &to, &options))
}

fn take(ask: Ask, json: Json) -> Doing {
    Box::pin(async move {
        let NewSnapshot { reason, important } = body(json)?;
        not_too_long(reason.as_deref(), "reason")?;
        match ask.shared.ask(Request::Snapshot { reason, important }, SNAPSHOT_PATIENCE).await? {
            Answer::Snapshot { id, sequence, .. } => Ok(Reply::json(&Taken { id, sequence })?
                .status(StatusCode::CREATED)
                .header(header::LOCATION, &format!("/api/v1/snapshots/{id}"))),
            _ => Err(super::odd_answer()),
        }
    })
}

async fn named(ask: &Ask) -> Result<SnapshotId, Problem> {
    let for_reader = ask.clone();
    let id = ask.shared.readers.read(move |reader| {
        let id = id(&for_reader, "snapshot", reader)?;
        // Only what is there can be marked.
        let known = reader.entry(id)?.is_some();
        known.then_some(id).ok_or_else(|| Problem::not_found(format!("there is no snapshot `{id}`")))
    });
    id.await
}

fn keep(ask: Ask, json: Json) -> Doing {
    Box::pin(async move {
        let why = Why::of(json)?;
        let id = named(&ask).await?;
        super::done(&ask, Request::Keep { id, by: ask.caller.who.clone(), why }).await
    })
}

fn unkeep(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let id = named(&ask).await?;
        super::done(&ask, Request::Unkeep { id, by: ask.caller.who.clone() }).await
    })
}
