//! Everything of a time, record by record.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Attributes, Finding, Heartbeat, Reading, Wall};
use crate::store::{
    Entry, Filter, MAX_ROWS, NumberedEvent, Reader, Series, Source as _, Span, StoreError, StoredFinding, Summary,
};

/// How much of a history is read at a time: at a beat every five seconds 4,320 beats.
const WINDOW_NS: i64 = 6 * 3_600 * 1_000_000_000;

/// What there is to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Sealed snapshots, with their whole bodies.
    Snapshots,
    /// Heartbeats, as long as each single one is kept.
    Heartbeats,
    /// What happened.
    Events,
    /// What was measured: each reading, and of older times the figures of minutes and hours.
    Metrics,
    /// What was wrong.
    Findings,
}

impl Kind {
    /// All of them, in the order in which they are exported.
    pub const ALL: [Self; 5] = [Self::Snapshots, Self::Heartbeats, Self::Events, Self::Metrics, Self::Findings];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Heartbeats => "heartbeats",
            Self::Events => "events",
            Self::Metrics => "metrics",
            Self::Findings => "findings",
        }
    }
}

/// What of it is exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of this time or later.
    pub since: Option<Wall>,
    /// Of this time or before.
    pub until: Option<Wall>,
}

/// One reading, or the figures of a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// When; of a stretch its beginning.
    pub at: Wall,
    /// What is measured.
    pub series: Series,
    /// What it was.
    pub value: Value,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A reading.
    Reading(Reading),
    /// The figures of a stretch of so many seconds.
    Stretch(u32, Summary),
}

/// Something that was recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A snapshot: how lists show it, and its body as it was sealed.
    Snapshot(Box<Entry>, String),
    /// A heartbeat.
    Heartbeat(Heartbeat),
    /// An event.
    Event(NumberedEvent),
    /// A measurement.
    Metric(Measured),
    /// A finding, as it was last told of.
    Finding(StoredFinding),
}

/// A snapshot that is left out, because it is damaged or gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: String,
}

/// Gives out the records of a kind, oldest first, and says which snapshots cannot be given. `progress` is told how much
/// of how much is done.
pub fn each<E: From<StoreError>>(
    reader: &Reader,
    kind: Kind,
    selection: &Selection,
    visit: &mut dyn FnMut(Record) -> Result<(), E>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Left>, E> {
    match kind {
        Kind::Snapshots => return snapshots(reader, selection, visit, progress),
        Kind::Heartbeats => windows(reader, selection, progress, &mut |span| {
            reader.heartbeats(span)?.into_iter().try_for_each(|beat| visit(Record::Heartbeat(beat)))
        })?,
        Kind::Events => windows(reader, selection, progress, &mut |span| {
            reader.events(span)?.into_iter().try_for_each(|event| visit(Record::Event(event)))
        })?,
        Kind::Metrics => metrics(reader, selection, visit, progress)?,
        Kind::Findings => findings(reader, selection)?.into_iter().try_for_each(|one| visit(Record::Finding(one)))?,
    }
    Ok(Vec::new())
}

fn snapshots<E: From<StoreError>>(
    reader: &Reader,
    selection: &Selection,
    visit: &mut dyn FnMut(Record) -> Result<(), E>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Left>, E> {
    let filter = Filter { since: selection.since, until: selection.until, ..Filter::default() };
    let mut entries = reader.list(&filter)?;
    entries.reverse();
    let total = entries.len() as u64;
    let mut left = Vec::new();
    for (done, entry) in (1..).zip(entries) {
        match reader.read(entry.id) {
            Ok(checked) => visit(Record::Snapshot(Box::new(entry), checked.body_text))?,
            Err(error) => left.push(Left { id: entry.id.to_string(), why: crate::chain::chain(&error) }),
        }
        progress(done, total);
    }
    Ok(left)
}

/// Goes over a history in steps, so that a year of it need not be held.
fn windows<E: From<StoreError>>(
    reader: &Reader,
    selection: &Selection,
    progress: &mut dyn FnMut(u64, u64),
    ask: &mut dyn FnMut(&Span) -> Result<(), E>,
) -> Result<(), E> {
    let Some((first, last)) = reader.history_bounds()? else { return Ok(()) };
    let (from, to) = (selection.since.unwrap_or(first).max(first), selection.until.unwrap_or(last).min(last));
    let total = (to.0.saturating_sub(from.0) / WINDOW_NS).unsigned_abs() + 1;
    let mut at = from;
    let mut done = 0;
    while at <= to {
        let end = at.plus_ns(WINDOW_NS - 1).min(to);
        ask(&Span { since: Some(at), until: Some(end), limit: MAX_ROWS })?;
        at = end.plus_ns(1);
        done += 1;
        progress(done, total);
    }
    Ok(())
}

fn metrics<E: From<StoreError>>(
    reader: &Reader,
    selection: &Selection,
    visit: &mut dyn FnMut(Record) -> Result<(), E>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), E> {
    let mut by_collector: BTreeMap<String, BTreeMap<u32, Series>> = BTreeMap::new();
    for series in reader.series()? {
        by_collector.entry(series.collector.clone()).or_default().insert(series.id, series);
    }
    // What is too old to be kept as it was read.
    for (collector, all) in &by_collector {
        for series in all.values() {
            let first = reader.first_reading(collector)?;
            let until = match (first, selection.until) {
                (Some(first), Some(until)) => Some(first.plus_ns(-1).min(until)),
                (Some(first), None) => Some(first.plus_ns(-1)),
                (None, until) => until,
            };
            let span = Span { since: selection.since, until, limit: MAX_ROWS };
            for stretch in reader.metric_history(collector, series.id, &span)? {
                if stretch.width_seconds > 0 {
                    let value = Value::Stretch(stretch.width_seconds, stretch.value);
                    visit(Record::Metric(Measured { at: stretch.at, series: series.clone(), value }))?;
                }
            }
        }
    }
    windows(reader, selection, progress, &mut |span| {
        for (collector, all) in &by_collector {
            let ids: Vec<u32> = all.keys().copied().collect();
            for (at, id, reading) in reader.points(collector, &ids, span)? {
                if let Some(series) = all.get(&id) {
                    let value = Value::Reading(reading);
                    visit(Record::Metric(Measured { at, series: series.clone(), value }))?;
                }
            }
        }
        Ok(())
    })
}

/// Findings that were open at some time of the selection. The history has a row for each opening and resolution; the
/// counts of those that are open go on in the latest sections.
fn findings(reader: &Reader, selection: &Selection) -> Result<Vec<StoredFinding>, StoreError> {
    let mut latest: BTreeMap<(String, String), Finding> = BTreeMap::new();
    for stored in reader.sections()? {
        for finding in stored.section.findings {
            latest.insert((stored.collector.clone(), finding.fingerprint.clone()), finding);
        }
    }
    let mut all = reader.findings(selection.since.unwrap_or(Wall(i64::MIN)))?;
    all.retain(|one| selection.until.is_none_or(|until| one.opened_at <= until));
    for one in &mut all {
        let told = latest.remove(&(one.collector.clone(), one.finding.fingerprint.clone()));
        if let Some(told) = told.filter(|told| one.resolved_at.is_none() && !told.resolved) {
            one.finding = told;
        }
    }
    Ok(all)
}

/// Labels as one JSON object.
pub(super) fn labels_text(labels: &Attributes) -> String {
    serde_json::to_string(labels).unwrap_or_default()
}
