//! The latest section of every collector: the machine as it is now, between two snapshots.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::api::operation::{Answered, Ask, Does, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::reply::Reply;
use crate::model::{Moment, Scope, Section, Wall};
use crate::store::{Reader, StoredSection};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/sections",
        scope: Some(Scope::Read),
        summary: "The latest sections, without what is in them",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Sections>),
        does: Does::Read(list),
    },
    Operation {
        method: "GET",
        path: "/api/v1/sections/{section}",
        scope: Some(Scope::Read),
        summary: "The latest section of this key, with its body, metrics and findings",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Latest>),
        does: Does::Read(one),
    },
];

/// All sections.
#[derive(Debug, Serialize, JsonSchema)]
struct Sections {
    /// By collector and key.
    items: Vec<Head>,
}

/// What is known of a section but for what is in it.
#[derive(Debug, Serialize, JsonSchema)]
struct Head {
    /// Its name.
    key: String,
    /// Which collector it comes from.
    collector: String,
    /// When it was collected.
    collected_at: Wall,
    /// How long ago that is, suspend included.
    age_ms: u64,
    /// How many of this key were collected before it, plus one.
    generation: u64,
    /// Name and version of the body's form.
    schema: String,
    /// How many metric points it has.
    metrics: usize,
    /// How many findings it has.
    findings: usize,
}

/// A section with what is in it.
#[derive(Debug, Serialize, JsonSchema)]
struct Latest {
    /// Which collector it comes from.
    collector: String,
    /// When it was collected.
    collected_at: Wall,
    /// How long ago that is, suspend included.
    age_ms: u64,
    /// The section.
    #[serde(flatten)]
    section: Section,
}

fn age_ms(stored: &StoredSection, now: &Moment) -> u64 {
    u64::try_from(now.since(&stored.collected_at).as_millis()).unwrap_or(u64::MAX)
}

fn list(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let head = |stored: StoredSection| Head {
        age_ms: age_ms(&stored, &ask.now),
        key: stored.section.key,
        collector: stored.collector,
        collected_at: stored.collected_at.wall,
        generation: stored.generation,
        schema: stored.section.schema,
        metrics: stored.section.metrics.len(),
        findings: stored.section.findings.len(),
    };
    Reply::json(&Sections { items: reader.sections()?.into_iter().map(head).collect() })
}

fn one(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let key = ask.path("section");
    let found = reader.sections()?.into_iter().find(|stored| stored.section.key == key);
    let stored = found.ok_or_else(|| super::snapshots::no_section(key))?;
    let age_ms = age_ms(&stored, &ask.now);
    let StoredSection { collector, collected_at, section, .. } = stored;
    // A body is shown as it is: an object, whatever is in it.
    debug_assert!(matches!(section.body, Json::Object(_)));
    Reply::json(&Latest { collector, collected_at: collected_at.wall, age_ms, section })
}
