//! What happened around an instant, in one list in the order of time: what somebody reads first after an incident.
//!
//! Owns: what belongs into that list and what each entry is called. Most are events of the history; the gaps between
//! heartbeats say when nobody looked. Pure but for [`read`], which takes both from the store.

use serde::Serialize;
use serde_json::Value as Json;

use crate::model::{Event, EventKind, EventSeverity, Heartbeat, Wall};
use crate::store::{Reader, Span, StoreError};

/// The most entries of one list: what is more is cut at the beginning, and that is said.
pub const MAX_ENTRIES: usize = 10_000;

/// A gap between heartbeats that is worth a line, in intervals.
const GAP_INTERVALS: u64 = 3;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A daemon ended.
    Death,
    /// A daemon came back.
    Restart,
    /// A daemon changed its state in another way.
    Daemon,
    /// Maintenance began or ended.
    Maintenance,
    /// A patch was taken up, completed, or failed.
    Patch,
    /// A finding is new, worse, or resolved.
    Finding,
    /// An alert.
    Alert,
    /// The clock.
    Clock,
    /// The configuration.
    Configuration,
    /// A capture failed.
    Capture,
    /// The overall status.
    Verdict,
    /// ghostd itself: it started, it ended, something of its own failed.
    Ghostd,
    /// A collector.
    Collector,
    /// The record: retention, backups, checks.
    Record,
    /// Nobody looked: ghostd did not run, or the machine slept or was off.
    NoData,
}

impl Category {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Death => "death",
            Self::Restart => "restart",
            Self::Daemon => "daemon",
            Self::Maintenance => "maintenance",
            Self::Patch => "patch",
            Self::Finding => "finding",
            Self::Alert => "alert",
            Self::Clock => "clock",
            Self::Configuration => "configuration",
            Self::Capture => "capture",
            Self::Verdict => "verdict",
            Self::Ghostd => "ghostd",
            Self::Collector => "collector",
            Self::Record => "record",
            Self::NoData => "no_data",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// When; of a gap, when it began.
    pub at: Wall,
    /// What it is about.
    pub category: Category,
    /// How loud.
    pub severity: EventSeverity,
    /// One line.
    pub message: String,
    /// The event's number; none for a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// Further facts.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub data: Json,
}

/// A list of what happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// From here on.
    pub since: Wall,
    /// Up to here.
    pub until: Wall,
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Whether earlier entries were left out because there are too many.
    pub is_cut: bool,
}

/// What happened between two instants. What is routine (a snapshot that is durable, a backup) is there with `all` alone.
pub fn read(reader: &Reader, since: Wall, until: Wall, all: bool) -> Result<Timeline, StoreError> {
    let span = Span { since: Some(since), until: Some(until), limit: MAX_ENTRIES as u64 + 1 };
    let events = reader.events(&span)?;
    let mut entries: Vec<Entry> = events
        .into_iter()
        .filter(|event| all || !is_routine(&event.event))
        .map(|event| entry(event.id, event.event))
        .collect();
    entries.extend(gaps(&reader.heartbeats(&span)?));
    Ok(arrange(entries, since, until))
}

/// In the order of time, and not too many.
fn arrange(mut entries: Vec<Entry>, since: Wall, until: Wall) -> Timeline {
    entries.sort_by_key(|entry| (entry.at, entry.event));
    let surplus = entries.len().saturating_sub(MAX_ENTRIES);
    entries.drain(..surplus);
    Timeline { since, until, entries, is_cut: surplus > 0 }
}

fn is_routine(event: &Event) -> bool {
    matches!(
        event.event_type,
        EventKind::Heartbeat
            | EventKind::SnapshotStart
            | EventKind::SnapshotComplete
            | EventKind::BackupStart
            | EventKind::BackupComplete
            | EventKind::Cleanup
    ) && event.severity == EventSeverity::Info
}

fn entry(number: u64, event: Event) -> Entry {
    let category = match event.event_type {
        EventKind::DaemonCheck => of_daemon(&event.data),
        EventKind::Alert => Category::Alert,
        EventKind::Patch => Category::Patch,
        EventKind::Anomaly => Category::Finding,
        EventKind::ClockSync => Category::Clock,
        EventKind::ConfigUpdate => Category::Configuration,
        EventKind::SnapshotStart | EventKind::SnapshotComplete | EventKind::SnapshotError => Category::Capture,
        EventKind::SystemStatus | EventKind::Heartbeat => Category::Verdict,
        EventKind::Collector => Category::Collector,
        EventKind::Store | EventKind::Cleanup | EventKind::BackupStart | EventKind::BackupComplete => Category::Record,
        EventKind::SystemStartup | EventKind::SystemShutdown | EventKind::Error => Category::Ghostd,
    };
    // Of a death the kernel told of, the time at which it happened and not the one at which it was written down.
    let died_at = event.data.get("at_ms").and_then(Json::as_i64).filter(|_| category == Category::Death);
    Entry {
        at: died_at.map_or(event.timestamp, Wall::from_millis),
        category,
        severity: event.severity,
        message: event.message,
        event: Some(number),
        data: event.data,
    }
}

fn of_daemon(data: &Json) -> Category {
    if data.get("maintenance").is_some() {
        return Category::Maintenance;
    }
    match data.get("status").and_then(Json::as_str) {
        Some("failed") => Category::Death,
        Some("restarted") => Category::Restart,
        // The end of a process has no status, but a pid.
        None if data.get("at_ms").is_some() => Category::Death,
        _ => Category::Daemon,
    }
}

fn gaps(beats: &[Heartbeat]) -> impl Iterator<Item = Entry> {
    beats.windows(2).filter_map(|pair| {
        let [before, after] = pair else { return None };
        let rebooted = before.boot_id != after.boot_id;
        let seconds = if rebooted {
            after.at.0.saturating_sub(before.at.0) as f64 / 1e9
        } else {
            after.boottime_ns.saturating_sub(before.boottime_ns) as f64 / 1e9
        };
        if !rebooted && seconds < (before.interval_ms * GAP_INTERVALS) as f64 / 1e3 {
            return None;
        }
        let why = if rebooted { "; the machine was booted again" } else { "" };
        Some(Entry {
            at: before.at,
            category: Category::NoData,
            severity: EventSeverity::Warning,
            message: format!("no heartbeat for {seconds:.1} s{why}"),
            event: None,
            data: serde_json::json!({
                "until": after.at, "seconds": seconds, "rebooted": rebooted, "missed": after.missed,
            }),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Overall, OverallStatus};

    fn beat(second: i64, boot: &str) -> Heartbeat {
        Heartbeat {
            sequence: 1,
            at: Wall(second * 1_000_000_000),
            boottime_ns: second.unsigned_abs() * 1_000_000_000,
            boot_id: boot.to_owned(),
            interval_ms: 5_000,
            overall: Overall { status: OverallStatus::Healthy, reasons: vec![] },
            daemons: vec![],
            clock_status: "synced".to_owned(),
            clock_offset_seconds: None,
            uptime_seconds: 1.0,
            missed: 0,
        }
    }

    fn event(kind: EventKind, second: i64, data: Json) -> Event {
        Event {
            timestamp: Wall(second * 1_000_000_000),
            event_type: kind,
            severity: EventSeverity::Info,
            message: "m".to_owned(),
            data,
        }
    }

    #[test]
    fn a_gap_is_told_and_a_late_beat_is_none() {
        let beats = [beat(0, "a"), beat(5, "a"), beat(18, "a"), beat(100, "a"), beat(103, "b")];
        let found: Vec<_> = gaps(&beats).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].at, found[0].message.as_str()), (Wall(18_000_000_000), "no heartbeat for 82.0 s"));
        assert!(found[1].message.ends_with("the machine was booted again"));
    }

    #[test]
    fn a_death_stands_where_it_happened() {
        let died = serde_json::json!({"daemon": "a", "pid": 3, "at_ms": 1_500, "signal": 9});
        let entries = vec![
            entry(1, event(EventKind::ConfigUpdate, 2, Json::Null)),
            entry(2, event(EventKind::DaemonCheck, 3, died)),
            entry(3, event(EventKind::DaemonCheck, 3, serde_json::json!({"daemon": "a", "status": "restarted"}))),
            entry(4, event(EventKind::DaemonCheck, 3, serde_json::json!({"daemon": "a", "maintenance": true}))),
        ];
        let list = arrange(entries, Wall(0), Wall(5_000_000_000));
        let categories: Vec<_> = list.entries.iter().map(|entry| entry.category).collect();
        assert_eq!(categories, [Category::Death, Category::Configuration, Category::Restart, Category::Maintenance]);
        assert!(!list.is_cut);
    }

    #[test]
    fn what_is_routine_is_left_out_unless_it_failed() {
        assert!(is_routine(&event(EventKind::SnapshotComplete, 0, Json::Null)));
        assert!(!is_routine(&event(EventKind::SnapshotError, 0, Json::Null)));
        let failed = Event { severity: EventSeverity::Error, ..event(EventKind::BackupComplete, 0, Json::Null) };
        assert!(!is_routine(&failed));
    }
}
