//! What a running ghostd records beside snapshots, and the one transaction that it goes into.
//!
//! Owns: the rows of history and state, and their caps. Must not know: who collects what, and when.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::catalog::json;
use super::database::int;
use super::samples;
use crate::model::{CollectorHealth, Digest, Event, Finding, Heartbeat, Metric, Moment, Section, Wall};

/// Events that are kept; the oldest go first. At one a second that is a day, at one a minute ten weeks.
pub const MAX_EVENTS: u64 = 100_000;
/// Different series of one collector. A label that never repeats (a pid, a time) would otherwise grow without end.
pub const MAX_SERIES_PER_COLLECTOR: usize = 2_000;
/// Resolved findings that are kept; the ones resolved first go first.
pub const MAX_RESOLVED_FINDINGS: u64 = 10_000;

/// Everything of one instant: it is recorded as a whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Whether the commit waits for the disk: transitions, alerts and what is about to be sent. Without it a power cut
    /// may take the last batches, and a crash of ghostd none.
    pub durable: bool,
    /// Sections that arrived. Each replaces the one of its collector and key.
    pub sections: Vec<StoredSection>,
    /// Sections that left, by collector and key.
    pub dropped_sections: Vec<(String, String)>,
    /// New states. Each replaces all keys of its collector; a collector that is not named keeps its own.
    pub states: Vec<CollectorState>,
    /// How collectors are doing now.
    pub healths: Vec<CollectorHealth>,
    /// Findings that are new or changed.
    pub findings: Vec<StoredFinding>,
    /// Metric points.
    pub points: Vec<Points>,
    /// Heartbeats, in order.
    pub heartbeats: Vec<Heartbeat>,
    /// Events, in order.
    pub events: Vec<Event>,
    /// Anything else that is small and replaced as a whole.
    pub documents: Vec<Document>,
}

/// The latest section of a collector with what it was made by.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSection {
    /// Which collector returned it.
    pub collector: String,
    /// When it was collected.
    pub collected_at: Moment,
    /// How many sections of this key were collected before it, plus one.
    pub generation: u64,
    /// SHA-256 of the component that made it.
    pub component_sha256: Option<Digest>,
    /// SHA-256 of the configuration that the collector was given.
    pub config_sha256: Option<Digest>,
    /// The section, sanitized.
    pub section: Section,
}

/// A collector's private state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorState {
    /// Whose.
    pub collector: String,
    /// All its keys, with JSON texts, sanitized.
    pub entries: BTreeMap<String, String>,
}

/// A finding with what the host knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredFinding {
    /// Which collector reports it.
    pub collector: String,
    /// When the host first heard of it, or heard of it again after it was resolved.
    pub opened_at: Wall,
    /// When it was resolved; none while it is open.
    pub resolved_at: Option<Wall>,
    /// That somebody resolved it by hand; it stays so until a later sighting.
    pub by_hand: Option<HandResolution>,
    /// The finding, sanitized.
    pub finding: Finding,
}

/// That somebody resolved a finding by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandResolution {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When. A sighting after this reopens it.
    pub at: Wall,
}

/// The points of one collector at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Which collector returned them.
    pub collector: String,
    /// When they were taken.
    pub at: Wall,
    /// The points.
    pub metrics: Vec<Metric>,
}

/// Something small that is replaced as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What kind: `probe`, `alert`, `silence`, `maintenance`.
    pub namespace: String,
    /// Which of its kind.
    pub key: String,
    /// When.
    pub at: Wall,
    /// What it says; null removes it.
    pub document: Json,
}

/// The namespace of collectors' healths among the documents.
pub(super) const HEALTHS: &str = "collector_health";

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Points beyond [`MAX_SERIES_PER_COLLECTOR`].
    pub dropped_points: u64,
    /// The numbers that the batch's events have in the history, in their order.
    pub event_ids: Vec<u64>,
}

/// A section's row but for the section.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SectionMeta {
    pub(super) collected_at: Wall,
    pub(super) boottime_ns: u64,
    pub(super) boot_id: String,
    pub(super) generation: u64,
    pub(super) component_sha256: Option<Digest>,
    pub(super) config_sha256: Option<Digest>,
}

/// The series that are known, so that a point needs no query.
#[derive(Debug, Default)]
pub(super) struct SeriesIndex {
    by_collector: HashMap<String, HashMap<SeriesKey, u32>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SeriesKey {
    name: String,
    labels: String,
    unit: String,
    kind: u8,
}

impl SeriesIndex {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut index = Self::default();
        let mut statement = db.prepare("SELECT id, collector, name, labels, unit, kind FROM series")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = SeriesKey { name: row.get(2)?, labels: row.get(3)?, unit: row.get(4)?, kind: row.get(5)? };
            index.by_collector.entry(row.get(1)?).or_default().insert(key, row.get(0)?);
        }
        Ok(index)
    }
}

/// Series that a transaction adds; they join the index only when it is committed.
#[derive(Debug, Default)]
pub(super) struct NewSeries(Vec<(String, SeriesKey, u32)>);

impl NewSeries {
    pub(super) fn join(self, index: &mut SeriesIndex) {
        for (collector, key, id) in self.0 {
            index.by_collector.entry(collector).or_default().insert(key, id);
        }
    }
}

/// Writes a batch within the caller's transaction. `beats` are the texts of its heartbeats.
pub(super) fn write(
    db: &Connection,
    batch: &Batch,
    beats: &[String],
    index: &SeriesIndex,
) -> rusqlite::Result<(Recorded, NewSeries)> {
    let mut recorded = Recorded::default();
    let mut added = NewSeries::default();
    for stored in &batch.sections {
        write_section(db, stored)?;
    }
    for (collector, key) in &batch.dropped_sections {
        db.prepare_cached("DELETE FROM sections WHERE collector = ?1 AND key = ?2")?.execute([collector, key])?;
    }
    for state in &batch.states {
        write_state(db, state)?;
    }
    for health in &batch.healths {
        let at = health.last_success.unwrap_or(Wall(0));
        write_document(db, HEALTHS, &health.name, at, Some(&json(health)?))?;
    }
    for finding in &batch.findings {
        write_finding(db, finding)?;
    }
    for points in &batch.points {
        recorded.dropped_points += write_points(db, points, index, &mut added)?;
    }
    for (beat, text) in batch.heartbeats.iter().zip(beats) {
        db.prepare_cached("INSERT INTO heartbeats (sequence, at, beat) VALUES (?1, ?2, ?3)")?.execute(params![
            int(beat.sequence),
            beat.at.0,
            text
        ])?;
    }
    recorded.event_ids = write_events(db, &batch.events)?;
    for document in &batch.documents {
        let text = (!document.document.is_null()).then(|| document.document.to_string());
        write_document(db, &document.namespace, &document.key, document.at, text.as_deref())?;
    }
    Ok((recorded, added))
}

fn write_section(db: &Connection, stored: &StoredSection) -> rusqlite::Result<()> {
    let meta = SectionMeta {
        collected_at: stored.collected_at.wall,
        boottime_ns: stored.collected_at.boottime_ns,
        boot_id: stored.collected_at.boot_id.to_string(),
        generation: stored.generation,
        component_sha256: stored.component_sha256,
        config_sha256: stored.config_sha256,
    };
    db.prepare_cached(
        "INSERT INTO sections (collector, key, meta, section) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (collector, key) \
         DO UPDATE SET meta = excluded.meta, section = excluded.section",
    )?
    .execute(params![stored.collector, stored.section.key, json(&meta)?, json(&stored.section)?])
    .map(drop)
}

fn write_state(db: &Connection, state: &CollectorState) -> rusqlite::Result<()> {
    let mut gone: Vec<String> = db
        .prepare_cached("SELECT key FROM states WHERE collector = ?1")?
        .query_map([&state.collector], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    gone.retain(|key| !state.entries.contains_key(key));
    for key in gone {
        db.prepare_cached("DELETE FROM states WHERE collector = ?1 AND key = ?2")?.execute([&state.collector, &key])?;
    }
    let mut upsert = db.prepare_cached(
        "INSERT INTO states (collector, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (collector, key) \
         DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
    )?;
    for (key, value) in &state.entries {
        upsert.execute([&state.collector, key, value])?;
    }
    Ok(())
}

fn write_finding(db: &Connection, stored: &StoredFinding) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO findings (collector, fingerprint, opened_at, resolved_at, by_hand, finding) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (collector, fingerprint) DO UPDATE SET \
         opened_at = CASE WHEN findings.resolved_at IS NULL OR excluded.resolved_at IS NOT NULL THEN findings.opened_at \
         ELSE excluded.opened_at END, resolved_at = excluded.resolved_at, by_hand = excluded.by_hand, \
         finding = excluded.finding",
    )?
    .execute(params![
        stored.collector,
        stored.finding.fingerprint,
        stored.opened_at.0,
        stored.resolved_at.map(|at| at.0),
        stored.by_hand.as_ref().map(json).transpose()?,
        json(&stored.finding)?
    ])?;
    if stored.resolved_at.is_some() {
        db.prepare_cached(
            "DELETE FROM findings WHERE rowid IN (SELECT rowid FROM findings WHERE resolved_at IS NOT NULL \
             ORDER BY resolved_at DESC LIMIT -1 OFFSET ?1)",
        )?
        .execute([int(MAX_RESOLVED_FINDINGS)])?;
    }
    Ok(())
}

fn write_points(db: &Connection, points: &Points, index: &SeriesIndex, added: &mut NewSeries) -> rusqlite::Result<u64> {
    let known = index.by_collector.get(&points.collector);
    let mut packed = Vec::with_capacity(points.metrics.len() * 12);
    let mut dropped = 0;
    for metric in &points.metrics {
        let key = SeriesKey {
            name: metric.name.clone(),
            labels: json(&metric.labels)?,
            unit: metric.unit.clone(),
            kind: samples::kind_of(&metric.reading),
        };
        let is_added =
            |(collector, other, _): &&(String, SeriesKey, u32)| *collector == points.collector && *other == key;
        let found = known.and_then(|known| known.get(&key).copied());
        let id = match found.or_else(|| added.0.iter().find(is_added).map(|(_, _, id)| *id)) {
            Some(id) => id,
            None => {
                let mine = added.0.iter().filter(|(collector, ..)| *collector == points.collector).count();
                if known.map_or(0, HashMap::len) + mine >= MAX_SERIES_PER_COLLECTOR {
                    dropped += 1;
                    continue;
                }
                let id = db
                    .prepare_cached(
                        "INSERT INTO series (collector, name, unit, kind, labels) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .insert(params![points.collector, key.name, key.unit, key.kind, key.labels])?;
                let id = u32::try_from(id).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))?;
                added.0.push((points.collector.clone(), key, id));
                id
            }
        };
        samples::pack(&mut packed, id, &metric.reading);
    }
    if !packed.is_empty() {
        db.prepare_cached("INSERT INTO samples (collector, at, points) VALUES (?1, ?2, ?3)")?.execute(params![
            points.collector,
            points.at.0,
            packed
        ])?;
    }
    Ok(dropped)
}

fn write_events(db: &Connection, events: &[Event]) -> rusqlite::Result<Vec<u64>> {
    let mut ids = Vec::with_capacity(events.len());
    for event in events {
        let id = db
            .prepare_cached("INSERT INTO events (at, event) VALUES (?1, ?2)")?
            .insert(params![event.timestamp.0, json(event)?])?;
        ids.push(u64::try_from(id).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))?);
    }
    if let Some(last) = ids.last() {
        db.prepare_cached("DELETE FROM events WHERE id <= ?1")?.execute([int(last.saturating_sub(MAX_EVENTS))])?;
    }
    Ok(ids)
}

fn write_document(db: &Connection, namespace: &str, key: &str, at: Wall, text: Option<&str>) -> rusqlite::Result<()> {
    match text {
        Some(text) => db
            .prepare_cached(
                "INSERT INTO documents (namespace, key, updated_at, document) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (namespace, key) DO UPDATE SET updated_at = excluded.updated_at, \
                 document = excluded.document",
            )?
            .execute(params![namespace, key, at.0, text]),
        None => db.prepare_cached("DELETE FROM documents WHERE namespace = ?1 AND key = ?2")?.execute([namespace, key]),
    }
    .map(drop)
}
