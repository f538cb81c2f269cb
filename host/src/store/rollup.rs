//! History that grows old: fine at first, then by the minute, then by the hour, then gone.
//!
//! Owns: that shrinking, in steps so small that no heartbeat waits for one. Must not know: who looks at history.
//!
//! Raw rows are kept for a day, minutes for a week, hours for a year (by default). A step takes the oldest raw
//! rows, merges them into their minute and deletes them, all in one transaction, so nothing is counted twice or lost
//! whenever it ends. Ages go by boot time where it is the same boot, else by the recorded time, and after a step of
//! the clock nothing is shrunk until the clock is believed again (`crate::retention` says when).

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::catalog::{self, json, json_column};
use super::database;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::prune::candidate;
use super::rolled::Rolled;
use super::samples::{self, SampleSummary};
use super::start;
use crate::model::{Heartbeat, Moment, Standing, Wall};
use crate::retention;

/// How many seconds a row of the second resolution stands for.
pub const MINUTE_SECONDS: u32 = 60;
/// How many seconds a row of the third resolution stands for.
pub const HOUR_SECONDS: u32 = 3_600;
/// Raw rows that one step takes. At a beat every five seconds that is forty minutes of them, in some 10 ms.
const ROWS_A_STEP: u32 = 500;
/// Pages that one step gives back to the file system once this many are free: half as many.
const FREE_PAGES: i64 = 1_024;
/// The newest snapshots that say whether the clock is to be believed.
const CLOCK_WITNESSES: usize = 400;

/// How long each resolution is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryPolicy {
    /// Every row.
    pub raw: Duration,
    /// One row a minute.
    pub minutes: Duration,
    /// One row an hour.
    pub hours: Duration,
}

impl Default for HistoryPolicy {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
        Self { raw: days(1), minutes: days(7), hours: days(366) }
    }
}

/// A number over a while.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The least.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// The greatest.
    pub max: f64,
    /// The last.
    pub last: f64,
    /// How many it is of.
    pub count: u64,
}

impl Summary {
    /// One number.
    pub fn of(value: f64) -> Self {
        Self { min: value, mean: value, max: value, last: value, count: 1 }
    }

    /// Takes in what came later.
    pub fn merge(&mut self, later: &Self) {
        let count = self.count + later.count;
        if count > 0 {
            let weight = later.count as f64 / count as f64;
            self.mean += (later.mean - self.mean) * weight;
        }
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
        self.count = count;
    }
}

/// The heartbeats of a minute or an hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeatSummary {
    /// How many there are.
    pub count: u64,
    /// How many were due and not taken.
    pub missed: u64,
    /// How many had which verdict.
    pub overall: BTreeMap<String, u64>,
    /// How many had which state of the clock.
    pub clock: BTreeMap<String, u64>,
    /// The clock's offset in seconds, where one was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_seconds: Option<Summary>,
    /// By daemon.
    pub daemons: BTreeMap<String, DaemonSummary>,
}

/// A daemon in the heartbeats of a minute or an hour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonSummary {
    /// How many heartbeats saw it in which state.
    pub states: BTreeMap<String, u64>,
    /// For how long it stood how, in milliseconds, as far as that is known.
    #[serde(default)]
    pub lasted_ms: BTreeMap<Standing, u64>,
    /// How many saw it in maintenance.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub maintenance: u64,
    /// Share of one processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<Summary>,
    /// Resident memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Summary>,
    /// Restarts since ghostd knows it, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<u64>,
}

impl BeatSummary {
    /// One heartbeat, and how long what it said held.
    pub fn of(beat: &Heartbeat, lasted_ns: u64) -> Self {
        let overall = match serde_json::to_value(beat.overall.status) {
            Ok(serde_json::Value::String(word)) => word,
            _ => String::new(),
        };
        let daemons = beat.daemons.iter().map(|daemon| {
            let summary = DaemonSummary {
                states: [(daemon.status.clone(), 1)].into(),
                lasted_ms: [(Standing::of(&daemon.status, daemon.maintenance), lasted_ns / 1_000_000)].into(),
                maintenance: u64::from(daemon.maintenance),
                cpu_percent: daemon.cpu_percent.map(Summary::of),
                memory_bytes: daemon.memory_bytes.map(|bytes| Summary::of(bytes as f64)),
                restart_count: daemon.restart_count,
            };
            (daemon.name.clone(), summary)
        });
        Self {
            count: 1,
            missed: beat.missed,
            overall: [(overall, 1)].into(),
            clock: [(beat.clock_status.clone(), 1)].into(),
            clock_offset_seconds: beat.clock_offset_seconds.map(Summary::of),
            daemons: daemons.collect(),
        }
    }

    /// Takes in what came later.
    pub fn merge(&mut self, later: &Self) {
        self.count += later.count;
        self.missed += later.missed;
        add_counts(&mut self.overall, &later.overall);
        add_counts(&mut self.clock, &later.clock);
        merge_optional(&mut self.clock_offset_seconds, later.clock_offset_seconds.as_ref());
        for (name, daemon) in &later.daemons {
            let mine = self.daemons.entry(name.clone()).or_default();
            add_counts(&mut mine.states, &daemon.states);
            add_counts(&mut mine.lasted_ms, &daemon.lasted_ms);
            mine.maintenance += daemon.maintenance;
            merge_optional(&mut mine.cpu_percent, daemon.cpu_percent.as_ref());
            merge_optional(&mut mine.memory_bytes, daemon.memory_bytes.as_ref());
            mine.restart_count = daemon.restart_count.or(mine.restart_count);
        }
    }
}

impl ExclusiveStore {
    /// Shrinks history by one step, and says whether there is more to do. To be called between heartbeats.
    pub fn roll_up(&mut self, policy: &HistoryPolicy, now: &Moment) -> Result<bool, StoreError> {
        let witnesses = catalog::newest_entries(&self.db, CLOCK_WITNESSES).map_err(self.refused("roll up"))?;
        let witnesses: Vec<_> = witnesses.iter().map(candidate).collect();
        if retention::clock_doubt(&witnesses, now).is_some() {
            return Ok(false);
        }
        let mut more = false;
        let policy = *policy;
        self.transact(&Batch::default(), "roll up", |db| {
            more |= roll_beats(db, &policy, now)?;
            more |= roll_samples(db, &policy, now)?;
            for (width, keep) in [(MINUTE_SECONDS, policy.minutes), (HOUR_SECONDS, policy.hours)] {
                more |= age_beats(db, width, now.wall.minus(keep))?;
                more |= age_samples(db, width, now.wall.minus(keep))?;
            }
            Ok(())
        })?;
        give_back(&self.db).map_err(self.refused("roll up"))?;
        Ok(more)
    }
}

fn roll_beats(db: &Connection, policy: &HistoryPolicy, now: &Moment) -> rusqlite::Result<bool> {
    let rows: Vec<(i64, Option<Heartbeat>)> = db
        .prepare_cached("SELECT sequence, beat FROM heartbeats ORDER BY sequence LIMIT ?1")?
        // One more, to tell how long the last of them held.
        .query_map([ROWS_A_STEP + 1], |row| Ok((row.get(0)?, json_column(row, 1).ok())))?
        .collect::<rusqlite::Result<_>>()?;
    let mut minutes: BTreeMap<i64, BeatSummary> = BTreeMap::new();
    let mut last = None;
    for (index, (sequence, beat)) in rows.iter().enumerate().take(ROWS_A_STEP as usize) {
        if let Some(beat) = beat {
            let taken = Moment { wall: beat.at, boottime_ns: beat.boottime_ns, boot_id: beat.boot_id.as_str().into() };
            if now.since(&taken) <= policy.raw {
                break;
            }
            let next = rows.get(index + 1).and_then(|(_, next)| next.as_ref());
            let lasted_ns = next.map_or(0, |next| beat.time().lasted_ns(&next.time()));
            let summary = BeatSummary::of(beat, lasted_ns);
            minutes
                .entry(bucket(beat.at, MINUTE_SECONDS))
                .and_modify(|minute| minute.merge(&summary))
                .or_insert(summary);
        }
        last = Some(*sequence);
    }
    let Some(last) = last else { return Ok(false) };
    for (at, minute) in minutes {
        merge_beats(db, MINUTE_SECONDS, at, minute)?;
    }
    db.prepare_cached("DELETE FROM heartbeats WHERE sequence <= ?1")?.execute([last])?;
    database::set_meta(db, start::ROLLED_BEAT, &last.to_string())?;
    Ok(rows.len() > ROWS_A_STEP as usize && rows[ROWS_A_STEP as usize - 1].0 == last)
}

fn roll_samples(db: &Connection, policy: &HistoryPolicy, now: &Moment) -> rusqlite::Result<bool> {
    let before = now.wall.minus(policy.raw);
    let rows: Vec<(i64, String, i64, Vec<u8>)> = db
        .prepare_cached("SELECT rowid, collector, at, points FROM samples ORDER BY rowid LIMIT ?1")?
        .query_map([ROWS_A_STEP], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut minutes: BTreeMap<(&str, i64), BTreeMap<u32, SampleSummary>> = BTreeMap::new();
    let mut last = None;
    for (rowid, collector, at, points) in &rows {
        if *at > before.0 {
            break;
        }
        let minute = minutes.entry((collector, bucket(Wall(*at), MINUTE_SECONDS))).or_default();
        for (series, reading) in samples::unpack(points) {
            let summary = SampleSummary::of(reading);
            minute.entry(series).and_modify(|before| before.merge(&summary)).or_insert(summary);
        }
        last = Some(*rowid);
    }
    let Some(last) = last else { return Ok(false) };
    for ((collector, at), minute) in minutes {
        merge_samples(db, MINUTE_SECONDS, collector, at, minute)?;
    }
    db.prepare_cached("DELETE FROM samples WHERE rowid <= ?1")?.execute([last])?;
    Ok(rows.last().is_some_and(|(rowid, ..)| *rowid == last) && rows.len() == ROWS_A_STEP as usize)
}

/// Minutes that are too old become hours, hours that are too old go.
fn age_beats(db: &Connection, width: u32, before: Wall) -> rusqlite::Result<bool> {
    let rows: Vec<(i64, Option<BeatSummary>)> = db
        .prepare_cached("SELECT at, summary FROM beat_summaries WHERE width = ?1 AND at < ?2 ORDER BY at LIMIT ?3")?
        .query_map((width, before.0, ROWS_A_STEP), |row| Ok((row.get(0)?, rolled_column(row, 1).ok())))?
        .collect::<rusqlite::Result<_>>()?;
    for (at, summary) in &rows {
        if let (MINUTE_SECONDS, Some(summary)) = (width, summary) {
            merge_beats(db, HOUR_SECONDS, bucket(Wall(*at), HOUR_SECONDS), summary.clone())?;
        }
        db.prepare_cached("DELETE FROM beat_summaries WHERE width = ?1 AND at = ?2")?.execute((width, at))?;
    }
    Ok(rows.len() == ROWS_A_STEP as usize)
}

/// See [`age_beats`].
fn age_samples(db: &Connection, width: u32, before: Wall) -> rusqlite::Result<bool> {
    let query = "SELECT at, collector, points FROM sample_summaries WHERE width = ?1 AND at < ?2 ORDER BY at LIMIT ?3";
    let rows: Vec<(i64, String, Vec<u8>)> = db
        .prepare_cached(query)?
        .query_map((width, before.0, ROWS_A_STEP), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (at, collector, points) in &rows {
        if width == MINUTE_SECONDS {
            let summaries = samples::unpack_summaries(points).collect();
            merge_samples(db, HOUR_SECONDS, collector, bucket(Wall(*at), HOUR_SECONDS), summaries)?;
        }
        db.prepare_cached("DELETE FROM sample_summaries WHERE width = ?1 AND at = ?2 AND collector = ?3")?
            .execute(params![width, at, collector])?;
    }
    Ok(rows.len() == ROWS_A_STEP as usize)
}

fn merge_beats(db: &Connection, width: u32, at: i64, later: BeatSummary) -> rusqlite::Result<()> {
    let before: Option<BeatSummary> = db
        .prepare_cached("SELECT summary FROM beat_summaries WHERE width = ?1 AND at = ?2")?
        .query_row((width, at), |row| rolled_column(row, 0))
        .optional()?;
    let merged = match before {
        Some(mut before) => {
            before.merge(&later);
            before
        }
        None => later,
    };
    db.prepare_cached("INSERT OR REPLACE INTO beat_summaries (width, at, summary) VALUES (?1, ?2, ?3)")?
        .execute((width, at, json(&Rolled::from(&merged))?))
        .map(drop)
}

fn merge_samples(
    db: &Connection,
    width: u32,
    collector: &str,
    at: i64,
    later: BTreeMap<u32, SampleSummary>,
) -> rusqlite::Result<()> {
    let before: Option<Vec<u8>> = db
        .prepare_cached("SELECT points FROM sample_summaries WHERE width = ?1 AND at = ?2 AND collector = ?3")?
        .query_row(params![width, at, collector], |row| row.get(0))
        .optional()?;
    let mut merged: BTreeMap<u32, SampleSummary> =
        before.map(|points| samples::unpack_summaries(&points).collect()).unwrap_or_default();
    for (series, summary) in later {
        merged.entry(series).and_modify(|before| before.merge(&summary)).or_insert(summary);
    }
    db.prepare_cached("INSERT OR REPLACE INTO sample_summaries (width, collector, at, points) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![width, collector, at, samples::pack_summaries(&merged)])
        .map(drop)
}

/// Gives free pages back to the file system a few at a time.
fn give_back(db: &Connection) -> rusqlite::Result<()> {
    let free: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free < FREE_PAGES {
        return Ok(());
    }
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({})", FREE_PAGES / 2))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// The beginning of the minute or hour that a time is in.
fn bucket(at: Wall, width: u32) -> i64 {
    let width = i64::from(width) * 1_000_000_000;
    at.0.div_euclid(width).saturating_mul(width)
}

fn add_counts<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (word, count) in more {
        *counts.entry(word.clone()).or_default() += count;
    }
}

fn merge_optional(before: &mut Option<Summary>, later: Option<&Summary>) {
    match (before.as_mut(), later) {
        (Some(before), Some(later)) => before.merge(later),
        (None, Some(later)) => *before = Some(*later),
        (_, None) => {}
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A summary as it is stored.
fn rolled_column(row: &Row<'_>, column: usize) -> rusqlite::Result<BeatSummary> {
    json_column::<Rolled>(row, column).map(BeatSummary::from)
}

/// A row of `beat_summaries`.
pub(super) fn read_beat_summary(row: &Row<'_>) -> rusqlite::Result<(Wall, u32, BeatSummary)> {
    Ok((Wall(row.get(0)?), row.get(1)?, rolled_column(row, 2)?))
}
