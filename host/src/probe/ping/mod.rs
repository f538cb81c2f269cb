//! Pings: whether what a daemon serves answers, asked by a prober on schedules of its own.
//!
//! Owns the table of the latest observation of every target, how each kind of target is asked, and when. Every target
//! has a task of its own, so one that never answers delays no other; whoever shows a result reads the table and waits
//! for nobody. Must not know where the targets come from.
//!
//! `mod` holds the table, `prober` the schedule and the retries, `ask` one attempt; `http`, `tls` and `icmp` speak.

mod ask;
mod http;
mod icmp;
mod prober;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Moment, NS_PER_MS};
pub use ask::{Asked, ask};
pub use prober::Pinger;
pub use tls::Trust;

/// How many targets are remembered: as many as a configuration can sensibly name. A bound, because the table is
/// handed to collectors whole.
pub const MAX_TARGETS: usize = 1024;

/// Of how many good answers the latencies are kept: half an hour of them at one in thirty seconds.
const LATENCIES: usize = 64;

/// A target to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingSpec {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is and how it is spoken to.
    pub target: Target,
    /// From the beginning of one look to the beginning of the next.
    pub every: Duration,
    /// How long one attempt may take, from resolving the name to the last byte that is looked at.
    pub timeout: Duration,
    /// How often it is tried again, with growing waits, before it counts as failed.
    pub retries: u32,
}

/// Where a target is and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A TCP connection is enough.
    Tcp {
        /// A name or an address without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A connection to a Unix socket is enough.
    Unix(PathBuf),
    /// A GET by HTTP/1.1; redirects are answers and are not followed.
    Http(HttpTarget),
    /// An ICMP echo, where the kernel lets us.
    Icmp {
        /// A name or an address without brackets.
        host: String,
    },
}

/// A URL and what its answer should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// Whether it is `https`.
    pub tls: bool,
    /// A name or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// The status codes that are right; empty for any from 200 to 399.
    pub statuses: Vec<u16>,
    /// What the first [`http::MAX_BODY_BYTES`] of the body must hold somewhere.
    pub body: Option<String>,
    /// A certificate that is valid for less than this is wrong.
    pub certificate_days: u32,
    /// PEM certificates that are trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Target {
    /// The kind of the contract: `tcp`, `unix`, `http`, `icmp`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Unix(_) => "unix",
            Self::Http(_) => "http",
            Self::Icmp { .. } => "icmp",
        }
    }
}

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

impl Outcome {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::Wrong => "wrong",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

/// How long the last good answers took, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// The shortest.
    pub min_ns: u64,
    /// The middle one; of two, the longer.
    pub median_ns: u64,
    /// 95 of 100 took no longer (nearest rank).
    pub p95_ns: u64,
    /// Of how many, at most 64.
    pub count: usize,
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
    /// How long the last good answers took.
    pub latencies: Option<Latencies>,
    /// What went wrong, in a sentence.
    pub detail: Option<String>,
    /// How many results in a row had this outcome.
    pub streak: u32,
    /// When its certificate expires, in seconds since the epoch.
    pub certificate_expires: Option<i64>,
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
    /// When the certificate that it showed expires, in seconds since the epoch.
    pub certificate_expires: Option<i64>,
}

/// The targets and what was last seen of each, in the order of the configuration.
#[derive(Debug, Default)]
struct Observations {
    targets: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    name: String,
    kind: &'static str,
    last: PingResult,
    /// By BOOTTIME, so that a result from before a suspend is old.
    at_boottime_ns: u64,
    streak: u32,
    /// Newest last.
    latencies: VecDeque<u64>,
}

/// The table of targets; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PingTable(Arc<Mutex<Observations>>);

impl PingTable {
    /// A table of targets that have not been asked yet. Those beyond [`MAX_TARGETS`] are left out.
    fn new<'a>(specs: impl IntoIterator<Item = &'a PingSpec>, now: Moment) -> Self {
        let pending =
            PingResult { outcome: Outcome::Pending, latency_ns: None, detail: None, certificate_expires: None };
        let targets = specs
            .into_iter()
            .take(MAX_TARGETS)
            .map(|spec| Seen {
                name: spec.name.clone(),
                kind: spec.target.kind(),
                last: pending.clone(),
                at_boottime_ns: now.boottime_ns,
                streak: 0,
                latencies: VecDeque::new(),
            })
            .collect();
        Self(Arc::new(Mutex::new(Observations { targets })))
    }

    /// Takes a result. One of a target that is not in the table is dropped.
    fn record(&self, name: &str, result: PingResult, now: Moment) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = table.targets.iter_mut().find(|seen| seen.name == name) else { return };
        seen.streak = if seen.last.outcome == result.outcome { seen.streak.saturating_add(1) } else { 1 };
        if let Some(latency_ns) = result.latency_ns {
            if seen.latencies.len() == LATENCIES {
                seen.latencies.pop_front();
            }
            seen.latencies.push_back(latency_ns);
        }
        let latency_ns = result.latency_ns.or(seen.last.latency_ns);
        let certificate_expires = result.certificate_expires.or(seen.last.certificate_expires);
        seen.last = PingResult { latency_ns, certificate_expires, ..result };
        seen.at_boottime_ns = now.boottime_ns;
    }

    /// The latest observation of every target.
    pub fn latest(&self, now: Moment) -> Vec<Observation> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let observation = |seen: &Seen| Observation {
            target: seen.name.clone(),
            kind: seen.kind.to_owned(),
            outcome: seen.last.outcome,
            age_ms: now.boottime_ns.saturating_sub(seen.at_boottime_ns) / NS_PER_MS,
            latency_ns: seen.last.latency_ns,
            latencies: latencies(&seen.latencies),
            detail: seen.last.detail.clone(),
            streak: seen.streak,
            certificate_expires: seen.last.certificate_expires,
        };
        table.targets.iter().map(observation).collect()
    }
}

fn latencies(all: &VecDeque<u64>) -> Option<Latencies> {
    let mut sorted: Vec<u64> = all.iter().copied().collect();
    sorted.sort_unstable();
    let count = sorted.len();
    let min_ns = *sorted.first()?;
    let rank = |percent: usize| sorted.get((count * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Latencies { min_ns, median_ns: sorted[count / 2], p95_ns: rank(95)?, count })
}
