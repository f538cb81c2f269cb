//! The watched daemons: how each is, was, and how much of the time it was up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{POINTS, SINCE, UNTIL};
use crate::api::operation::{Answered, Ask, Does, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::query::{Kind, Param};
use crate::api::reply::Reply;
use crate::api::stretch::{self, Window};
use crate::model::{DaemonBeat, EventKind, Scope, Wall};
use crate::store::{self, BeatStretch, DaemonSummary, NumberedEvent, Reader, Span};

/// How many of the last beats are shown of each.
const BEATS: Param = Param {
    name: "beats",
    kind: Kind::Number { min: 0, max: 500, default: 90 },
    what: "How many of the last heartbeats are told of each daemon.",
};

/// Transitions that are told of one.
const TRANSITIONS: u64 = 100;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/daemons",
        scope: Some(Scope::Read),
        summary: "Every watched daemon with its last heartbeats, oldest first",
        params: &[BEATS],
        body: None,
        answer: Answered::Json(schema_of::<Daemons>),
        does: Does::Read(list),
    },
    Operation {
        method: "GET",
        path: "/api/v1/daemons/{daemon}",
        scope: Some(Scope::Read),
        summary: "One watched daemon, its last heartbeats, its uptime over 1, 7 and 30 days, and its last transitions",
        params: &[BEATS],
        body: None,
        answer: Answered::Json(schema_of::<Daemon>),
        does: Does::Read(one),
    },
    Operation {
        method: "GET",
        path: "/api/v1/daemons/{daemon}/history",
        scope: Some(Scope::Read),
        summary: "How a daemon was over a while, oldest first, summed up into at most `points` stretches",
        params: &[SINCE, UNTIL, POINTS],
        body: None,
        answer: Answered::Json(schema_of::<History>),
        does: Does::Read(history),
    },
];

/// All daemons.
#[derive(Debug, Serialize, JsonSchema)]
struct Daemons {
    /// In the configuration's order.
    items: Vec<WithBeats>,
}

/// A daemon with its last beats.
#[derive(Debug, Serialize, JsonSchema)]
struct WithBeats {
    /// As the last heartbeat has it.
    #[serde(flatten)]
    last: DaemonBeat,
    /// When that was.
    at: Wall,
    /// Its last heartbeats, oldest first.
    beats: Vec<Beat>,
}

/// A daemon in a heartbeat.
#[derive(Debug, Serialize, JsonSchema)]
struct Beat {
    /// When.
    at: Wall,
    /// `running`, `failed`, `restarted`, `paused`, `unknown`, `no_data`.
    status: String,
    /// Whether it was in maintenance.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    maintenance: bool,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
}

/// One daemon.
#[derive(Debug, Serialize, JsonSchema)]
struct Daemon {
    /// The daemon with its last beats.
    #[serde(flatten)]
    daemon: WithBeats,
    /// How much of the time it was up.
    uptime: Vec<Uptime>,
    /// What became of it, newest first.
    transitions: Vec<NumberedEvent>,
}

/// How much of a while a daemon was up.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Uptime {
    /// How long the while is.
    days: u32,
    /// 0 to 100; null where nothing counts.
    percent: Option<f64>,
    /// Heartbeats that saw it up.
    up: u64,
    /// Heartbeats that count: not those that saw it in maintenance, unknown, or did not see it.
    counted: u64,
}

/// How a daemon was.
#[derive(Debug, Serialize, JsonSchema)]
struct History {
    /// The stretches, oldest first. Where there is none for a while, nothing was recorded.
    items: Vec<DaemonStretch>,
}

/// A stretch of a daemon's heartbeats.
#[derive(Debug, Serialize, JsonSchema)]
struct DaemonStretch {
    /// When it begins.
    at: Wall,
    /// How many seconds it stands for; 0 for one heartbeat.
    width_seconds: u32,
    /// What they said of it.
    #[serde(flatten)]
    summary: DaemonSummary,
}

fn list(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    Reply::json(&Daemons { items: with_beats(reader, ask.query.number(&BEATS))? })
}

fn with_beats(reader: &Reader, count: u64) -> Result<Vec<WithBeats>, Problem> {
    let beats = reader.heartbeats(&Span::last(count.max(1)))?;
    let Some(last) = beats.last().cloned() else { return Ok(Vec::new()) };
    let mut by_name: BTreeMap<String, Vec<Beat>> = BTreeMap::new();
    for heartbeat in beats.into_iter().rev().take(usize::try_from(count).unwrap_or(0)).rev() {
        for daemon in heartbeat.daemons {
            by_name.entry(daemon.name).or_default().push(Beat {
                at: heartbeat.at,
                status: daemon.status,
                maintenance: daemon.maintenance,
                pid: daemon.pid,
            });
        }
    }
    let whole = |daemon: DaemonBeat| WithBeats {
        beats: by_name.remove(&daemon.name).unwrap_or_default(),
        last: daemon,
        at: last.at,
    };
    Ok(last.daemons.into_iter().map(whole).collect())
}

fn one(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let name = ask.path("daemon");
    let all = with_beats(reader, ask.query.number(&BEATS))?;
    let daemon = all.into_iter().find(|daemon| daemon.last.name == name).ok_or_else(|| no_daemon(name))?;
    let now = ask.now.wall;
    let month = reader.beat_history(&Window::days(30, now).span())?;
    let uptime = [1, 7, 30].map(|days| uptime(&month, name, days, Window::days(days, now).since));
    let page = store::Page { since: None, until: None, before: None, limit: TRANSITIONS };
    let is_its = |event: &crate::model::Event| {
        event.event_type == EventKind::DaemonCheck && event.data.get("daemon").is_some_and(|daemon| daemon == name)
    };
    let (transitions, _) = reader.events_page(&page, &is_its)?;
    Reply::json(&Daemon { daemon, uptime: uptime.into(), transitions })
}

fn no_daemon(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::not_found(format!("no daemon `{name}` is watched"))
}

fn uptime(stretches: &[BeatStretch], name: &str, days: u32, since: Wall) -> Uptime {
    let (mut up, mut counted) = (0, 0);
    for stretch in stretches.iter().filter(|stretch| stretch.at >= since) {
        let Some(daemon) = stretch.beats.daemons.get(name) else { continue };
        let of = |state: &str| daemon.states.get(state).copied().unwrap_or_default();
        let all: u64 = daemon.states.values().sum();
        // What is planned, and what nobody knows, says nothing of how dependable it is.
        let outside = (of("unknown") + of("no_data")).max(daemon.maintenance);
        counted += all.saturating_sub(outside);
        up += of("running") + of("restarted");
    }
    let up = up.min(counted);
    let percent = (counted > 0).then(|| up as f64 * 100.0 / counted as f64);
    Uptime { days, percent, up, counted }
}

fn history(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let name = ask.path("daemon");
    let window = Window::of(ask, 24)?;
    let stretches = stretch::beats(reader.beat_history(&window.span())?, &window);
    let its = |stretch: BeatStretch| {
        let BeatStretch { at, width_seconds, mut beats } = stretch;
        beats.daemons.remove(name).map(|summary| DaemonStretch { at, width_seconds, summary })
    };
    Reply::json(&History { items: stretches.into_iter().filter_map(its).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::BeatSummary;

    #[test]
    fn what_nobody_knows_is_outside_uptime() {
        let stretch = |at: i64, states: &[(&str, u64)]| {
            let states = states.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect();
            let summary = DaemonSummary { states, ..DaemonSummary::default() };
            let beats = BeatSummary {
                count: 1,
                missed: 0,
                overall: BTreeMap::new(),
                clock: BTreeMap::new(),
                clock_offset_seconds: None,
                daemons: [("web".to_owned(), summary)].into(),
            };
            BeatStretch { at: Wall(at), width_seconds: 60, beats }
        };
        let all = [
            stretch(0, &[("failed", 100)]),
            stretch(10, &[("running", 6), ("restarted", 1), ("failed", 1), ("unknown", 5), ("no_data", 7)]),
        ];
        assert_eq!(uptime(&all, "web", 1, Wall(5)), Uptime { days: 1, percent: Some(87.5), up: 7, counted: 8 });
        assert_eq!(uptime(&all, "other", 1, Wall(0)).percent, None);
    }
}
