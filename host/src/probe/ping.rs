//! The latest observation of every target that ghostd's prober asks.
//!
//! Owns the table and nothing else: who asks the targets, and when, is the prober's business.

use super::{Moment, NS_PER_MS};

/// How many targets are remembered: as many as a configuration can sensibly name. A bound, because the table is
/// handed to collectors whole.
pub const MAX_TARGETS: usize = 1024;

/// The state of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No result yet.
    Pending,
    /// It answered as it should.
    Ok,
    /// It answered, and not as it should.
    Wrong,
    /// It did not answer in time, through all retries.
    Timeout,
    /// Refused, reset, or a name without an address.
    Unreachable,
}

/// What is known of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The target's name in the configuration.
    pub target: String,
    /// `tcp`, `http`, `unix`, `icmp`.
    pub kind: String,
    /// Its state.
    pub outcome: Outcome,
    /// How old this result is; for a pending one, since when it is awaited.
    pub age_ms: u64,
    /// How long the last good answer took.
    pub latency_ns: Option<u64>,
    /// What went wrong, in a sentence.
    pub detail: Option<String>,
    /// How many results in a row had this outcome.
    pub streak: u32,
}

/// One result of a prober.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingResult {
    /// Its state.
    pub outcome: Outcome,
    /// How long a good answer took.
    pub latency_ns: Option<u64>,
    /// What went wrong.
    pub detail: Option<String>,
}

/// The targets and what was last seen of each, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Observations {
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    name: String,
    kind: String,
    last: PingResult,
    /// By BOOTTIME, so that a result from before a suspend is old.
    at_boottime_ns: u64,
    streak: u32,
}

impl Observations {
    /// A table of targets (name and kind) that have not been asked yet. Those beyond [`MAX_TARGETS`] are left out.
    pub fn new(targets: impl IntoIterator<Item = (String, String)>, now: Moment) -> Self {
        let pending = PingResult { outcome: Outcome::Pending, latency_ns: None, detail: None };
        let targets = targets
            .into_iter()
            .take(MAX_TARGETS)
            .map(|(name, kind)| Target {
                name,
                kind,
                last: pending.clone(),
                at_boottime_ns: now.boottime_ns,
                streak: 0,
            })
            .collect();
        Self { targets }
    }

    /// Takes a result. One of a target that is not in the table is dropped: the configuration has changed since.
    pub fn record(&mut self, name: &str, result: PingResult, now: Moment) {
        let Some(target) = self.targets.iter_mut().find(|target| target.name == name) else { return };
        target.streak = if target.last.outcome == result.outcome { target.streak.saturating_add(1) } else { 1 };
        let latency_ns = result.latency_ns.or(target.last.latency_ns);
        target.last = PingResult { latency_ns, ..result };
        target.at_boottime_ns = now.boottime_ns;
    }

    /// The latest observation of every target.
    pub fn latest(&self, now: Moment) -> Vec<Observation> {
        self.targets
            .iter()
            .map(|target| Observation {
                target: target.name.clone(),
                kind: target.kind.clone(),
                outcome: target.last.outcome,
                age_ms: now.boottime_ns.saturating_sub(target.at_boottime_ns) / NS_PER_MS,
                latency_ns: target.last.latency_ns,
                detail: target.last.detail.clone(),
                streak: target.streak,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { realtime_ns: 0, monotonic_ns: seconds * 1_000_000_000, boottime_ns: seconds * 1_000_000_000 }
    }

    #[test]
    fn a_streak_counts_equal_outcomes_and_the_last_good_latency_stays() {
        let mut table = Observations::new([("db".to_owned(), "tcp".to_owned())], at(0));
        assert_eq!(table.latest(at(2))[0].outcome, Outcome::Pending);
        let good = PingResult { outcome: Outcome::Ok, latency_ns: Some(7), detail: None };
        let bad = PingResult { outcome: Outcome::Timeout, latency_ns: None, detail: Some("no answer".into()) };
        table.record("db", good.clone(), at(3));
        table.record("db", good, at(4));
        assert_eq!(table.latest(at(5))[0].streak, 2);
        table.record("db", bad, at(5));
        table.record("gone", PingResult { outcome: Outcome::Ok, latency_ns: None, detail: None }, at(5));
        let seen = table.latest(at(8));
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].streak, seen[0].age_ms, seen[0].latency_ns), (1, 3_000, Some(7)));
    }
}
