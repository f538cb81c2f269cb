//! What is told, and the one JSON form in which it leaves.
//!
//! Owns: the document that receivers are sent. Must not know: how it is sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::rule::short;
use crate::model::{Alert, AlertSeverity, AlertState, Digest, Moment, Wall};

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TellingKind {
    /// It fires.
    Fired,
    /// It still fires.
    Repeated,
    /// It is over.
    Resolved,
    /// Somebody wants to see whether the receiver works.
    Test,
}

/// That a receiver is to be told of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// Whom.
    pub receiver: String,
    /// Why.
    pub kind: TellingKind,
    /// Of what, as it is now.
    pub alert: Alert,
    /// What it is put together with: label names and values.
    pub group: BTreeMap<String, String>,
}

/// Something that is to be sent: a row of the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Its place in the queue.
    pub number: u64,
    /// The same for every attempt to send it, so that a receiver can tell a second copy: 16 hexadecimal digits.
    pub id: String,
    /// Whom it is for.
    pub receiver: String,
    /// Why it is sent.
    pub kind: TellingKind,
    /// What it is put together with.
    pub group: BTreeMap<String, String>,
    /// The alert as it was.
    pub alert: Alert,
    /// When it was made.
    pub at: Wall,
    /// The same by CLOCK_BOOTTIME in nanoseconds.
    pub boottime_ns: u64,
    /// Which boot that counts from.
    pub boot_id: String,
}

impl Notification {
    pub(super) fn new(number: u64, telling: Telling, now: &Moment) -> Self {
        let Telling { receiver, kind, alert, group } = telling;
        let seed = format!("{number} {receiver} {kind:?} {} {} {}", alert.id, now.boot_id, now.boottime_ns);
        Self {
            number,
            id: Digest::of(seed.as_bytes()).to_string()[..16].to_owned(),
            receiver,
            kind,
            group,
            alert,
            at: now.wall,
            boottime_ns: now.boottime_ns,
            boot_id: now.boot_id.to_string(),
        }
    }

    /// When it was made.
    pub(super) fn moment(&self) -> Moment {
        Moment { wall: self.at, boottime_ns: self.boottime_ns, boot_id: self.boot_id.as_str().into() }
    }
}

/// `firing`, `resolved` or `test`.
pub(super) fn status(kind: TellingKind) -> &'static str {
    match kind {
        TellingKind::Fired | TellingKind::Repeated => "firing",
        TellingKind::Resolved => "resolved",
        TellingKind::Test => "test",
    }
}

/// What several notifications say in all: `firing` where one of them does.
pub(super) fn overall_status(notifications: &[Notification]) -> &'static str {
    let any = |wanted: &str| notifications.iter().any(|one| status(one.kind) == wanted);
    if any("firing") {
        "firing"
    } else if any("resolved") {
        "resolved"
    } else {
        "test"
    }
}

/// The name of a sending: the same for the same notifications.
pub(super) fn key(notifications: &[Notification]) -> String {
    match notifications {
        [one] => one.id.clone(),
        several => {
            let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
            Digest::of(ids.join(" ").as_bytes()).to_string()[..16].to_owned()
        }
    }
}

/// One line for a subject or a title.
pub(super) fn title(notifications: &[Notification]) -> String {
    let status = overall_status(notifications).to_uppercase();
    match notifications {
        [one] => format!("[{status}] {}", one.alert.summary),
        [first, rest @ ..] => format!("[{status}] {} and {} more", first.alert.summary, rest.len()),
        [] => format!("[{status}]"),
    }
}

/// Several lines for people.
pub(super) fn text(notifications: &[Notification], host: &str) -> String {
    let mut lines = Vec::new();
    for one in notifications {
        let alert = &one.alert;
        lines.push(format!("{} ({}, {})", alert.summary, status(one.kind), alert.severity.as_str()));
        lines.push(format!("  rule       {}: {}", alert.rule, alert.condition));
        if let Some(value) = &alert.value {
            lines.push(format!("  value      {} {}", short(value), alert.threshold.as_deref().unwrap_or_default()));
        }
        lines.push(format!("  since      {}", alert.fired_at.unwrap_or(alert.since)));
        if let Some(at) = alert.resolved_at {
            lines.push(format!("  resolved   {at}"));
        }
        if let Some(why) = &alert.resolution {
            lines.push(format!("  because    {why}"));
        }
        lines.extend(alert.labels.iter().map(|(name, value)| format!("  {name:<10} {value}")));
        lines.push(format!("  id         {}", one.id));
    }
    lines.push(format!("host {host}"));
    lines.join("\n")
}

/// What is sent: `ghostd.alerts/1`.
pub(super) fn document(notifications: &[Notification], receiver: &str, host: &str) -> Json {
    json!({
        "schema": "ghostd.alerts/1",
        "notification": key(notifications),
        "receiver": receiver,
        "status": overall_status(notifications),
        "host": host,
        "group": notifications.first().map(|one| &one.group),
        "alerts": notifications.iter().map(alert_json).collect::<Vec<Json>>(),
    })
}

fn alert_json(one: &Notification) -> Json {
    let alert = &one.alert;
    json!({
        "notification": one.id,
        "kind": one.kind,
        "status": status(one.kind),
        "id": alert.id,
        "rule": alert.rule,
        "severity": alert.severity,
        "labels": alert.labels,
        "summary": alert.summary,
        "condition": alert.condition,
        "value": alert.value,
        "threshold": alert.threshold,
        "no_data_since": alert.no_data_since,
        "since": alert.since,
        "fired_at": alert.fired_at,
        "resolved_at": (alert.state == AlertState::Resolved).then_some(alert.resolved_at).flatten(),
        "resolution": alert.resolution,
    })
}

/// A sending that tells nothing but that it arrives.
pub fn test_dispatch(receiver: &str, attempt: u64, now: &Moment) -> super::Dispatch {
    let alert = Alert {
        id: "ghostd-test".to_owned(),
        rule: "ghostd-test".to_owned(),
        state: AlertState::Firing,
        severity: AlertSeverity::Info,
        subject: BTreeMap::new(),
        labels: BTreeMap::new(),
        summary: "a test of ghostd: whoever reads this can be told of alerts".to_owned(),
        condition: "ghostd alerts test".to_owned(),
        value: None,
        threshold: None,
        no_data_since: None,
        since: now.wall,
        boot_id: now.boot_id.to_string(),
        fired_at: Some(now.wall),
        resolved_at: None,
        resolution: None,
        for_seconds: 0.0,
        held_seconds: 0.0,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        receivers: Vec::new(),
        told: BTreeMap::new(),
    };
    let telling = Telling { receiver: receiver.to_owned(), kind: TellingKind::Test, alert, group: BTreeMap::new() };
    let notifications = vec![Notification::new(attempt, telling, now)];
    super::Dispatch { receiver: receiver.to_owned(), notifications, is_refresh: false, attempt }
}
