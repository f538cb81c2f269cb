//! When something is due. Pure: the time is given, by BOOTTIME, so a step of the wall clock changes nothing.

use std::time::Duration;

/// Something that happens at intervals. Ticks that could not be kept are skipped and counted, never made up for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    interval_ns: u64,
    next_ns: u64,
}

/// A tick that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Ticks that were due since the one before and are not made up for.
    pub missed: u64,
}

impl Schedule {
    /// First due at `first_ns`, then each `interval`.
    pub fn new(interval: Duration, first_ns: u64) -> Self {
        let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { interval_ns, next_ns: first_ns }
    }

    /// When it is due next.
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// The interval.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval_ns)
    }

    /// Takes the tick that is due, if one is. The rhythm stays: the next is a whole number of intervals after the first.
    pub fn take(&mut self, now_ns: u64) -> Option<Tick> {
        if now_ns < self.next_ns {
            return None;
        }
        let missed = (now_ns - self.next_ns) / self.interval_ns;
        self.next_ns = self.next_ns.saturating_add(self.interval_ns.saturating_mul(missed + 1));
        Some(Tick { missed })
    }

    /// Makes it due at once, and goes on from there.
    pub fn now(&mut self, now_ns: u64) {
        self.next_ns = now_ns;
    }
}

/// Failures in a row after which a collector is left alone.
pub const QUARANTINE_AFTER: u32 = 5;

/// The longest that a failing collector waits before quarantine.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// The shortest and the longest time in quarantine before one more try.
const QUARANTINE: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));

/// How long a collector that failed `failures` times in a row is left alone. `jitter` in 0..1 spreads collectors
/// that failed together, by up to a quarter.
pub fn hold_off(failures: u32, every: Duration, jitter: f64) -> Duration {
    let doubled = |base: Duration, times: u32, longest: Duration| {
        base.checked_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).unwrap_or(longest).min(longest)
    };
    let wait = match failures {
        // The next tick is soon enough.
        0 | 1 => return Duration::ZERO,
        2..QUARANTINE_AFTER => doubled(every, failures - 1, LONGEST_BACKOFF.max(every)),
        _ => doubled(QUARANTINE.0, failures - QUARANTINE_AFTER, QUARANTINE.1),
    };
    wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0)
}

/// Lets a burst through and then a steady trickle, so that a daemon which dies ten times a second does not take ten
/// snapshots a second.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    tokens: f64,
    burst: f64,
    refill_ns: f64,
    last_ns: u64,
    /// Requests that were turned away.
    pub refused: u64,
}

impl TokenBucket {
    /// Lets `burst` through at once, and one more for each `refill`.
    pub fn new(burst: u32, refill: Duration, now_ns: u64) -> Self {
        let burst = f64::from(burst.max(1));
        Self { tokens: burst, burst, refill_ns: (refill.as_nanos() as f64).max(1.0), last_ns: now_ns, refused: 0 }
    }

    /// Whether one more may pass now.
    pub fn take(&mut self, now_ns: u64) -> bool {
        let gained = now_ns.saturating_sub(self.last_ns) as f64 / self.refill_ns;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.last_ns = self.last_ns.max(now_ns);
        let passes = self.tokens >= 1.0;
        if passes {
            self.tokens -= 1.0;
        } else {
            self.refused += 1;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn missed_ticks_are_skipped_and_counted_and_the_rhythm_stays() {
        let mut schedule = Schedule::new(Duration::from_secs(5), 10 * S);
        assert_eq!(schedule.take(9 * S), None);
        assert_eq!(schedule.take(10 * S), Some(Tick { missed: 0 }));
        assert_eq!(schedule.take(14 * S), None);
        assert_eq!(schedule.take(27 * S), Some(Tick { missed: 2 }), "15 is late, 20 and 25 were missed");
        assert_eq!(schedule.next_ns(), 30 * S);
    }

    #[test]
    fn a_suspend_of_years_is_one_tick() {
        let mut schedule = Schedule::new(Duration::from_nanos(1), 0);
        assert!(schedule.take(u64::MAX - 1).is_some());
        assert_eq!(schedule.take(0), None);
    }

    #[test]
    fn hold_off_grows_and_is_bounded() {
        let every = Duration::from_secs(5);
        assert_eq!(hold_off(1, every, 0.9), Duration::ZERO);
        assert_eq!(hold_off(2, every, 0.0), Duration::from_secs(10));
        assert_eq!(hold_off(4, every, 0.0), Duration::from_secs(40));
        assert_eq!(hold_off(5, every, 0.0), Duration::from_secs(300));
        assert_eq!(hold_off(40, every, 0.0), Duration::from_secs(3600));
        assert_eq!(hold_off(u32::MAX, Duration::from_secs(86_400), 1.0), Duration::from_secs(4500));
    }

    #[test]
    fn a_crash_loop_is_not_a_storm() {
        let mut bucket = TokenBucket::new(3, Duration::from_secs(10), 0);
        let passed = (0..600).filter(|tenth| bucket.take(tenth * S / 10)).count();
        assert_eq!(passed, 3 + 5, "a burst of three, and one for each ten of the sixty seconds that are over");
        assert_eq!(bucket.refused, 592);
    }
}
