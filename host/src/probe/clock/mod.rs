//! Clocks, and what keeps them right: the machine's own clocks, the kernel's discipline, SNTP and chrony.
//!
//! Owns the protocols and the kernel's structures. Must not decide whether the clock is right: that is the clock
//! collector's verdict. The wall clock is lent by the caller, because it is read in one place only.

mod chrony;
mod discipline;
mod ntp;
mod prober;
mod sntp;
mod steps;

pub use chrony::{Chrony, Tracking};
pub use discipline::{Discipline, discipline};
pub use ntp::{Sample, SntpError};
pub use prober::{
    ChronyProber, ChronyTable, MIN_INTERVAL, Observation as SntpObservation, ServerSpec, SntpProber, SntpTable,
};
pub use steps::StepWatch;

use super::NS_PER_S;

/// Reads CLOCK_REALTIME in nanoseconds since the Unix epoch.
pub type WallClock = fn() -> i64;

/// The clocks of the machine, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// CLOCK_REALTIME, nanoseconds since the Unix epoch.
    pub realtime_ns: i64,
    /// CLOCK_MONOTONIC: slewed, not stepped; stands still in suspend on Linux.
    pub monotonic_ns: u64,
    /// CLOCK_MONOTONIC_RAW: neither slewed nor stepped. Equal to `monotonic_ns` where there is none.
    pub monotonic_raw_ns: u64,
    /// CLOCK_BOOTTIME: goes on in suspend. Equal to `monotonic_ns` where there is none.
    pub boottime_ns: u64,
    /// How long reading them all took: the bound of what their differences are worth.
    pub read_ns: u64,
}

/// When something was looked at or noticed. Time is a parameter everywhere below `probe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// CLOCK_REALTIME in nanoseconds since the epoch.
    pub realtime_ns: i64,
    /// CLOCK_MONOTONIC in nanoseconds.
    pub monotonic_ns: u64,
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boottime_ns: u64,
}

impl Moment {
    /// This moment.
    pub fn now(wall: WallClock) -> Self {
        clocks(wall).into()
    }

    /// When the machine booted by the wall clock as it stands now, in nanoseconds since the epoch.
    pub(crate) fn boot_realtime_ns(self) -> i64 {
        self.realtime_ns.saturating_sub(i64::try_from(self.boottime_ns).unwrap_or(i64::MAX))
    }
}

impl From<Clocks> for Moment {
    fn from(clocks: Clocks) -> Self {
        Self { realtime_ns: clocks.realtime_ns, monotonic_ns: clocks.monotonic_ns, boottime_ns: clocks.boottime_ns }
    }
}

/// How often the clocks are read to find a reading that was not interrupted.
const ATTEMPTS: u32 = 3;
/// A reading this short was not interrupted.
const UNDISTURBED_NS: u64 = 2_000;

/// Reads all clocks. Where the thread was interrupted meanwhile it reads again, and gives the quickest of three.
pub fn clocks(wall: WallClock) -> Clocks {
    let mut best = read(wall);
    for _ in 1..ATTEMPTS {
        if best.read_ns <= UNDISTURBED_NS {
            break;
        }
        let again = read(wall);
        if again.read_ns < best.read_ns {
            best = again;
        }
    }
    best
}

#[cfg(target_os = "linux")]
fn read(wall: WallClock) -> Clocks {
    use rustix::time::ClockId;
    let begin = now_ns(ClockId::Monotonic);
    let realtime_ns = wall();
    let monotonic_ns = now_ns(ClockId::Monotonic);
    let monotonic_raw_ns = now_ns(ClockId::MonotonicRaw);
    let boottime_ns = now_ns(ClockId::Boottime);
    let end = now_ns(ClockId::Monotonic);
    Clocks { realtime_ns, monotonic_ns, monotonic_raw_ns, boottime_ns, read_ns: end.saturating_sub(begin) }
}

#[cfg(not(target_os = "linux"))]
fn read(wall: WallClock) -> Clocks {
    use rustix::time::ClockId;
    let begin = now_ns(ClockId::Monotonic);
    let realtime_ns = wall();
    let monotonic_ns = now_ns(ClockId::Monotonic);
    let read_ns = now_ns(ClockId::Monotonic).saturating_sub(begin);
    Clocks { realtime_ns, monotonic_ns, monotonic_raw_ns: monotonic_ns, boottime_ns: monotonic_ns, read_ns }
}

/// CLOCK_MONOTONIC, for how long something took.
pub(crate) fn monotonic_ns() -> u64 {
    now_ns(rustix::time::ClockId::Monotonic)
}

fn now_ns(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * NS_PER_S + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::wall;
    use super::*;

    #[test]
    fn clocks_are_read_together() {
        let first = clocks(wall);
        let second = clocks(wall);
        assert!(second.monotonic_ns >= first.monotonic_ns && second.boottime_ns >= first.boottime_ns);
        assert!(first.boottime_ns + first.read_ns >= first.monotonic_ns, "boot time contains the suspended time");
        // Both clocks advanced alike between the two readings, up to what the readings themselves took.
        let wall_advance = second.realtime_ns - first.realtime_ns;
        let advance = i64::try_from(second.monotonic_ns - first.monotonic_ns).unwrap();
        let slack = i64::try_from(first.read_ns + second.read_ns).unwrap() + 1_000_000;
        assert!((wall_advance - advance).abs() <= slack, "{wall_advance} {advance}");
    }
}
