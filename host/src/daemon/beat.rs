//! When a heartbeat is composed: as soon as the sections that it is made of have arrived, or have not.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Daemon;
use crate::config::Config;
use crate::heartbeat::{self, Beat, Beside, Thresholds};
use crate::model::{EventKind, EventSeverity, Heartbeat, Moment, OverallStatus, PingBeat, SignBeat, Wall};
use crate::schedule::Schedule;
use crate::store::Batch;

/// The longest that a beat waits for its sections. A collector that hangs must not hold up the heart.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long the first beat waits: at the first start of all, collectors are being compiled.
const FIRST_WAIT: Duration = Duration::from_secs(20);

/// The heart's own state.
pub(super) struct Beats {
    pub(super) schedule: Schedule,
    /// Daemons that ended since their section was collected, by BOOTTIME.
    pub(super) ended: BTreeMap<String, u64>,
    pub(super) last: Option<Heartbeat>,
    pub(super) missed_total: u64,
    next_sequence: u64,
    missed: u64,
    pending: Option<Pending>,
    daemons: Vec<String>,
}

struct Pending {
    deadline_ns: u64,
}

impl Beats {
    pub(super) fn new(config: &Config, next_sequence: u64, now: &Moment) -> Self {
        Self {
            schedule: Schedule::new(config.heartbeat.every, now.boottime_ns),
            ended: BTreeMap::new(),
            last: None,
            missed_total: 0,
            next_sequence,
            missed: 0,
            pending: None,
            daemons: config.daemons.iter().map(|daemon| daemon.name.clone()).collect(),
        }
    }

    pub(super) fn reconfigure(&mut self, config: &Config, now: &Moment) {
        if self.schedule.interval() != config.heartbeat.every {
            self.schedule = Schedule::new(config.heartbeat.every, now.boottime_ns);
        }
        self.daemons = config.daemons.iter().map(|daemon| daemon.name.clone()).collect();
    }

    /// A beat is due.
    pub(super) fn due(&mut self, missed: u64, now: &Moment) {
        self.missed += missed + u64::from(self.pending.is_some());
        let wait = if self.last.is_none() { FIRST_WAIT } else { LONGEST_WAIT.min(self.schedule.interval() / 2) };
        if self.pending.is_none() {
            self.pending = Some(Pending { deadline_ns: now.boottime_ns.saturating_add(wait.as_nanos() as u64) });
        }
    }

    /// A beat is wanted beside the schedule.
    pub(super) fn trigger(&mut self, now: &Moment) {
        if self.pending.is_none() {
            let wait = LONGEST_WAIT.min(self.schedule.interval() / 2);
            self.pending = Some(Pending { deadline_ns: now.boottime_ns.saturating_add(wait.as_nanos() as u64) });
        }
    }

    pub(super) fn deadline_ns(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.deadline_ns)
    }
}

impl Daemon {
    /// Composes the beat that is due, when its sections are there or its time is up.
    pub(super) fn finish_beat(&mut self, now: &Moment) {
        let Some(pending) = &self.beats.pending else { return };
        let running = self.collectors.running();
        let awaited = |key: &String| {
            self.collectors.owner(key).is_some_and(|owner| running.contains(owner))
                || (self.beats.last.is_none() && self.loading.is_loading() && self.board.get(key).is_none())
        };
        let waits = self.machinery.config.heartbeat.sections.iter().any(awaited);
        if waits && now.boottime_ns < pending.deadline_ns {
            return;
        }
        self.beats.pending = None;
        let missed = std::mem::take(&mut self.beats.missed);
        self.beats.missed_total += missed;
        let beside = self.beside();
        let configured = &self.machinery.config.heartbeat.thresholds;
        let thresholds = Thresholds {
            unhealthy_below: f64::from(configured.unhealthy_below_percent) / 100.0,
            critical_below: f64::from(configured.critical_below_percent) / 100.0,
        };
        let heartbeat = heartbeat::compose(
            &self.board,
            &Beat {
                sequence: self.beats.next_sequence,
                now,
                interval: self.beats.schedule.interval(),
                missed,
                daemons: &self.beats.daemons,
                ended: &self.beats.ended,
                beside: &beside,
                thresholds,
            },
        );
        self.beats.next_sequence += 1;
        self.forget_old_ends();
        let mut batch = Batch::default();
        let before = self.beats.last.as_ref().map(|last| last.overall.status);
        if before != Some(heartbeat.overall.status)
            && (before.is_some() || heartbeat.overall.status != OverallStatus::Healthy)
        {
            batch.durable = true;
            batch.events.push(self.make_event(
                EventKind::SystemStatus,
                severity_of(heartbeat.overall.status),
                format!("overall status is {}", word(heartbeat.overall.status)),
                serde_json::json!({"status": heartbeat.overall.status, "before": before, "reasons": heartbeat.overall.reasons}),
                now.wall,
            ));
            tracing::info!(status = word(heartbeat.overall.status), reasons = ?heartbeat.overall.reasons, "The overall status has changed.");
        }
        batch.heartbeats.push(heartbeat.clone());
        self.recorder.record(batch);
        self.beats.last = Some(heartbeat);
    }

    /// What was found out about daemons beside their processes, cleaned: servers and files say what they like.
    fn beside(&self) -> BTreeMap<String, Beside> {
        let mut beside: BTreeMap<String, Beside> = BTreeMap::new();
        for name in &self.in_maintenance {
            beside.entry(name.clone()).or_default().maintenance = true;
        }
        let services = &self.machinery.context.services;
        let clean = |text: Option<String>| text.map(|text| self.clean(&text));
        let ms = |ns: u64| (ns / 1_000) as f64 / 1e3;
        for ping in services.pings() {
            let latencies = ping.latencies;
            beside.entry(ping.target).or_default().ping = Some(PingBeat {
                outcome: ping.outcome.as_str().to_owned(),
                age_seconds: ping.age_ms as f64 / 1e3,
                latency_ms: ping.latency_ns.map(ms),
                min_ms: latencies.map(|latencies| ms(latencies.min_ns)),
                median_ms: latencies.map(|latencies| ms(latencies.median_ns)),
                p95_ms: latencies.map(|latencies| ms(latencies.p95_ns)),
                detail: clean(ping.detail),
                streak: ping.streak,
                certificate_expires_at: ping
                    .certificate_expires
                    .map(|seconds| Wall::from_millis(seconds.saturating_mul(1_000))),
            });
        }
        for sign in services.signs() {
            beside.entry(sign.daemon).or_default().heartbeat_file = Some(SignBeat {
                state: sign.state.as_str().to_owned(),
                age_seconds: sign.age_ms.map(|ms| ms as f64 / 1e3),
                says: clean(sign.says),
                detail: clean(sign.detail),
            });
        }
        beside
    }

    /// An end that a newer section has taken note of says nothing more.
    fn forget_old_ends(&mut self) {
        let Some(place) = self.board.get("daemon").filter(|place| place.failed.is_none()) else { return };
        let collected_ns = place.posted.collected.boottime_ns;
        self.beats.ended.retain(|_, ended_ns| *ended_ns > collected_ns);
    }

    pub(super) fn last_beat(&self) -> Option<&Heartbeat> {
        self.beats.last.as_ref()
    }
}

fn severity_of(status: OverallStatus) -> EventSeverity {
    match status {
        OverallStatus::Healthy => EventSeverity::Info,
        OverallStatus::Degraded => EventSeverity::Warning,
        OverallStatus::Unhealthy => EventSeverity::Error,
        OverallStatus::Critical => EventSeverity::Critical,
    }
}

/// The word for a status.
pub(crate) fn word(status: OverallStatus) -> &'static str {
    match status {
        OverallStatus::Healthy => "healthy",
        OverallStatus::Degraded => "degraded",
        OverallStatus::Unhealthy => "unhealthy",
        OverallStatus::Critical => "critical",
    }
}
