//! Alerts as they are stored and shown: what pends, fires and was resolved, who is silenced, how receivers do.
//!
//! In the store they are documents: an [`Alert`] in the namespace [`ALERTS`], a [`Silence`] in [`SILENCES`], a
//! [`ReceiverHealth`] in [`RECEIVERS`], each as the JSON of the type. [`AlertBoard::from_documents`] reads them all.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Value, Wall};

/// The namespace of alerts among the store's documents; the key is [`Alert::id`].
pub const ALERTS: &str = "alert";
/// The namespace of silences; the key is [`Silence::id`].
pub const SILENCES: &str = "silence";
/// The namespace of receivers; the key is [`ReceiverHealth::name`].
pub const RECEIVERS: &str = "alert_receiver";

/// How much an alert matters to somebody on call, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// For the record: nothing is wrong.
    Info,
    /// Worth knowing when looking at the machine anyway.
    Low,
    /// Worth looking at during the day.
    Medium,
    /// Something does not work.
    High,
    /// Data or the machine is at stake.
    Critical,
}

impl AlertSeverity {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition holds, but not yet for as long as the rule asks.
    Pending,
    /// It holds, or has not been seen to be over.
    Firing,
    /// It is over. Kept for a while, so that it can be seen.
    Resolved,
}

impl AlertState {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert: a rule and one thing that it holds of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Stable for the same rule and the same `subject`: `clock-drift`, `daemon-down.6f1c02aa`.
    pub id: String,
    /// The rule's name in the configuration.
    pub rule: String,
    /// Where it is in its life.
    pub state: AlertState,
    /// How much it matters.
    pub severity: AlertSeverity,
    /// What it is about, as far as the rule has several: the labels of the metric, the daemon, the finding.
    #[serde(default)]
    pub subject: BTreeMap<String, String>,
    /// All labels: the subject's and the rule's own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// One line for people.
    pub summary: String,
    /// The rule's condition, as the configuration has it.
    pub condition: String,
    /// What was last seen on the left of the comparison that decides; absent where there was no data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What it is compared with, with the comparison: `> 30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
    /// Since when there is no data to judge by; absent where there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data_since: Option<Wall>,
    /// Since when the condition holds.
    pub since: Wall,
    /// In which boot it began.
    pub boot_id: String,
    /// When it began to fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Wall>,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Wall>,
    /// Why it was resolved, where it is not that the condition is over: the rule is gone, the daemon is not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// For how long the condition must hold, in seconds.
    pub for_seconds: f64,
    /// For how long it was seen to hold, in seconds; at most `for_seconds`. Time without data does not count.
    pub held_seconds: f64,
    /// The ids of silences that keep it from being told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silenced_by: Vec<String>,
    /// The ids of firing alerts that it follows from, and that keep it from being told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inhibited_by: Vec<String>,
    /// The receivers that are told of it.
    #[serde(default)]
    pub receivers: Vec<String>,
    /// When each receiver was last sent that it fires. Empty once it is resolved and everybody was sent that.
    #[serde(default)]
    pub told: BTreeMap<String, Told>,
}

impl Alert {
    /// Whether it is kept from being told.
    pub fn is_suppressed(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }

    /// How far it is on the way from pending to firing, 0 to 1.
    pub fn progress(&self) -> f64 {
        if self.state != AlertState::Pending || self.for_seconds <= 0.0 {
            return 1.0;
        }
        (self.held_seconds / self.for_seconds).clamp(0.0, 1.0)
    }
}

/// When something was sent: by the wall clock for people, by BOOTTIME for intervals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// When.
    pub at: Wall,
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boottime_ns: u64,
    /// Which boot that counts from.
    pub boot_id: String,
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MatchOperator {
    /// The label is this text.
    #[serde(rename = "=")]
    Equal,
    /// The label is another text, or absent.
    #[serde(rename = "!=")]
    NotEqual,
    /// The regular expression matches all of the label.
    #[serde(rename = "=~")]
    Matches,
    /// The regular expression does not match all of the label.
    #[serde(rename = "!~")]
    NotMatches,
}

impl MatchOperator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        }
    }
}

/// What a silence asks of one label. `rule` and `severity` are labels too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// How it compares.
    pub operator: MatchOperator,
    /// A text or a regular expression.
    pub value: String,
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", self.label, self.operator.as_str(), self.value)
    }
}

/// Alerts that nobody is to be told of for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Silence {
    /// Eight hexadecimal digits.
    pub id: String,
    /// An alert is silenced when all of these hold; never empty.
    pub matchers: Vec<Matcher>,
    /// When it was made.
    pub created_at: Wall,
    /// When it ends.
    pub ends_at: Wall,
    /// The same by CLOCK_BOOTTIME in nanoseconds: within one boot a step of the clock changes nothing.
    pub ends_boottime_ns: u64,
    /// Which boot that counts from.
    pub boot_id: String,
    /// Who made it.
    pub by: String,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How a receiver does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiverHealth {
    /// Its name in the configuration.
    pub name: String,
    /// `log`, `webhook`, `alertmanager`, `email`, `command`.
    pub kind: String,
    /// Notifications that wait for it.
    pub queued: u64,
    /// Notifications that it has taken.
    pub delivered: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Attempts that failed in a row; 0 where the last one succeeded.
    pub failures_in_a_row: u64,
    /// Notifications that were given up: refused for good, too old, or beyond the queue's limit.
    pub dropped: u64,
    /// Why the last attempt failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Wall>,
    /// When it last took something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Wall>,
}

/// Everything that there is to show of alerts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertBoard {
    /// Firing first, then pending, then resolved; worst first among each, then the newest.
    pub alerts: Vec<Alert>,
    /// The ones that end first come first. One that has ended may stand here until ghostd next looks.
    pub silences: Vec<Silence>,
    /// By name.
    pub receivers: Vec<ReceiverHealth>,
}

impl AlertBoard {
    /// Reads it from the store's documents, given as namespace, key and document; others are passed over, and so is
    /// what cannot be read.
    pub fn from_documents<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str, &'a Json)>) -> Self {
        let mut board = Self::default();
        for (namespace, _, document) in documents {
            match namespace {
                ALERTS => board.alerts.extend(Alert::deserialize(document)),
                SILENCES => board.silences.extend(Silence::deserialize(document)),
                RECEIVERS => board.receivers.extend(ReceiverHealth::deserialize(document)),
                _ => {}
            }
        }
        board.sort();
        board
    }

    /// Brings it into the order that it is shown in.
    pub fn sort(&mut self) {
        let rank = |state| match state {
            AlertState::Firing => 0,
            AlertState::Pending => 1,
            AlertState::Resolved => 2,
        };
        self.alerts.sort_by(|a, b| {
            let key = |one: &Alert| (rank(one.state), std::cmp::Reverse(one.severity));
            let newest = |one: &Alert| one.resolved_at.or(one.fired_at).unwrap_or(one.since);
            key(a).cmp(&key(b)).then_with(|| newest(b).cmp(&newest(a))).then_with(|| a.id.cmp(&b.id))
        });
        self.silences.sort_by(|a, b| a.ends_at.cmp(&b.ends_at).then_with(|| a.id.cmp(&b.id)));
        self.receivers.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Those that fire.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.state == AlertState::Firing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: &str, state: AlertState, severity: AlertSeverity) -> Alert {
        Alert {
            id: id.to_owned(),
            rule: id.to_owned(),
            state,
            severity,
            subject: BTreeMap::new(),
            labels: BTreeMap::new(),
            summary: String::new(),
            condition: "a > 1".to_owned(),
            value: Some(Value::Float(1.5)),
            threshold: Some("> 1".to_owned()),
            no_data_since: None,
            since: Wall(0),
            boot_id: "boot-a".to_owned(),
            fired_at: None,
            resolved_at: None,
            resolution: None,
            for_seconds: 60.0,
            held_seconds: 15.0,
            silenced_by: vec![],
            inhibited_by: vec![],
            receivers: vec![],
            told: BTreeMap::new(),
        }
    }

    #[test]
    fn the_board_is_read_from_documents_worst_first() {
        let alerts = [
            alert("resolved", AlertState::Resolved, AlertSeverity::Critical),
            alert("pending", AlertState::Pending, AlertSeverity::Critical),
            alert("low", AlertState::Firing, AlertSeverity::Low),
            alert("high", AlertState::Firing, AlertSeverity::High),
        ];
        let documents: Vec<(String, Json)> =
            alerts.iter().map(|one| (one.id.clone(), serde_json::to_value(one).unwrap())).collect();
        let broken = serde_json::json!({"id": 3});
        let rows = documents.iter().map(|(key, document)| (ALERTS, key.as_str(), document));
        let board = AlertBoard::from_documents(rows.chain([(ALERTS, "x", &broken), ("probe", "y", &broken)]));
        let order: Vec<&str> = board.alerts.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(order, ["high", "low", "pending", "resolved"]);
        assert_eq!(board.alerts[0], alerts[3], "nothing is lost on the way");
        assert_eq!(board.alerts[2].progress(), 0.25);
        assert_eq!(board.firing().count(), 2);
    }
}
