//! What the host's probers found out about a daemon beside its process: whether it answers its ping, and whether its
//! heartbeat file is fresh.
//!
//! Owns how that is shown, what of it is a metric, and when it is a trouble. The asking is the host's.

use ghostd_sdk::host::probe::{Observation, Outcome};
use ghostd_sdk::{Error, Metric, host};
use serde::Serialize;

use crate::memory::{Trouble, cut};

/// The kind of an observation that is of a heartbeat file; every other kind is a ping's.
const FILE: &str = "heartbeat-file";
/// The longest detail that is shown, in bytes.
const MAX_DETAIL_BYTES: usize = 300;

/// What was found out about one daemon. What is not configured is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Served {
    /// Its ping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping: Option<Shown>,
    /// Its heartbeat file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_file: Option<Shown>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// `ok`, `wrong`, `timeout`, `unreachable`, or `pending` before the first result.
    pub outcome: &'static str,
    /// How old a ping's result is; of a heartbeat file, how old its last sign of life.
    pub age_seconds: f64,
    /// How long the last good answer took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_seconds: Option<f64>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many results in a row were like this one.
    pub streak: u32,
}

/// The latest observations; none where the capability is not granted or nothing is probed.
#[must_use]
pub fn observations() -> Vec<Observation> {
    match host::probe::latest() {
        Ok(observations) => observations,
        Err(Error::Denied(_)) => Vec::new(),
        Err(error) => {
            host::log::debug(&format!("no results of pings: {error}"));
            Vec::new()
        }
    }
}

impl Served {
    /// Picks out those of one daemon.
    #[must_use]
    pub fn of(name: &str, observations: &[Observation]) -> Self {
        let find = |is_file: bool| {
            observations.iter().find(|one| one.target == name && (one.kind == FILE) == is_file).map(Shown::new)
        };
        Self { ping: find(false), heartbeat_file: find(true) }
    }

    /// What is known of a trouble: that it is there, that it is not, or nothing.
    #[must_use]
    pub fn is_open(&self, trouble: Trouble) -> Option<bool> {
        self.shown(trouble).and_then(Shown::is_bad)
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn reason(&self, trouble: Trouble) -> String {
        let shown = self.shown(trouble);
        shown.map_or("no reason known", |shown| shown.detail.as_deref().unwrap_or(shown.outcome)).to_owned()
    }

    /// Whether nothing is known to be wrong.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        [&self.ping, &self.heartbeat_file].into_iter().flatten().all(|shown| shown.is_bad() == Some(false))
    }

    /// The metric points that go with it.
    #[must_use]
    pub fn metrics(&self, name: &str) -> Vec<Metric> {
        let gauge = |metric: &str, unit: &str, value: f64| Metric::gauge(metric, unit, value).label("name", name);
        let up = |shown: &Shown| shown.is_bad().map(|bad| f64::from(u8::from(!bad)));
        let mut metrics = Vec::new();
        if let Some(ping) = &self.ping {
            metrics.extend(up(ping).map(|up| gauge("daemon.ping.up", "1", up)));
            let latency = ping.latency_seconds.filter(|_| ping.outcome == "ok");
            metrics.extend(latency.map(|seconds| gauge("daemon.ping.latency", "s", seconds)));
        }
        if let Some(file) = &self.heartbeat_file {
            metrics.extend(up(file).map(|up| gauge("daemon.heartbeat_file.fresh", "1", up)));
            if file.outcome != "pending" && file.outcome != "unreachable" {
                metrics.push(gauge("daemon.heartbeat_file.age", "s", file.age_seconds));
            }
        }
        metrics
    }

    fn shown(&self, trouble: Trouble) -> Option<&Shown> {
        match trouble {
            Trouble::Unanswered => self.ping.as_ref(),
            Trouble::Stale => self.heartbeat_file.as_ref(),
            Trouble::Failed | Trouble::Flapping | Trouble::Paused => None,
        }
    }
}

impl Shown {
    #[expect(clippy::cast_precision_loss, reason = "ages and latencies stay below 2^53")]
    fn new(one: &Observation) -> Self {
        let outcome = match one.outcome {
            Outcome::Pending => "pending",
            Outcome::Ok => "ok",
            Outcome::Wrong => "wrong",
            Outcome::Timeout => "timeout",
            Outcome::Unreachable => "unreachable",
        };
        Self {
            outcome,
            age_seconds: one.age_ms as f64 / 1e3,
            latency_seconds: one.latency_ns.map(|ns| (ns / 1_000) as f64 / 1e6),
            detail: one.detail.clone().map(|detail| cut(detail, MAX_DETAIL_BYTES)),
            streak: one.streak,
        }
    }

    fn is_bad(&self) -> Option<bool> {
        match self.outcome {
            "pending" => None,
            outcome => Some(outcome != "ok"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(target: &str, kind: &str, outcome: Outcome) -> Observation {
        Observation {
            target: target.to_owned(),
            kind: kind.to_owned(),
            outcome,
            age_ms: 1_500,
            latency_ns: Some(2_345_678),
            detail: (outcome != Outcome::Ok).then(|| "why".to_owned()),
            streak: 3,
        }
    }

    #[test]
    fn pings_and_files_are_told_apart_and_belong_to_their_daemon() {
        let all = [
            observation("a", "http", Outcome::Ok),
            observation("b", "tcp", Outcome::Timeout),
            observation("b", FILE, Outcome::Ok),
        ];
        let (a, b) = (Served::of("a", &all), Served::of("b", &all));
        assert_eq!((a.heartbeat_file.clone(), a.is_quiet()), (None, true));
        assert_eq!(a.ping.as_ref().unwrap().latency_seconds, Some(0.002_345));
        assert_eq!((b.is_open(Trouble::Unanswered), b.is_open(Trouble::Stale)), (Some(true), Some(false)));
        assert_eq!(b.reason(Trouble::Unanswered), "why");
        let names: Vec<String> = b.metrics("b").into_iter().map(|metric| metric.name).collect();
        assert_eq!(names, ["daemon.ping.up", "daemon.heartbeat_file.fresh", "daemon.heartbeat_file.age"]);
        assert_eq!(a.metrics("a").len(), 2);
        assert_eq!(Served::of("c", &all), Served::default());
        let pending = Served::of("p", &[observation("p", "tcp", Outcome::Pending)]);
        assert_eq!((pending.is_open(Trouble::Unanswered), pending.metrics("p").len()), (None, 0));
    }
}
