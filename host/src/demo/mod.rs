//! A store with two days of believable history, so that a newcomer sees everything in a minute.
//!
//! Owns: the machine that never was, and what happened on it. Its sections go the way that a real collector's go: the
//! board, the heartbeat, the sanitizer, the seal, the store. Only who collects is made up.
//!
//! Must not know: configuration, collectors as they run.

mod alerts;
mod clock;
mod daemons;
mod logs;
mod machine;
mod noise;
mod queue;
mod record;
mod section;
mod story;

use std::path::{Path, PathBuf};

use crate::clean::CleanError;
use crate::model::Wall;
use crate::retention::Policy;
use crate::seal::SealError;
use crate::store::{HistoryPolicy, StoreError};

/// What a demo is made with.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where it goes: a directory that is empty or not there.
    pub data_dir: PathBuf,
    /// When its history ends.
    pub until: Wall,
    /// The same seed gives the same figures.
    pub seed: u64,
    /// What is kept of the snapshots, as if retention had passed every hour.
    pub retention: Policy,
    /// What is kept of the heartbeats and points.
    pub history: HistoryPolicy,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Snapshots that were sealed.
    pub sealed: u64,
    /// Those that retention left.
    pub snapshots: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Metric points.
    pub points: u64,
    /// Events.
    pub events: u64,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is something already.
    #[error("`{}` is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// It cannot be looked into.
    #[error("cannot look into `{}`", .path.display())]
    Look {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store refused something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A snapshot could not be cleaned.
    #[error(transparent)]
    Clean(#[from] CleanError),
    /// A snapshot could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Writes a demo.
///
/// # Errors
/// A directory that is not empty, and whatever keeps a store from being written.
pub fn write(wanted: &Wanted) -> Result<Written, DemoError> {
    refuse_what_is_there(&wanted.data_dir)?;
    record::record(wanted)
}

fn refuse_what_is_there(dir: &Path) -> Result<(), DemoError> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(DemoError::NotEmpty(dir.to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(DemoError::Look { path: dir.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::noise::Noise;
    use super::story::{self, Calendar};
    use super::*;
    use crate::model::Section;

    /// Everything that is made up for an instant.
    fn sections(seed: u64, now: u64) -> Vec<Section> {
        let (calendar, noise) = (Calendar::ending(Wall(1_795_000_000_000_000_000)), Noise::new(seed));
        let wanted = section::Wanted { body: true, points: true };
        vec![
            daemons::daemon(now, &calendar, &noise, wanted),
            clock::clock(now, &calendar, &noise, wanted),
            machine::metric(now, &calendar, &noise, true),
            machine::processes(now, &calendar, &noise),
            logs::anomaly(now, &calendar, &noise),
            queue::patch(now, &calendar),
            queue::telemetry(now, &calendar),
        ]
    }

    #[test]
    fn the_same_seed_makes_the_same_up_and_another_does_not() {
        for now in [0, 3_600, story::OUT_OF_MEMORY, story::CLOCK_BEHIND.0 + 60, story::LENGTH] {
            assert_eq!(sections(7, now), sections(7, now));
            assert_ne!(sections(7, now), sections(8, now));
        }
    }

    #[test]
    fn time_goes_forward_and_ends_when_it_was_asked_to() {
        let until = Wall(1_795_000_000_000_000_000);
        let calendar = Calendar::ending(until);
        let walls: Vec<Wall> = (0..=story::LENGTH).step_by(300).map(|now| calendar.at(now).wall).collect();
        assert!(walls.is_sorted());
        assert_eq!(walls.last(), Some(&until));
    }

    #[test]
    fn what_is_shown_as_a_share_is_one() {
        for now in (0..=story::LENGTH).step_by(900) {
            for metric in sections(1, now).iter().flat_map(|section| &section.metrics) {
                let crate::model::Reading::Gauge(value) = metric.reading else { continue };
                assert!(value.is_finite(), "{metric:?}");
                if metric.name.ends_with("utilization") && !metric.name.starts_with("daemon") {
                    assert!((0.0..=1.0).contains(&value), "{metric:?} at {now}");
                }
            }
        }
    }
}
