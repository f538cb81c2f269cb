//! Steps through the past: the beat, snapshot or event before and after an instant.

use crate::model::{EventKind, EventSeverity, Wall};
use crate::store::{Filter, NumberedEvent, Reader, Source as _, Span, StoreError};

/// The first window that is looked through for what comes next; each further one is eight times as long.
const FIRST_WINDOW_NS: i64 = 60_000_000_000;
/// Events that are looked through at a time.
const EVENTS: u64 = 1_000;

/// Where to step to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next heartbeat.
    Beat,
    /// The next snapshot.
    Snapshot,
    /// The next event that says that something changed its state.
    Transition,
    /// The next finding that was opened, got worse, or was resolved.
    Finding,
}

/// The instant of the stop after `at`, up to `now`.
pub(super) fn after(reader: &Reader, at: Wall, now: Wall, stop: Stop) -> Result<Option<Wall>, StoreError> {
    match stop {
        Stop::Beat => windows(at, now, |since, until| {
            let span = Span { since: Some(since), until: Some(until), limit: u64::MAX };
            Ok(reader.heartbeats(&span)?.first().map(|beat| beat.at))
        }),
        Stop::Snapshot => windows(at, now, |since, until| {
            let filter = Filter { since: Some(since), until: Some(until), ..Filter::default() };
            Ok(reader.list(&filter)?.last().map(|entry| entry.captured_at))
        }),
        Stop::Transition | Stop::Finding => event_after(reader, at, |event| is(stop, event)),
    }
}

/// The instant of the stop before `at`.
pub(super) fn before(reader: &Reader, at: Wall, stop: Stop) -> Result<Option<Wall>, StoreError> {
    let until = Some(at.plus_ns(-1));
    match stop {
        Stop::Beat => Ok(reader.heartbeats(&Span { since: None, until, limit: 1 })?.first().map(|beat| beat.at)),
        Stop::Snapshot => {
            let filter = Filter { until, limit: Some(1), ..Filter::default() };
            Ok(reader.list(&filter)?.first().map(|entry| entry.captured_at))
        }
        Stop::Transition | Stop::Finding => event_before(reader, at, |event| is(stop, event)),
    }
}

/// The first event after `at` that is wanted.
pub(super) fn event_after(
    reader: &Reader,
    at: Wall,
    wanted: impl Fn(&NumberedEvent) -> bool,
) -> Result<Option<Wall>, StoreError> {
    let last = reader.events(&Span { since: None, until: Some(at), limit: 1 })?;
    let mut number = last.last().map_or(0, |event| event.id);
    loop {
        let events = reader.events_after(number, EVENTS)?;
        let Some(newest) = events.last() else { return Ok(None) };
        number = newest.id;
        if let Some(found) = events.iter().find(|event| event.event.timestamp > at && wanted(event)) {
            return Ok(Some(found.event.timestamp));
        }
    }
}

/// The last event before `at` that is wanted.
pub(super) fn event_before(
    reader: &Reader,
    at: Wall,
    wanted: impl Fn(&NumberedEvent) -> bool,
) -> Result<Option<Wall>, StoreError> {
    let mut until = at.plus_ns(-1);
    loop {
        let events = reader.events(&Span { since: None, until: Some(until), limit: EVENTS })?;
        if let Some(found) = events.iter().rev().find(|event| wanted(event)) {
            return Ok(Some(found.event.timestamp));
        }
        match events.first() {
            Some(oldest) if events.len() as u64 == EVENTS => until = oldest.event.timestamp.plus_ns(-1),
            _ => return Ok(None),
        }
    }
}

fn is(stop: Stop, event: &NumberedEvent) -> bool {
    match event.event.event_type {
        EventKind::DaemonCheck | EventKind::SystemStatus | EventKind::ClockSync => stop == Stop::Transition,
        EventKind::Anomaly => stop == Stop::Finding && event.event.severity >= EventSeverity::Info,
        _ => false,
    }
}

/// Looks through longer and longer windows after `at`, so that neither a long silence nor a dense history is dear.
fn windows(
    at: Wall,
    now: Wall,
    look: impl Fn(Wall, Wall) -> Result<Option<Wall>, StoreError>,
) -> Result<Option<Wall>, StoreError> {
    let (mut since, mut length) = (at.plus_ns(1), FIRST_WINDOW_NS);
    while since <= now {
        let until = since.plus_ns(length);
        if let Some(found) = look(since, until)? {
            return Ok(Some(found));
        }
        since = until.plus_ns(1);
        length = length.saturating_mul(8);
    }
    Ok(None)
}
