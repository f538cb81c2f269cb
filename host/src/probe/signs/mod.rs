//! Signs of life: files that daemons touch or write, each the proof that one of them was alive a while ago.
//!
//! Owns the table of what was last seen of each daemon's file, and what follows from it at an instant: fresh, stale,
//! dated in the future, malformed, vanished. `parse` reads what is in such a file, `prober` looks for it. Must not
//! know where the files come from.

mod parse;
mod prober;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Moment, NS_PER_MS};
pub use prober::SignProber;

/// By how much a sign may be ahead of our clock before it counts as dated in the future: another machine that writes
/// over a network has a clock of its own.
const FUTURE_TOLERANCE_MS: i64 = 10_000;

/// After so many missed looks the directory counts as one that does not answer.
const LOOKS_MISSED: u32 = 6;

/// A daemon's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignSpec {
    /// The daemon.
    pub daemon: String,
    /// Its file.
    pub path: PathBuf,
    /// How old the last sign of life may be.
    pub max_age: Duration,
    /// Which service of the file it is; none for the one that is called like the daemon, or the only one.
    pub service: Option<String>,
}

/// What a daemon's file comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignState {
    /// It was not looked for yet.
    Pending,
    /// The last sign is young enough.
    Fresh,
    /// The last sign is too old.
    Stale,
    /// It is dated in the future: a clock is wrong, and how old it is cannot be told.
    Future,
    /// What is in it cannot be understood.
    Malformed,
    /// It was there, and is not any more.
    Vanished,
    /// It was never there since ghostd started.
    Missing,
    /// It is there and cannot be read, or its disk does not answer.
    Unreadable,
}

impl SignState {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Malformed => "malformed",
            Self::Vanished => "vanished",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What is known of a daemon's file at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The daemon.
    pub daemon: String,
    /// What it comes to.
    pub state: SignState,
    /// How old the last sign is; none where there is none. 0 for one in the future.
    pub age_ms: Option<u64>,
    /// What the daemon says its own status is, in its own words.
    pub says: Option<String>,
    /// What is wrong, in a sentence that stays the same while it is wrong.
    pub detail: Option<String>,
}

/// What was seen of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Pending,
    Missing,
    Vanished,
    Malformed(String),
    Unreadable(String),
    /// A sign of this time, in milliseconds since the epoch.
    At {
        at_ms: i64,
        says: Option<String>,
    },
}

#[derive(Debug, Default)]
struct Looked {
    /// In the order of the configuration.
    seen: Vec<(SignSpec, Seen)>,
    /// When the last look ended, by BOOTTIME.
    at_boottime_ns: u64,
    every: Duration,
}

/// The table of files; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SignTable(Arc<Mutex<Looked>>);

impl SignTable {
    /// What each daemon's file comes to now.
    pub fn latest(&self, now: Moment) -> Vec<Sign> {
        let looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = Duration::from_nanos(now.boottime_ns.saturating_sub(looked.at_boottime_ns));
        let is_silent = looked.every > Duration::ZERO && since > looked.every * LOOKS_MISSED;
        looked.seen.iter().map(|(spec, seen)| judge(spec, seen, is_silent, now)).collect()
    }

    fn note(&self, seen: Vec<Seen>, now: Moment) {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((_, place), seen) in looked.seen.iter_mut().zip(seen) {
            *place = seen;
        }
        looked.at_boottime_ns = now.boottime_ns;
    }
}

fn judge(spec: &SignSpec, seen: &Seen, is_silent: bool, now: Moment) -> Sign {
    let sign =
        |state, detail: Option<String>| Sign { daemon: spec.daemon.clone(), state, age_ms: None, says: None, detail };
    if is_silent {
        return sign(SignState::Unreadable, Some("the directory does not answer".to_owned()));
    }
    match seen {
        Seen::Pending => sign(SignState::Pending, None),
        Seen::Missing => sign(SignState::Missing, Some("there is no such file".to_owned())),
        Seen::Vanished => sign(SignState::Vanished, Some("the file has vanished".to_owned())),
        Seen::Malformed(why) => sign(SignState::Malformed, Some(why.clone())),
        Seen::Unreadable(why) => sign(SignState::Unreadable, Some(why.clone())),
        Seen::At { at_ms, says } => {
            let age_ms = now.realtime_ns / NS_PER_MS.cast_signed() - at_ms;
            let max_age_ms = i64::try_from(spec.max_age.as_millis()).unwrap_or(i64::MAX);
            let (state, detail) = if age_ms < -FUTURE_TOLERANCE_MS {
                (SignState::Future, Some("the last sign of life is dated in the future".to_owned()))
            } else if age_ms > max_age_ms {
                let limit = spec.max_age.as_secs_f64();
                (SignState::Stale, Some(format!("the last sign of life is older than {limit} s")))
            } else {
                (SignState::Fresh, None)
            };
            Sign { age_ms: Some(u64::try_from(age_ms).unwrap_or(0)), says: says.clone(), ..sign(state, detail) }
        }
    }
}
