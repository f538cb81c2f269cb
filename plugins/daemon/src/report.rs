//! The section: every daemon and their counts, in the form `ghost.daemon/1`.
//!
//! Owns names and units of what is shown. Decides nothing.

use ghostd_sdk::Metric;
use ghostd_sdk::host::processes::{Daemon, RunState};
use serde::Serialize;

use crate::judge::{Now, Verdict};
use crate::look::Sighting;
use crate::memory::{End, Past, Restart, cut};
use crate::served::Served;
use crate::status::Status;
use crate::time::rfc3339;
use crate::usage::{Usage, round};

/// The name and version of the body's form.
pub const SCHEMA: &str = "ghost.daemon/1";
/// The longest reason or error that is shown, in bytes.
const MAX_REASON_BYTES: usize = 300;

/// The body of the section.
#[derive(Debug, Serialize)]
pub struct Body {
    /// Daemons by status.
    pub summary: Summary,
    /// When was looked before, RFC 3339: what happened in between was seen only as far as the host told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_check: Option<String>,
    /// The daemons in the order of the configuration.
    pub daemons: Vec<Entry>,
}

/// Daemons by status.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each of the first six fields counts the daemons of the status of that name")]
pub struct Summary {
    pub total: usize,
    pub running: usize,
    pub restarted: usize,
    pub paused: usize,
    pub failed: usize,
    pub unknown: usize,
    /// Those in maintenance, whatever their status.
    pub maintenance: usize,
    /// The denominator: those that are neither unknown nor in maintenance.
    pub judged: usize,
}

/// One daemon.
#[derive(Debug, Default, Serialize)]
pub struct Entry {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub status: Status,
    /// Since when, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why, where it is not simply running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it is in a maintenance window.
    #[serde(skip_serializing_if = "is_false")]
    pub maintenance: bool,
    /// The followed process: the oldest of those that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ppid: Option<u32>,
    /// By what it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_by: Option<String>,
    /// How many further processes fit.
    #[serde(skip_serializing_if = "is_zero")]
    pub several: u32,
    /// What the scheduler says it is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_state: Option<&'static str>,
    /// When it started, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// How long ago that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
    /// Percent of one core over `cpu_span_seconds`; absent at first sight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// The span that `cpu_percent` is about, at least a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_span_seconds: Option<f64>,
    /// Percent of one core since it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent_since_start: Option<f64>,
    /// Resident memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Share of the machine's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<f64>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Open files, as of `details_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u32>,
    /// The user id it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The control group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The systemd unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The path of the executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The command line, cleaned of secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// When the last six were read, RFC 3339: they are dearer than the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details_at: Option<String>,
    /// How often it was restarted.
    pub restart_count: u64,
    /// Whether that may have been more often: counted here, and not by the service manager.
    pub restart_count_is_lower_bound: bool,
    /// The last restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_restart: Option<ShownRestart>,
    /// How many ends were noticed.
    #[serde(skip_serializing_if = "is_zero_long")]
    pub exits_seen: u64,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<ShownEnd>,
    /// Whether the kernel tells when it ends; if not, that is found out by looking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_told_by_kernel: Option<bool>,
    /// Its ping and its heartbeat file, where it has them.
    #[serde(flatten)]
    pub served: Served,
    /// When was looked, RFC 3339.
    pub last_check: String,
    /// What hindered looking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A restart; all times RFC 3339.
#[derive(Debug, Serialize)]
pub struct ShownRestart {
    /// When it was noticed.
    pub noticed_at: String,
    /// The former process ended after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_not_before: Option<String>,
    /// And before this; the same where the kernel told at once.
    pub ended_not_after: String,
    /// When the new one started.
    pub started_at: String,
    /// The former process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_pid: Option<u32>,
}

/// An end; all times RFC 3339.
#[derive(Debug, Serialize)]
pub struct ShownEnd {
    /// The process.
    pub pid: u32,
    /// It ended after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// And before this; the same where the kernel told at once.
    pub at: String,
    /// Its exit status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl Summary {
    /// Counts daemons.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        let mut summary = Self { total: entries.len(), ..Self::default() };
        for entry in entries {
            let count = match entry.status {
                Status::Running => &mut summary.running,
                Status::Restarted => &mut summary.restarted,
                Status::Paused => &mut summary.paused,
                Status::Failed => &mut summary.failed,
                Status::Unknown => &mut summary.unknown,
            };
            *count += 1;
            summary.maintenance += usize::from(entry.maintenance);
            summary.judged += usize::from(!entry.maintenance && entry.status != Status::Unknown);
        }
        summary
    }

    /// The metric points that go with it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a few daemons")]
    pub fn metrics(&self) -> Vec<Metric> {
        let counts = [
            ("running", self.running),
            ("restarted", self.restarted),
            ("paused", self.paused),
            ("failed", self.failed),
            ("unknown", self.unknown),
        ];
        let point = |(status, count)| Metric::gauge("daemon.count", "{daemon}", count as f64).label("status", status);
        counts.into_iter().map(point).collect()
    }
}

impl Entry {
    /// What is shown of a daemon.
    #[must_use]
    pub fn new(watched: &Daemon, past: &Past, verdict: &Verdict, sighting: &Sighting, now: &Now) -> Self {
        let (restart_count, restart_count_is_lower_bound) = match watched.unit_restarts {
            Some(count) => (count, false),
            None => (past.restarts, true),
        };
        let alive = sighting.alive.as_ref();
        let mut entry = Self {
            name: watched.name.clone(),
            status: verdict.status,
            since: Some(rfc3339(past.since_ms)),
            reason: verdict.reason.clone().map(|reason| cut(reason, MAX_REASON_BYTES)),
            maintenance: watched.maintenance,
            pid: alive.map(|alive| alive.identity.pid),
            matched_by: alive.and_then(|alive| alive.matched_by.clone()),
            several: watched.candidate_count.saturating_sub(1),
            restart_count,
            restart_count_is_lower_bound,
            last_restart: past.last_restart.map(|restart| ShownRestart::new(&restart)),
            exits_seen: past.exits,
            last_exit: past.last_exit.map(|end| ShownEnd::new(&end)),
            end_told_by_kernel: alive.and_then(|alive| alive.told_by_kernel),
            last_check: rfc3339(now.ms),
            error: sighting.error.clone().map(|error| cut(error, MAX_REASON_BYTES)),
            ..Self::default()
        };
        if let Some(details) = alive.and_then(|alive| alive.details.as_ref()) {
            entry.open_files = details.open_files;
            entry.uid = details.uid;
            entry.cgroup.clone_from(&details.cgroup);
            entry.unit.clone_from(&details.unit);
            entry.executable.clone_from(&details.executable);
            entry.command_line = (!details.command_line.is_empty()).then(|| details.command_line.clone());
            entry.details_at = Some(rfc3339(now.wall_ms(details.at_ns)));
        }
        entry
    }

    /// Adds the figures of its process.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "times and sizes stay below 2^53")]
    pub fn with_figures(
        mut self,
        sighting: &Sighting,
        usage: Option<Usage>,
        memory_total: Option<u64>,
        now: &Now,
    ) -> Self {
        let Some(process) = sighting.alive.as_ref().and_then(|alive| alive.process.as_ref()) else { return self };
        // By the clock as it stands now a process can seem to start a moment from now.
        let uptime_ms = now.ms.saturating_sub(process.started_ms).max(0);
        let consumed_ms = process.user_ms.saturating_add(process.system_ms);
        self.ppid = Some(process.ppid);
        self.run_state = Some(run_state(process.state));
        self.started_at = Some(rfc3339(process.started_ms));
        self.uptime_seconds = Some(uptime_ms as f64 / 1000.0);
        self.cpu_percent = usage.map(|usage| usage.percent);
        self.cpu_span_seconds = usage.map(|usage| usage.span_seconds);
        self.cpu_percent_since_start =
            (uptime_ms >= 1000).then(|| round(consumed_ms as f64 * 100.0 / uptime_ms as f64));
        self.memory_bytes = Some(process.resident_bytes);
        self.memory_percent = memory_total
            .filter(|&total| total > 0)
            .map(|total| round(process.resident_bytes as f64 * 100.0 / total as f64));
        self.threads = Some(process.threads);
        self
    }

    /// Adds what the host's probers found out.
    #[must_use]
    pub fn with_served(self, served: Served) -> Self {
        Self { served, ..self }
    }

    /// The metric points of a daemon. One whose status is unknown has none but those of its ping and its
    /// heartbeat file: it is in no denominator.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sizes stay below 2^53")]
    pub fn metrics(&self) -> Vec<Metric> {
        let served = self.served.metrics(&self.name);
        if self.status == Status::Unknown {
            return served;
        }
        let gauge =
            |name: &str, unit: &str, value: f64| Metric::gauge(name, unit, value).label("name", self.name.as_str());
        let up = gauge("daemon.up", "1", f64::from(u8::from(self.status.is_up())));
        let restarts =
            Metric::counter("daemon.restarts", "{restart}", self.restart_count).label("name", self.name.as_str());
        let figures = [
            ("daemon.uptime", "s", self.uptime_seconds),
            ("daemon.cpu.utilization", "1", self.cpu_percent.map(|percent| percent / 100.0)),
            ("daemon.memory.usage", "By", self.memory_bytes.map(|bytes| bytes as f64)),
            ("daemon.threads", "{thread}", self.threads.map(f64::from)),
            ("daemon.open_files", "{file}", self.open_files.map(f64::from)),
        ];
        let figures = figures.into_iter().filter_map(|(name, unit, value)| Some(gauge(name, unit, value?)));
        [up, restarts].into_iter().chain(figures).chain(served).collect()
    }
}

impl ShownRestart {
    fn new(restart: &Restart) -> Self {
        Self {
            noticed_at: rfc3339(restart.noticed_ms),
            ended_not_before: restart.not_before_ms.map(rfc3339),
            ended_not_after: rfc3339(restart.not_after_ms),
            started_at: rfc3339(restart.started_ms),
            former_pid: restart.former_pid,
        }
    }
}

impl ShownEnd {
    fn new(end: &End) -> Self {
        Self {
            pid: end.id.0,
            not_before: end.not_before_ms.filter(|&from| from != end.at_ms).map(rfc3339),
            at: rfc3339(end.at_ms),
            code: end.code,
            signal: end.signal,
        }
    }
}

fn run_state(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Sleeping => "sleeping",
        RunState::DiskSleep => "disk-sleep",
        RunState::Stopped => "stopped",
        RunState::Traced => "traced",
        RunState::Zombie => "zombie",
        RunState::Dead => "dead",
        RunState::Idle => "idle",
        RunState::Other => "other",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero_long(value: &u64) -> bool {
    *value == 0
}
