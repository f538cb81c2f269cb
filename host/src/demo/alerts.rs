//! The demo's alerts: what fired when, what still does, and who was told.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::story::{
    BEAT, CLOCK_BEHIND, Calendar, DISK_FILLS, HEALER_STOPPED, HOUR, LENGTH, MINUTE, OUT_OF_MEMORY, PATCH_STUCK,
    RELAY_MENDED,
};
use crate::model::{
    ALERTS, Alert, AlertSeverity, AlertState, EventSeverity, MatchOperator, Matcher, RECEIVERS, ReceiverHealth,
    SILENCES, Silence, Told, Value,
};
use crate::store::Document;

/// The only one who is told.
const RECEIVER: &str = "log";
/// The silence that keeps the stuck patch from being told.
const SILENCE: &str = "7c1e90ab";

struct Rule {
    rule: &'static str,
    severity: AlertSeverity,
    subject: Option<(&'static str, &'static str)>,
    summary: &'static str,
    condition: &'static str,
    value: f64,
    threshold: &'static str,
    /// For how long it must hold.
    hold: u64,
    /// From when to when the condition holds.
    holds: (u64, u64),
}

const RULES: [Rule; 6] = [
    Rule {
        rule: "daemon-down",
        severity: AlertSeverity::High,
        subject: Some(("daemon", "relayCore")),
        summary: "daemon relayCore does not run",
        condition: "daemon.up < 1",
        value: 0.0,
        threshold: "< 1",
        hold: MINUTE,
        holds: (OUT_OF_MEMORY + 1_400, RELAY_MENDED),
    },
    Rule {
        rule: "clock-drift",
        severity: AlertSeverity::High,
        subject: None,
        summary: "the clock is off by 38.2 s",
        condition: "clock.offset_seconds.abs > 30",
        value: 38.2,
        threshold: "> 30",
        hold: MINUTE,
        holds: CLOCK_BEHIND,
    },
    Rule {
        rule: "disk-full",
        severity: AlertSeverity::Critical,
        subject: Some(("system.filesystem.mountpoint", "/var")),
        summary: "/var is more than nine tenths full",
        condition: "system.filesystem.utilization > 0.9",
        value: 0.9,
        threshold: "> 0.9",
        hold: 5 * MINUTE,
        // As it fills in `machine`, nine tenths are passed then.
        holds: (DISK_FILLS.0 + 6 * HOUR + 20 * MINUTE, DISK_FILLS.1),
    },
    Rule {
        rule: "patch-stuck",
        severity: AlertSeverity::Medium,
        subject: None,
        summary: "a patch has been executing for more than an hour",
        condition: "patch.executing.longest > 3600",
        value: 5_760.0,
        threshold: "> 3600",
        hold: 0,
        holds: (PATCH_STUCK + HOUR, u64::MAX),
    },
    Rule {
        rule: "daemon-down",
        severity: AlertSeverity::High,
        subject: Some(("daemon", "healer")),
        summary: "daemon healer does not do anything",
        condition: "daemon.up < 1",
        value: 0.0,
        threshold: "< 1",
        hold: MINUTE,
        holds: (HEALER_STOPPED, u64::MAX),
    },
    Rule {
        rule: "tls-failures",
        severity: AlertSeverity::Medium,
        subject: None,
        summary: "TLS handshakes with metrics.example.net keep failing",
        condition: "finding(\"e8b65d0213fc9c47\").rate_per_minute > 1.5",
        value: 2.0,
        threshold: "> 1.5",
        hold: 20 * MINUTE,
        holds: (LENGTH - 12 * MINUTE, u64::MAX),
    },
];

impl Rule {
    fn id(&self) -> String {
        self.subject
            .map_or_else(|| self.rule.to_owned(), |(_, value)| format!("{}.{}", self.rule, value.replace('/', "")))
    }

    fn fires_at(&self) -> u64 {
        self.holds.0 + self.hold
    }

    fn is_silenced(&self) -> bool {
        self.rule == "patch-stuck"
    }

    fn alert(&self, now: u64, calendar: &Calendar) -> Option<Alert> {
        let (from, to) = self.holds;
        let state = match now {
            _ if now < from => return None,
            _ if now >= to => AlertState::Resolved,
            _ if now < self.fires_at() => AlertState::Pending,
            _ => AlertState::Firing,
        };
        let at = |seconds: u64| calendar.at(seconds).wall;
        let subject: BTreeMap<String, String> =
            self.subject.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let fired = state != AlertState::Pending;
        let told_at = calendar.at(self.fires_at() + 1);
        let told = Told { at: told_at.wall, boottime_ns: told_at.boottime_ns, boot_id: told_at.boot_id.to_string() };
        let is_told = state == AlertState::Firing && !self.is_silenced();
        Some(Alert {
            id: self.id(),
            rule: self.rule.to_owned(),
            state,
            severity: self.severity,
            labels: subject.clone(),
            subject,
            summary: self.summary.to_owned(),
            condition: self.condition.to_owned(),
            value: Some(Value::Float(self.value)),
            threshold: Some(self.threshold.to_owned()),
            no_data_since: None,
            since: at(from),
            boot_id: told_at.boot_id.to_string(),
            fired_at: fired.then(|| at(self.fires_at())),
            resolved_at: (state == AlertState::Resolved).then(|| at(to)),
            resolution: None,
            for_seconds: self.hold as f64,
            held_seconds: self.hold.min(now - from) as f64,
            silenced_by: if self.is_silenced() { vec![SILENCE.to_owned()] } else { Vec::new() },
            inhibited_by: Vec::new(),
            receivers: vec![RECEIVER.to_owned()],
            told: is_told.then(|| (RECEIVER.to_owned(), told)).into_iter().collect(),
        })
    }
}

/// What became of alerts with this beat: how loud, the words, the facts.
pub(super) fn changes(now: u64) -> Vec<(EventSeverity, String, Json)> {
    let just = |at: u64| (now.saturating_sub(BEAT)..now).contains(&at);
    RULES
        .iter()
        .filter_map(|rule| {
            let (state, severity, text) = if just(rule.fires_at()) {
                let severity = match rule.severity {
                    AlertSeverity::Critical => EventSeverity::Critical,
                    AlertSeverity::High => EventSeverity::Error,
                    _ => EventSeverity::Warning,
                };
                ("firing", severity, format!("alert {} fires: {}", rule.id(), rule.summary))
            } else if just(rule.holds.1) {
                ("resolved", EventSeverity::Info, format!("alert {} is over: {}", rule.id(), rule.summary))
            } else {
                return None;
            };
            let data = json!({"alert": rule.id(), "rule": rule.rule, "state": state, "severity": rule.severity});
            Some((severity, text, data))
        })
        .collect()
}

/// What is left of them at the end, as the store has it.
pub(super) fn documents(calendar: &Calendar) -> Vec<Document> {
    let now = calendar.at(LENGTH);
    let document = |namespace: &str, key: &str, document: Json| Document {
        namespace: namespace.to_owned(),
        key: key.to_owned(),
        at: now.wall,
        document,
    };
    let mut documents: Vec<Document> = RULES
        .iter()
        .filter_map(|rule| rule.alert(LENGTH, calendar))
        .map(|alert| document(ALERTS, &alert.id, json!(alert)))
        .collect();
    let silence = Silence {
        id: SILENCE.to_owned(),
        matchers: vec![Matcher {
            label: "rule".to_owned(),
            operator: MatchOperator::Equal,
            value: "patch-stuck".to_owned(),
        }],
        created_at: calendar.at(LENGTH - 25 * MINUTE).wall,
        ends_at: calendar.at(LENGTH + 4 * HOUR).wall,
        ends_boottime_ns: now.boottime_ns + 4 * HOUR * 1_000_000_000,
        boot_id: now.boot_id.to_string(),
        by: "mira".to_owned(),
        why: Some("the reindexing takes its time, see the runbook".to_owned()),
    };
    documents.push(document(SILENCES, SILENCE, json!(silence)));
    let receiver = ReceiverHealth {
        name: RECEIVER.to_owned(),
        kind: "log".to_owned(),
        delivered: 7,
        last_success: Some(calendar.at(HEALER_STOPPED + MINUTE + 1).wall),
        ..ReceiverHealth::default()
    };
    documents.push(document(RECEIVERS, RECEIVER, json!(receiver)));
    documents
}
