//! Two days gone through beat by beat, and recorded as a daemon records them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::noise::Noise;
use super::story::{self, BEAT, CLEANUP, Calendar, LENGTH, LOOK, POINTS, SNAPSHOT};
use super::{DemoError, Wanted, Written, alerts, clock, daemons, logs, machine, queue, section};
use crate::board::{Board, FindingChange, FindingChangeKind, Posted};
use crate::clean::{self, CleanSection};
use crate::heartbeat::{self, Beat, Thresholds};
use crate::memory;
use crate::merge::{self, About};
use crate::model::{
    CallOutcome, CollectorHealth, Digest, Event, EventKind, EventSeverity, HostInfo, Moment, OverallStatus, Section,
    Severity, Trigger, Wall,
};
use crate::sanitize::Sanitizer;
use crate::seal;
use crate::store::{Batch, ExclusiveStore, Points, StoredFinding};

/// The collectors, how long a call of each takes (in milliseconds), and the memory that it has (in MiB).
const COLLECTORS: [(&str, f64, u64); 6] = [
    ("anomaly", 7.5, 9),
    ("clock", 0.4, 2),
    ("daemon", 0.9, 2),
    ("metric", 2.6, 3),
    ("patch", 1.2, 2),
    ("telemetry", 0.8, 2),
];

struct Recording<'a> {
    wanted: &'a Wanted,
    calendar: Calendar,
    noise: Noise,
    sanitizer: Sanitizer,
    store: ExclusiveStore,
    board: Board,
    batch: Batch,
    generations: BTreeMap<String, u64>,
    /// When each open finding was opened.
    opened: BTreeMap<(String, String), Wall>,
    statuses: BTreeMap<String, String>,
    overall: Option<OverallStatus>,
    daemons: Vec<String>,
    next_beat: u64,
    written: Written,
}

/// Records all of it.
pub(super) fn record(wanted: &Wanted) -> Result<Written, DemoError> {
    let calendar = Calendar::ending(wanted.until);
    let (store, _) = ExclusiveStore::open(&wanted.data_dir, &calendar.at(0))?;
    let mut recording = Recording {
        wanted,
        calendar,
        noise: Noise::new(wanted.seed),
        sanitizer: Sanitizer::builtin(),
        next_beat: store.next_heartbeat_sequence(),
        store,
        board: Board::new([]),
        batch: Batch::default(),
        generations: BTreeMap::new(),
        opened: BTreeMap::new(),
        statuses: BTreeMap::new(),
        overall: None,
        daemons: Vec::new(),
        written: Written::default(),
    };
    recording.event(0, EventKind::SystemStartup, EventSeverity::Info, "ghostd started", json!({}));
    for now in (0..=LENGTH).step_by(BEAT as usize) {
        recording.beat(now)?;
    }
    recording.finish()
}

impl Recording<'_> {
    fn beat(&mut self, now: u64) -> Result<(), DemoError> {
        let moment = self.calendar.at(now);
        let snapshot = snapshot_due(now);
        let everything = snapshot.is_some();
        let (calendar, noise) = (self.calendar, self.noise);
        let points = now.is_multiple_of(POINTS);
        let wanted = section::Wanted { body: everything, points };
        self.post("daemon", daemons::daemon(now, &calendar, &noise, wanted), now, everything)?;
        self.post("clock", clock::clock(now, &calendar, &noise, wanted), now, everything)?;
        if points || everything {
            self.post("metric", machine::metric(now, &calendar, &noise, everything), now, everything)?;
        }
        if now.is_multiple_of(LOOK) || everything {
            self.post("anomaly", logs::anomaly(now, &calendar, &noise), now, everything)?;
            self.post("patch", queue::patch(now, &calendar), now, everything)?;
            self.post("telemetry", queue::telemetry(now, &calendar), now, everything)?;
        }
        if everything {
            self.post("metric", machine::processes(now, &calendar, &noise), now, everything)?;
        }
        self.daemons_changed(now);
        if now == story::CLOCK_BEHIND.1 {
            let data = json!({"step_seconds": story::BEHIND_SECONDS});
            let message = format!("the clock was stepped forward by {} s", story::BEHIND_SECONDS);
            self.event(now, EventKind::ClockSync, EventSeverity::Warning, &message, data);
        }
        for (severity, message, data) in alerts::changes(now) {
            self.event(now, EventKind::Alert, severity, &message, data);
        }
        self.heartbeat(&moment, now);
        if let Some((trigger, reason, important)) = snapshot {
            self.snapshot(now, &moment, trigger, reason, important)?;
        }
        if now > 0 && now.is_multiple_of(CLEANUP) {
            self.clean_up(now, &moment)?;
        }
        Ok(())
    }

    /// A section arrives. Between two snapshots it is taken as clean: what it shows goes nowhere but into the beat,
    /// and before anything is sealed the whole draft is cleaned.
    fn post(&mut self, collector: &str, section: Section, now: u64, everything: bool) -> Result<(), DemoError> {
        let section = if everything {
            clean::clean_section(&self.sanitizer, section)?
        } else {
            CleanSection::from_store(section)
        };
        let moment = self.calendar.at(now);
        let generation = self.generations.entry(section.get().key.clone()).or_default();
        *generation += 1;
        let metrics = &section.get().metrics;
        if !metrics.is_empty() {
            self.written.points += metrics.len() as u64;
            let metrics = metrics.clone();
            self.batch.points.push(Points { collector: collector.to_owned(), at: moment.wall, metrics });
        }
        let posted = Posted {
            collector: collector.into(),
            section: Arc::new(section),
            collected: moment,
            generation: *generation,
            component_sha256: Digest::of(collector.as_bytes()),
            config_sha256: Digest::of(b"demo"),
            carry: Duration::from_secs(3 * SNAPSHOT),
        };
        let changes = self.board.post(vec![posted]);
        self.findings_changed(&changes, now);
        Ok(())
    }

    fn findings_changed(&mut self, changes: &[FindingChange], now: u64) {
        let wall = self.calendar.at(now).wall;
        for change in changes {
            let finding = &change.finding;
            let (word, severity) = match change.kind {
                FindingChangeKind::Opened => ("new", loudness(finding.severity)),
                FindingChangeKind::Worse => ("worse", loudness(finding.severity)),
                FindingChangeKind::Resolved => ("resolved", EventSeverity::Info),
            };
            let key = (change.collector.to_string(), finding.fingerprint.clone());
            let opened_at = *self.opened.entry(key.clone()).or_insert(wall);
            let resolved = change.kind == FindingChangeKind::Resolved;
            if resolved {
                self.opened.remove(&key);
            }
            self.batch.findings.push(StoredFinding {
                collector: key.0,
                opened_at,
                resolved_at: resolved.then_some(wall),
                by_hand: None,
                finding: finding.clone(),
            });
            let data = json!({
                "collector": &*change.collector, "fingerprint": finding.fingerprint, "severity": finding.severity,
                "count": finding.count,
            });
            self.event(now, EventKind::Anomaly, severity, &format!("{word}: {}", finding.title), data);
        }
    }

    fn daemons_changed(&mut self, now: u64) {
        let rows = self.board.get("daemon").and_then(|place| place.posted.section.get().body.get("daemons"));
        let rows = rows.and_then(Json::as_array).cloned().unwrap_or_default();
        self.daemons.clear();
        for row in rows {
            let text = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
            let (name, status) = (text("name"), text("status"));
            self.daemons.push(name.clone());
            let before = self.statuses.insert(name.clone(), status.clone());
            if before.as_ref().is_none_or(|before| *before == status) {
                continue;
            }
            let severity = match &*status {
                "failed" => EventSeverity::Error,
                "paused" | "restarted" => EventSeverity::Warning,
                _ => EventSeverity::Info,
            };
            let data = json!({"daemon": name, "status": status, "before": before, "pid": row.get("pid")});
            self.event(now, EventKind::DaemonCheck, severity, &format!("daemon {name} is {status}"), data);
        }
    }

    fn heartbeat(&mut self, moment: &Moment, now: u64) {
        let beat = heartbeat::compose(
            &self.board,
            &Beat {
                sequence: self.next_beat,
                now: moment,
                interval: Duration::from_secs(BEAT),
                missed: 0,
                daemons: &self.daemons,
                ended: &BTreeMap::new(),
                beside: &self.beside(),
                thresholds: Thresholds::default(),
            },
        );
        self.next_beat += 1;
        self.written.heartbeats += 1;
        let status = beat.overall.status;
        let before = self.overall.replace(status);
        if before.is_some_and(|before| before != status) {
            let severity = match status {
                OverallStatus::Healthy => EventSeverity::Info,
                OverallStatus::Degraded => EventSeverity::Warning,
                OverallStatus::Unhealthy => EventSeverity::Error,
                OverallStatus::Critical => EventSeverity::Critical,
            };
            let data = json!({"status": status, "before": before, "reasons": beat.overall.reasons});
            let message = format!("overall status is {}", word(status));
            self.event(now, EventKind::SystemStatus, severity, &message, data);
        }
        self.batch.heartbeats.push(beat);
    }

    /// What the host knows of daemons beside their processes.
    fn beside(&self) -> BTreeMap<String, heartbeat::Beside> {
        let rows = self.board.get("daemon").and_then(|place| place.posted.section.get().body.get("daemons"));
        rows.and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter(|row| row.get("maintenance") == Some(&Json::Bool(true)))
            .filter_map(|row| row.get("name").and_then(Json::as_str))
            .map(|name| (name.to_owned(), heartbeat::Beside { maintenance: true, ..heartbeat::Beside::default() }))
            .collect()
    }

    fn snapshot(
        &mut self,
        now: u64,
        moment: &Moment,
        trigger: Trigger,
        reason: Option<&str>,
        important: bool,
    ) -> Result<(), DemoError> {
        // In order: what happened before the snapshot is recorded before it.
        self.flush()?;
        let about = About {
            trigger,
            reason: reason.map(str::to_owned),
            important,
            started: moment.clone(),
            ended: moment.clone(),
            missed: 0,
            notices: Vec::new(),
            config_sha256: Digest::of(b"demo"),
            sanitizer_sha256: Digest::of(self.sanitizer.rules_sha256().as_bytes()),
        };
        let health = COLLECTORS.iter().map(|collector| self.health(collector, now)).collect();
        let draft = merge::merge(about, self.host(moment), &self.board, &[], health);
        let shown = draft.findings().to_vec();
        let sanitized = clean::clean(&self.sanitizer, draft)?;
        let sealed = seal::seal(sanitized, self.store.link()?, None)?;
        let stored = self.store.put(&sealed, &Batch::default())?;
        let entry = stored.entry();
        let data = json!({"id": entry.id, "sequence": entry.sequence, "size_bytes": entry.size_bytes});
        let message = format!("snapshot {} is stored", entry.sequence);
        self.board.snapshot_stored(&shown);
        self.written.sealed += 1;
        self.event(now, EventKind::SnapshotComplete, EventSeverity::Info, &message, data);
        Ok(())
    }

    fn clean_up(&mut self, now: u64, moment: &Moment) -> Result<(), DemoError> {
        self.flush()?;
        let pruned = self.store.prune(&self.wanted.retention, moment, false)?;
        if !pruned.removed.is_empty() {
            let data = json!({"removed": pruned.removed.len(), "freed_bytes": pruned.freed_bytes});
            let message = format!("retention removed {} snapshots", pruned.removed.len());
            self.event(now, EventKind::Cleanup, EventSeverity::Info, &message, data);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DemoError> {
        let batch = std::mem::take(&mut self.batch);
        self.written.events += batch.events.len() as u64;
        self.store.record(&batch)?;
        Ok(())
    }

    /// What a daemon leaves behind for the next start, and old history by the minute.
    fn finish(mut self) -> Result<Written, DemoError> {
        let ended = self.calendar.at(LENGTH);
        for place in self.board.places().values() {
            self.batch.sections.push(memory::stored_section(&place.posted));
            for finding in place.posted.section.get().findings.iter().filter(|finding| !finding.resolved) {
                let key = (place.posted.collector.to_string(), finding.fingerprint.clone());
                let opened_at = self.opened.get(&key).copied().unwrap_or(ended.wall);
                let finding = finding.clone();
                let stored = StoredFinding { collector: key.0, opened_at, resolved_at: None, by_hand: None, finding };
                self.batch.findings.push(stored);
            }
        }
        self.batch.healths = COLLECTORS.iter().map(|collector| self.health(collector, LENGTH)).collect();
        self.batch.documents = alerts::documents(&self.calendar);
        self.batch.durable = true;
        self.flush()?;
        while self.store.roll_up(&self.wanted.history, &ended)? {}
        let left: BTreeSet<_> = crate::store::Source::list(
            &crate::store::Reader::open(self.store.directory().path())?,
            &crate::store::Filter::default(),
        )?
        .into_iter()
        .map(|entry| entry.id)
        .collect();
        self.written.snapshots = left.len() as u64;
        Ok(self.written)
    }

    fn health(&self, (name, typical_ms, memory_mib): &(&str, f64, u64), now: u64) -> CollectorHealth {
        let every = match *name {
            "daemon" | "clock" => BEAT,
            "metric" => POINTS,
            _ => LOOK,
        };
        let figure = |name: &str, n: u64| typical_ms * (0.8 + 0.5 * self.noise.at(name, n));
        CollectorHealth {
            name: (*name).to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            sha256: Some(Digest::of(name.as_bytes())),
            status: CallOutcome::Ok,
            error: None,
            duration_ms: figure(name, now),
            peak_memory_bytes: memory_mib << 20,
            last_success: Some(self.calendar.at(now - now % every).wall),
            consecutive_failures: 0,
            calls: now / every + 1,
            failures: 0,
            p50_ms: figure("p50", now / 3_600),
            p95_ms: 2.2 * figure("p95", now / 3_600),
            denied_calls: 0,
            dropped_log_lines: 0,
            missed: 0,
        }
    }

    fn host(&self, moment: &Moment) -> HostInfo {
        let load =
            self.board.get("metric").and_then(|place| place.posted.section.get().body.pointer("/cpu/load_average"));
        let load = load.and_then(|load| serde_json::from_value(load.clone()).ok()).unwrap_or_default();
        HostInfo {
            id: "demo-7f3a90c2".to_owned(),
            hostname: "relay-01".to_owned(),
            platform: "linux".to_owned(),
            os: "Debian GNU/Linux 13 (trixie)".to_owned(),
            kernel: "6.12.57-amd64".to_owned(),
            arch: "x86_64".to_owned(),
            boot_id: moment.boot_id.to_string(),
            uptime_seconds: (moment.boottime_ns / 1_000_000) as f64 / 1e3,
            load_average: load,
            ghostd_version: env!("CARGO_PKG_VERSION").to_owned(),
            versions: BTreeMap::from([("node".to_owned(), "v20.19.2".to_owned())]),
        }
    }

    fn event(&mut self, now: u64, event_type: EventKind, severity: EventSeverity, message: &str, data: Json) {
        let timestamp = self.calendar.at(now).wall;
        self.batch.events.push(Event { timestamp, event_type, severity, message: message.to_owned(), data });
    }
}

/// Whether a snapshot is taken then: why, what was said, and whether it is important.
fn snapshot_due(now: u64) -> Option<(Trigger, Option<&'static str>, bool)> {
    match now {
        0 => Some((Trigger::Start, None, false)),
        story::BEFORE_UPGRADE => Some((Trigger::Manual, Some("before the upgrade to 2.4.1"), true)),
        // The beat after the one in which it was seen: that is what a daemon makes of an event.
        _ if now == story::OUT_OF_MEMORY + BEAT => Some((Trigger::Event, Some("daemon relayCore is failed"), true)),
        _ if now.is_multiple_of(SNAPSHOT) => Some((Trigger::Schedule, None, false)),
        _ => None,
    }
}

fn loudness(severity: Severity) -> EventSeverity {
    match severity {
        Severity::Low => EventSeverity::Info,
        Severity::Medium => EventSeverity::Warning,
        Severity::High => EventSeverity::Error,
        Severity::Critical => EventSeverity::Critical,
    }
}

fn word(status: OverallStatus) -> &'static str {
    match status {
        OverallStatus::Healthy => "healthy",
        OverallStatus::Degraded => "degraded",
        OverallStatus::Unhealthy => "unhealthy",
        OverallStatus::Critical => "critical",
    }
}
