//! Reading back what was recorded beside snapshots.
//!
//! Owns: the queries over history and state, for the writer and for readers alike. Must not know: what is done with
//! the answers.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{CollectorState, Document, SectionMeta, StoredFinding, StoredSection};
use super::catalog::json_column;
use super::database::int;
use super::rolled::RolledStandings;
use super::rollup::{self, BeatSummary, Summary};
use super::samples;
use crate::model::{Attributes, BeatTime, Event, Finding, Heartbeat, Moment, Reading, Section, Standing, Wall};

/// The most rows that one question answers.
pub const MAX_ROWS: u64 = 1_000_000;

/// Which part of a history is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From here on.
    pub since: Option<Wall>,
    /// Up to and with here.
    pub until: Option<Wall>,
    /// At most so many, the newest.
    pub limit: u64,
}

impl Span {
    /// Everything since then.
    pub fn since(since: Wall) -> Self {
        Self { since: Some(since), until: None, limit: MAX_ROWS }
    }

    /// The last so many.
    pub fn last(limit: u64) -> Self {
        Self { since: None, until: None, limit }
    }

    fn parameters(&self) -> [i64; 3] {
        [self.since.map_or(i64::MIN, |at| at.0), self.until.map_or(i64::MAX, |at| at.0), int(self.limit.min(MAX_ROWS))]
    }
}

/// An event with its number, which grows by one with each and so tells what is new.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NumberedEvent {
    /// Its number.
    pub id: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that is measured.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Series {
    /// Its number in the store.
    pub id: u32,
    /// Which collector returns it.
    pub collector: String,
    /// Its metric's name.
    pub name: String,
    /// UCUM; empty for none.
    pub unit: String,
    /// What tells it from others of the same name.
    pub labels: Attributes,
}

/// The latest sections.
pub(super) fn sections(db: &Connection) -> rusqlite::Result<Vec<StoredSection>> {
    rows(db, "SELECT collector, meta, section FROM sections ORDER BY collector, key", [], |row| {
        let meta: SectionMeta = json_column(row, 1)?;
        let section: Section = json_column(row, 2)?;
        Ok(StoredSection {
            collector: row.get(0)?,
            collected_at: Moment {
                wall: meta.collected_at,
                boottime_ns: meta.boottime_ns,
                boot_id: meta.boot_id.into(),
            },
            generation: meta.generation,
            component_sha256: meta.component_sha256,
            config_sha256: meta.config_sha256,
            section,
        })
    })
}

/// Every collector's state.
pub(super) fn states(db: &Connection) -> rusqlite::Result<Vec<CollectorState>> {
    let mut states: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?));
    for (collector, key, value) in rows(db, "SELECT collector, key, value FROM states", [], read)? {
        states.entry(collector).or_default().insert(key, value);
    }
    Ok(states.into_iter().map(|(collector, entries)| CollectorState { collector, entries }).collect())
}

/// Findings that are open, and those resolved at `since` or later.
pub(super) fn findings(db: &Connection, since: Wall) -> rusqlite::Result<Vec<StoredFinding>> {
    let query = "SELECT collector, opened_at, resolved_at, by_hand, finding FROM findings \
                 WHERE resolved_at IS NULL OR resolved_at >= ?1 ORDER BY opened_at, collector, fingerprint";
    rows(db, query, [since.0], |row| {
        let by_hand = match row.get_ref(3)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(json_column(row, 3)?),
        };
        Ok(StoredFinding {
            collector: row.get(0)?,
            opened_at: Wall(row.get(1)?),
            resolved_at: row.get::<_, Option<i64>>(2)?.map(Wall),
            by_hand,
            finding: json_column(row, 4)?,
        })
    })
}

/// Findings that somebody has resolved by hand and that were not seen again.
pub(super) fn settled(db: &Connection) -> rusqlite::Result<Vec<(String, Finding)>> {
    let query = "SELECT collector, finding FROM findings WHERE by_hand IS NOT NULL AND resolved_at IS NOT NULL";
    rows(db, query, [], |row| Ok((row.get(0)?, json_column(row, 1)?)))
}

/// The documents of all namespaces.
pub(super) fn documents(db: &Connection) -> rusqlite::Result<Vec<Document>> {
    rows(db, "SELECT namespace, key, updated_at, document FROM documents ORDER BY namespace, key", [], |row| {
        Ok(Document { namespace: row.get(0)?, key: row.get(1)?, at: Wall(row.get(2)?), document: json_column(row, 3)? })
    })
}

/// Heartbeats, oldest first.
pub(super) fn heartbeats(db: &Connection, span: &Span) -> rusqlite::Result<Vec<Heartbeat>> {
    let query = "SELECT beat FROM heartbeats WHERE at BETWEEN ?1 AND ?2 ORDER BY sequence DESC LIMIT ?3";
    rows(db, query, span.parameters(), |row| json_column(row, 0)).map(oldest_first)
}

/// The first and the last instant of which a heartbeat, an event or a reading is kept.
pub(super) fn bounds(db: &Connection) -> rusqlite::Result<Option<(Wall, Wall)>> {
    let mut bounds: Option<(i64, i64)> = None;
    for table in ["heartbeats", "events", "samples"] {
        let query = format!("SELECT (SELECT min(at) FROM {table}), (SELECT max(at) FROM {table})");
        let found: (Option<i64>, Option<i64>) = db.query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let (Some(first), Some(last)) = found {
            bounds = Some(bounds.map_or((first, last), |(low, high)| (low.min(first), high.max(last))));
        }
    }
    Ok(bounds.map(|(first, last)| (Wall(first), Wall(last))))
}

/// When the first reading of a collector was taken that is kept as it was read.
pub(super) fn first_reading(db: &Connection, collector: &str) -> rusqlite::Result<Option<Wall>> {
    let query = "SELECT min(at) FROM samples WHERE collector = ?1";
    db.query_row(query, [collector], |row| row.get::<_, Option<i64>>(0)).map(|at| at.map(Wall))
}

/// The last heartbeat.
pub(super) fn last_heartbeat(db: &Connection) -> rusqlite::Result<Option<Heartbeat>> {
    rows(db, "SELECT beat FROM heartbeats ORDER BY sequence DESC LIMIT 1", [], |row| json_column(row, 0))
        .map(|beats| beats.into_iter().next())
}

/// Events, oldest first.
pub(super) fn events(db: &Connection, span: &Span) -> rusqlite::Result<Vec<NumberedEvent>> {
    let query = "SELECT id, event FROM events WHERE at BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3";
    rows(db, query, span.parameters(), numbered_event).map(oldest_first)
}

/// At most `limit` events after the one of that number, oldest first: what a follower asks for.
pub(super) fn events_after(db: &Connection, id: u64, limit: u64) -> rusqlite::Result<Vec<NumberedEvent>> {
    let query = "SELECT id, event FROM events WHERE id > ?1 ORDER BY id LIMIT ?2";
    rows(db, query, [int(id), int(limit.min(MAX_ROWS))], numbered_event)
}

/// Everything that is measured.
pub(super) fn series(db: &Connection) -> rusqlite::Result<Vec<Series>> {
    rows(db, "SELECT id, collector, name, unit, labels FROM series ORDER BY collector, name, id", [], |row| {
        Ok(Series {
            id: row.get(0)?,
            collector: row.get(1)?,
            name: row.get(2)?,
            unit: row.get(3)?,
            labels: json_column(row, 4)?,
        })
    })
}

/// The points of some series of one collector, oldest first: time, series, reading.
pub(super) fn points(
    db: &Connection,
    collector: &str,
    wanted: &[u32],
    span: &Span,
) -> rusqlite::Result<Vec<(Wall, u32, Reading)>> {
    let [since, until, limit] = span.parameters();
    let query =
        "SELECT at, points FROM samples WHERE collector = ?4 AND at BETWEEN ?1 AND ?2 ORDER BY at DESC LIMIT ?3";
    let found = rows(db, query, (since, until, limit, collector), |row| {
        let at = Wall(row.get(0)?);
        let points = samples::unpack(row.get_ref(1)?.as_blob()?);
        Ok(points.filter(|(id, _)| wanted.contains(id)).map(|(id, reading)| (at, id, reading)).collect::<Vec<_>>())
    })?;
    Ok(found.into_iter().rev().flatten().collect())
}

/// A stretch of a series: one point, a minute or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct HistoryPoint {
    /// When it begins.
    pub at: Wall,
    /// How many seconds it stands for; 0 for one point.
    pub width_seconds: u32,
    /// What was read.
    #[serde(flatten)]
    pub value: Summary,
}

/// A stretch of heartbeats: one, a minute or an hour.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BeatStretch {
    /// When it begins.
    pub at: Wall,
    /// How many seconds it stands for; 0 for one heartbeat.
    pub width_seconds: u32,
    /// What they said.
    #[serde(flatten)]
    pub beats: BeatSummary,
}

/// A series at the finest resolution that is kept of each time, oldest first. Histograms have none; of counters it is
/// the total, whose mean is not kept.
pub(super) fn metric_history(
    db: &Connection,
    collector: &str,
    series: u32,
    span: &Span,
) -> rusqlite::Result<Vec<HistoryPoint>> {
    let [since, until, limit] = span.parameters();
    let query = "SELECT at, width, points FROM sample_summaries WHERE collector = ?4 AND width IN (60, 3600) \
                 AND at BETWEEN ?1 AND ?2 ORDER BY at DESC LIMIT ?3";
    let rolled = rows(db, query, (since, until, limit, collector), |row| {
        let mut summaries = samples::unpack_summaries(row.get_ref(2)?.as_blob()?);
        let found = summaries.find(|(id, _)| *id == series).and_then(|(_, summary)| value_of(&summary));
        let (at, width) = (Wall(row.get(0)?), row.get(1)?);
        Ok(found.map(|value| (at, width, value)))
    })?;
    let rolled =
        rolled.into_iter().flatten().map(|(at, width_seconds, value)| HistoryPoint { at, width_seconds, value });
    let raw = points(db, collector, &[series], span)?.into_iter().filter_map(|(at, _, reading)| {
        let value = value_of(&samples::SampleSummary::of(reading))?;
        Some(HistoryPoint { at, width_seconds: 0, value })
    });
    let mut all: Vec<HistoryPoint> = rolled.chain(raw).collect();
    all.sort_by_key(|point| (point.at, point.width_seconds));
    Ok(last_of(all, span.limit))
}

/// Heartbeats at the finest resolution that is kept of each time, oldest first.
pub(super) fn beat_history(db: &Connection, span: &Span) -> rusqlite::Result<Vec<BeatStretch>> {
    let query = "SELECT at, width, summary FROM beat_summaries WHERE at BETWEEN ?1 AND ?2 ORDER BY at DESC LIMIT ?3";
    let rolled = rows(db, query, span.parameters(), rollup::read_beat_summary)?;
    let rolled = rolled.into_iter().map(|(at, width_seconds, beats)| BeatStretch { at, width_seconds, beats });
    let raw = heartbeats(db, span)?;
    let raw = raw.iter().enumerate().map(|(index, beat)| {
        let lasted_ns = raw.get(index + 1).map_or(0, |next| beat.time().lasted_ns(&next.time()));
        BeatStretch { at: beat.at, width_seconds: 0, beats: BeatSummary::of(beat, lasted_ns) }
    });
    let mut all: Vec<BeatStretch> = rolled.chain(raw).collect();
    all.sort_by_key(|stretch| (stretch.at, stretch.width_seconds));
    Ok(last_of(all, span.limit))
}

/// How daemons stood, in one stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoodStretch<'a> {
    /// When it begins.
    pub at: Wall,
    /// How long it is.
    pub width_ns: u64,
    /// The daemon.
    pub daemon: &'a str,
    /// How it stood.
    pub standing: Standing,
    /// For how long of the stretch.
    pub lasted_ns: u64,
}

/// Tells how daemons stood since then, stretch by stretch, at the finest resolution that is kept of each time. Only
/// that is read of each row: uptime over months looks at tens of thousands of them.
pub(super) fn stood(db: &Connection, since: Wall, tell: &mut dyn FnMut(&StoodStretch<'_>)) -> rusqlite::Result<()> {
    // An hour before: the stretch that reaches over the edge.
    let before = since.plus_ns(-3_600_000_000_000);
    let mut statement = db.prepare_cached("SELECT at, width, summary FROM beat_summaries WHERE at >= ?1")?;
    let mut rows = statement.query([before.0])?;
    while let Some(row) = rows.next()? {
        let (at, width): (i64, u32) = (row.get(0)?, row.get(1)?);
        let Ok(summary) = json_column::<RolledStandings>(row, 2) else { continue };
        let width_ns = u64::from(width) * 1_000_000_000;
        for (daemon, stood) in &summary.daemons {
            for (standing, ms) in &stood.lasted_ms {
                let lasted_ns = ms.saturating_mul(1_000_000);
                tell(&StoodStretch { at: Wall(at), width_ns, daemon, standing: *standing, lasted_ns });
            }
        }
    }
    let mut statement = db.prepare_cached("SELECT at, beat FROM heartbeats WHERE at >= ?1 ORDER BY sequence")?;
    let mut rows = statement.query([before.0])?;
    let mut previous: Option<(i64, StoodBeat)> = None;
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(0)?;
        let beat = json_column::<StoodBeat>(row, 1).ok();
        if let (Some((at, before)), Some(beat)) = (&previous, &beat) {
            let lasted_ns = before.time().lasted_ns(&beat.time());
            for daemon in before.daemons.iter().filter(|_| lasted_ns > 0) {
                let standing = Standing::of(&daemon.status, daemon.maintenance);
                tell(&StoodStretch { at: Wall(*at), width_ns: lasted_ns, daemon: &daemon.name, standing, lasted_ns });
            }
        }
        previous = beat.map(|beat| (at, beat));
    }
    Ok(())
}

#[derive(Deserialize)]
struct StoodBeat {
    boottime_ns: u64,
    boot_id: String,
    interval_ms: u64,
    daemons: Vec<StoodDaemon>,
}

impl StoodBeat {
    fn time(&self) -> BeatTime {
        BeatTime { boottime_ns: self.boottime_ns, boot_id: self.boot_id.clone(), interval_ms: self.interval_ms }
    }
}

#[derive(Deserialize)]
struct StoodDaemon {
    name: String,
    status: String,
    #[serde(default)]
    maintenance: bool,
}

fn value_of(summary: &samples::SampleSummary) -> Option<Summary> {
    match summary {
        samples::SampleSummary::Gauge(summary) => Some(*summary),
        samples::SampleSummary::Counter { count, min, max, last } => {
            Some(Summary { min: *min as f64, mean: *last as f64, max: *max as f64, last: *last as f64, count: *count })
        }
        samples::SampleSummary::Histogram { .. } => None,
    }
}

fn last_of<T>(mut all: Vec<T>, limit: u64) -> Vec<T> {
    let surplus = all.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    all.drain(..surplus);
    all
}

/// The rows that can be read. One that cannot is left out and logged: a broken row must not hide the others.
pub(super) fn rows<T>(
    db: &Connection,
    query: &str,
    parameters: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = db.prepare_cached(query)?;
    let mut rows = statement.query(parameters)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(value) => all.push(value),
            Err(
                error @ (rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)),
            ) => {
                tracing::warn!(%error, query, "A row of the database cannot be read and is left out.");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn numbered_event(row: &Row<'_>) -> rusqlite::Result<NumberedEvent> {
    Ok(NumberedEvent { id: row.get::<_, i64>(0)?.unsigned_abs(), event: json_column(row, 1)? })
}

fn oldest_first<T>(mut rows: Vec<T>) -> Vec<T> {
    rows.reverse();
    rows
}
