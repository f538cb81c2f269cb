//! What happens on the demo's machine in its 48 hours, in seconds from the beginning.
//!
//! Everything else in the demo follows from these figures and a seed.

use crate::model::{Moment, Wall};

/// How much history there is.
pub(super) const LENGTH: u64 = 48 * HOUR;
/// Between two heartbeats.
pub(super) const BEAT: u64 = 5;
/// Between two rounds of metric points.
pub(super) const POINTS: u64 = 15;
/// Between two looks at logs, patches and telemetry.
pub(super) const LOOK: u64 = 60;
/// Between two snapshots.
pub(super) const SNAPSHOT: u64 = 300;
/// Between two passes of retention.
pub(super) const CLEANUP: u64 = HOUR;

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 3_600;

/// How long the machine had been up when the history begins.
const UP_BEFORE: u64 = 11 * 24 * HOUR + 5 * HOUR + 1_260;
/// The boot that all of it belongs to.
const BOOT_ID: &str = "5d0c6a1e-7f4b-4a34-9a61-3f0c2a8e9b17";

/// The message queue's broker does not answer, and its log is full of it.
pub(super) const BROKER_AWAY: (u64, u64) = (5 * HOUR, 5 * HOUR + 38 * MINUTE);
/// The validation engine is in maintenance, and down for a part of it.
pub(super) const MAINTENANCE: (u64, u64) = (10 * HOUR + 30 * MINUTE, 10 * HOUR + 50 * MINUTE);
/// From here on the relay loses memory.
pub(super) const LEAK: u64 = 14 * HOUR;
/// Somebody takes a snapshot before an upgrade.
pub(super) const BEFORE_UPGRADE: u64 = 18 * HOUR + 55 * MINUTE;
/// The patch that fails: when it begins, when it has failed, when the next one sets it right.
pub(super) const PATCH_FAILS: (u64, u64, u64) =
    (19 * HOUR + 31 * MINUTE, 19 * HOUR + 44 * MINUTE, 22 * HOUR + 9 * MINUTE);
/// The kernel kills the relay for want of memory.
pub(super) const OUT_OF_MEMORY: u64 = 26 * HOUR + 24 * MINUTE + 5;
/// It stays down until somebody starts it with a larger heap.
pub(super) const RELAY_MENDED: u64 = 27 * HOUR + 2 * MINUTE;
/// The machine stands still while it is moved to another host; its clock is behind until chronyd steps it.
pub(super) const CLOCK_BEHIND: (u64, u64) = (31 * HOUR + 12 * MINUTE, 33 * HOUR);
/// By how much.
pub(super) const BEHIND_SECONDS: f64 = 38.2;
/// A log that nobody rotates fills /var, and somebody removes it.
pub(super) const DISK_FILLS: (u64, u64) = (34 * HOUR, 41 * HOUR + 18 * MINUTE);
/// A certificate ends.
pub(super) const CERTIFICATE_ENDS: u64 = 39 * HOUR + 5 * MINUTE;
/// A telemetry file is not written any more.
pub(super) const TELEMETRY_STALE: u64 = 44 * HOUR + 20 * MINUTE;
/// A patch begins that does not end.
pub(super) const PATCH_STUCK: u64 = 46 * HOUR + 24 * MINUTE;
/// Somebody stops the healer to look at it, and forgets to continue it.
pub(super) const HEALER_STOPPED: u64 = 47 * HOUR + 33 * MINUTE;
/// The executor dies and comes back.
pub(super) const EXECUTOR_DIES: (u64, u64) = (LENGTH - 4 * MINUTE - 35, LENGTH - 4 * MINUTE - 15);

/// Whether it is within.
pub(super) fn within(seconds: u64, (from, to): (u64, u64)) -> bool {
    (from..to).contains(&seconds)
}

/// From seconds of the story to instants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    /// When the last beat is.
    until: Wall,
}

impl Calendar {
    pub(super) fn ending(until: Wall) -> Self {
        Self { until }
    }

    /// The clocks of the machine then. Until it is stepped, its wall clock is behind.
    pub(super) fn at(&self, seconds: u64) -> Moment {
        let ahead = i64::try_from(LENGTH.saturating_sub(seconds)).unwrap_or_default();
        let behind = if seconds < CLOCK_BEHIND.1 { (BEHIND_SECONDS * 1e9) as i64 } else { 0 };
        Moment {
            wall: self.until.plus_ns(-ahead * 1_000_000_000 - behind),
            boottime_ns: (UP_BEFORE + seconds) * 1_000_000_000,
            boot_id: BOOT_ID.into(),
        }
    }

    /// The wall clock then; negative is before the history begins.
    pub(super) fn wall(&self, seconds: i64) -> Wall {
        let first = self.at(0).wall;
        match u64::try_from(seconds) {
            Ok(seconds) => self.at(seconds).wall,
            Err(_) => first.plus_ns(seconds.saturating_mul(1_000_000_000)),
        }
    }

    /// 0 in the dead of the night, 1 at the busiest time of the day (UTC).
    pub(super) fn busy(&self, seconds: u64) -> f64 {
        let second_of_day = self.at(seconds).wall.millis().div_euclid(1_000).rem_euclid(86_400) as f64;
        let phase = (second_of_day - 4.0 * 3_600.0) / 86_400.0 * std::f64::consts::TAU;
        (1.0 - phase.cos()) / 2.0
    }
}
