//! Noticing that the wall clock was stepped.
//!
//! Owns the base that readings are compared with. CLOCK_REALTIME differs from CLOCK_BOOTTIME by a constant that only a
//! step changes: both are slewed alike, and both go on in suspend. A slew is therefore never taken for a step.

use super::Clocks;

/// What is smaller than this is how the clocks were read, not a step.
const NOISE_NS: i64 = 1_000_000;

/// Compares each reading of the clocks with the one before.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepWatch {
    base_ns: Option<i64>,
    read_ns: u64,
    count: u64,
    last_ns: Option<i64>,
}

impl StepWatch {
    /// Takes a reading; the step since the last one in nanoseconds (positive: forward), if there was one.
    pub fn observe(&mut self, clocks: &Clocks) -> Option<i64> {
        let base_ns = clocks.realtime_ns.saturating_sub(i64::try_from(clocks.boottime_ns).unwrap_or(i64::MAX));
        // What an interrupted reading pretends is at most how long both took.
        let taken_ns = i64::try_from(clocks.read_ns.saturating_add(self.read_ns)).unwrap_or(i64::MAX);
        let Some(before_ns) = self.base_ns else {
            self.base_ns = Some(base_ns);
            self.read_ns = clocks.read_ns;
            return None;
        };
        let step_ns = base_ns.saturating_sub(before_ns);
        if step_ns.saturating_abs() <= NOISE_NS.saturating_add(taken_ns) {
            // The base stays, so that many small steps in one direction add up to one that is noticed.
            if clocks.read_ns < self.read_ns && step_ns.saturating_abs() <= taken_ns {
                self.base_ns = Some(base_ns);
                self.read_ns = clocks.read_ns;
            }
            return None;
        }
        self.base_ns = Some(base_ns);
        self.read_ns = clocks.read_ns;
        self.count += 1;
        self.last_ns = Some(step_ns);
        Some(step_ns)
    }

    /// How many steps were noticed, and the last one.
    pub fn steps(&self) -> (u64, Option<i64>) {
        (self.count, self.last_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn reading(realtime_ns: i64, boottime_ns: i64) -> Clocks {
        let boottime_ns = u64::try_from(boottime_ns).unwrap();
        Clocks { realtime_ns, monotonic_ns: boottime_ns, monotonic_raw_ns: boottime_ns, boottime_ns, read_ns: 500 }
    }

    #[test]
    fn steps_are_counted_with_their_sign() {
        let mut watch = StepWatch::default();
        assert_eq!(watch.observe(&reading(1_000 * S, 10 * S)), None);
        assert_eq!(watch.observe(&reading(1_005 * S, 15 * S)), None);
        assert_eq!(watch.observe(&reading(1_040 * S, 20 * S)), Some(30 * S));
        assert_eq!(watch.observe(&reading(1_045 * S, 25 * S)), None);
        assert_eq!(watch.observe(&reading(1_048 * S, 30 * S)), Some(-2 * S));
        assert_eq!(watch.steps(), (2, Some(-2 * S)));
    }

    #[test]
    fn a_suspend_is_no_step() {
        let mut watch = StepWatch::default();
        watch.observe(&reading(1_000 * S, 10 * S));
        let mut resumed = reading(4_600 * S, 3_610 * S);
        resumed.monotonic_ns = 11 * S as u64;
        assert_eq!(watch.observe(&resumed), None);
    }

    #[test]
    fn an_interrupted_reading_is_no_step() {
        let mut watch = StepWatch::default();
        watch.observe(&reading(1_000 * S, 10 * S));
        let mut late = reading(1_001 * S, 11 * S + 20_000_000);
        late.read_ns = 20_000_000;
        assert_eq!(watch.observe(&late), None);
    }

    #[test]
    fn small_steps_in_one_direction_add_up() {
        let mut watch = StepWatch::default();
        let noticed = (0..10).filter_map(|n| watch.observe(&reading(1_000 * S + n * (S + 400_000), 10 * S + n * S)));
        let total: i64 = noticed.sum();
        assert!((3 * 400_000..=9 * 400_000).contains(&total), "{total}");
    }
}
