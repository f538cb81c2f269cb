//! The only place where the time is asked for. Everything else is given a [`Moment`].
//!
//! The wall clock goes through std and so through libc, where a test can fake it for the whole process.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::{Moment, Wall};

/// The machine's clocks.
#[derive(Debug, Clone)]
pub struct Clock {
    boot_id: Arc<str>,
}

impl Clock {
    /// The clocks of the machine whose /proc this is.
    pub fn system(proc: &Path) -> Self {
        Self { boot_id: boot_id(proc).into() }
    }

    /// Reads all of them.
    pub fn now(&self) -> Moment {
        Moment { wall: wall(), boottime_ns: boottime_ns(), boot_id: Arc::clone(&self.boot_id) }
    }

    /// Changes with each boot.
    pub fn boot_id(&self) -> &Arc<str> {
        &self.boot_id
    }
}

/// The wall clock alone.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn wall() -> Wall {
    let ns = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    Wall(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => ns(after),
        Err(before) => ns(before.duration()).saturating_neg(),
    })
}

/// CLOCK_BOOTTIME in nanoseconds: schedules and ages go by it.
pub fn boottime_ns() -> u64 {
    #[cfg(target_os = "linux")]
    let id = rustix::time::ClockId::Boottime;
    // It goes on in sleep there.
    #[cfg(not(target_os = "linux"))]
    let id = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(id);
    now.tv_sec.max(0).unsigned_abs().saturating_mul(1_000_000_000) + now.tv_nsec.max(0).unsigned_abs()
}

fn boot_id(proc: &Path) -> String {
    match std::fs::read_to_string(proc.join("sys/kernel/random/boot_id")) {
        Ok(id) => id.trim().to_owned(),
        // Where the kernel has no name for a boot, the time of it names it; a step of the clock then looks like one.
        Err(_) => format!("boot-{}", sysinfo::System::boot_time().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_does_not_stand_still() {
        let before = boottime_ns();
        while boottime_ns() == before {}
        assert!(boottime_ns() > before);
    }
}
