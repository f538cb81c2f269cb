//! What the clocks did since earlier calls: steps, suspends, and how fast the system clock runs.
//!
//! It owns what is kept in the collector's state. It knows clocks and nothing of who is right.
//!
//! - REALTIME - BOOTTIME changes only when the wall clock is stepped: both are slewed alike, and
//!   BOOTTIME goes on in suspend as the wall clock does.
//! - BOOTTIME - MONOTONIC is the time spent in suspend.
//! - MONOTONIC - MONOTONIC_RAW is REALTIME - MONOTONIC_RAW freed of steps and suspends. Its slope is how
//!   much faster the system clock runs than the bare oscillator, whoever makes it.

use ghostd_sdk::host::clock::{Clocks, KernelDiscipline};
use serde::{Deserialize, Serialize};

/// A change below this is not told from noise, in nanoseconds: reads that are not simultaneous, and
/// whatever interrupts them.
pub const MIN_STEP_NS: i64 = 1_000_000;
/// How fast a clock may be slewed against one that is not, in parts per million (ntpd's and the
/// kernel's bound). Counts only where the platform's monotonic clock is not slewed as well.
pub const MAX_SLEW_PPM: i64 = 500;
/// The most points from which the rate is made.
pub const MAX_SLEW_POINTS: usize = 64;
/// The least time between two of them, in nanoseconds: so they span an hour. A little less than a
/// minute, so that calls a minute apart are not skipped for being early by a hair.
pub const SLEW_POINT_EVERY_NS: u64 = 55_000_000_000;
/// The least span that gives a rate, in nanoseconds. Reading noise of a microsecond is then 0.03 ppm.
pub const MIN_SLEW_SPAN_NS: u64 = 30_000_000_000;
/// By how much the kernel raises maxerror while nobody corrects the clock, in microseconds per second;
/// something below, since calls are not exactly on the second.
const FREE_RUNNING_GROWTH: f64 = 400.0;

/// What is kept between calls.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct History {
    boot_id: String,
    last: Option<Reading>,
    /// (MONOTONIC_RAW, MONOTONIC - MONOTONIC_RAW), nanoseconds, oldest first.
    slew: Vec<(u64, i64)>,
    maximum_error_us: Option<i64>,
    /// Since when nobody corrected the clock, on BOOTTIME in nanoseconds.
    growing_since_ns: Option<u64>,
    /// Whether the kernel was synchronised at any time in this boot.
    was_synchronised: bool,
    /// The host's count of steps at the last call.
    host_steps: u64,
    steps: Steps,
}

/// The steps of this boot.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Steps {
    /// How many this collector or the host noticed.
    pub count: u64,
    /// By how much the clock jumped last, in nanoseconds (positive: forward).
    pub last_ns: Option<i64>,
    /// When it was noticed: wall clock after it in milliseconds, and BOOTTIME in nanoseconds.
    pub first_ms: i64,
    /// Likewise the last one.
    pub last_ms: i64,
    /// BOOTTIME at which the last one was noticed, in nanoseconds.
    pub last_boottime_ns: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Reading {
    realtime_ns: i64,
    monotonic_ns: u64,
    boottime_ns: u64,
    read_ns: u64,
}

/// What this call adds to the history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// A step since the last call, in nanoseconds.
    pub stepped_ns: Option<i64>,
    /// Suspended since boot, in nanoseconds.
    pub suspended_total_ns: u64,
    /// Suspended since the last call, in nanoseconds.
    pub suspended_ns: u64,
    /// How the system clock runs against the oscillator, where enough is known.
    pub rate: Option<Rate>,
    /// For how long the kernel's maxerror has grown as it does when nobody corrects the clock.
    pub uncorrected_seconds: Option<f64>,
}

/// The slope of MONOTONIC - MONOTONIC_RAW.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// How much faster than the bare oscillator the system clock runs, in parts per million.
    pub rate_ppm: f64,
    /// What reading noise can make of it.
    pub bound_ppm: f64,
    /// From the first to the last reading it is made of.
    pub span_seconds: f64,
    /// How many readings.
    pub samples: usize,
}

/// Where the platform's monotonic clock is not slewed together with the wall clock, a slewed wall clock
/// must not look like a stepped one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slewing {
    /// Linux: both are slewed alike.
    Together,
    /// Elsewhere: only the wall clock may be.
    Apart,
}

impl History {
    /// The steps of this boot.
    #[must_use]
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Whether the kernel was synchronised at any time in this boot: then something does it.
    #[must_use]
    pub fn was_synchronised(&self) -> bool {
        self.was_synchronised
    }

    /// How long ago the last step was noticed, in milliseconds; none in this boot, none.
    #[must_use]
    pub fn step_age_ms(&self, boottime_ns: u64) -> Option<u64> {
        let noticed_ns = Some(self.steps.last_boottime_ns).filter(|ns| *ns > 0)?;
        Some(boottime_ns.saturating_sub(noticed_ns) / 1_000_000)
    }

    /// Takes in the clocks of this call. A new boot id begins a new history.
    pub fn advance(
        &mut self,
        boot_id: &str,
        clocks: &Clocks,
        host_steps: (u64, Option<i64>),
        discipline: Option<&KernelDiscipline>,
        slewing: Slewing,
    ) -> Change {
        if self.boot_id != boot_id {
            *self = Self { boot_id: boot_id.to_owned(), ..Self::default() };
            // What the host noticed before this collector's first call is told, and no news.
            self.host_steps = host_steps.0;
            self.steps.count = host_steps.0;
            self.steps.last_ns = host_steps.1;
        }
        let now = Reading {
            realtime_ns: clocks.realtime_ns,
            monotonic_ns: clocks.monotonic_ns,
            boottime_ns: clocks.boottime_ns,
            read_ns: clocks.read_ns,
        };
        let mut change = Change { suspended_total_ns: beyond_noise(suspended_ns(&now)), ..Change::default() };
        if let Some(last) = self.last.filter(|last| last.boottime_ns <= now.boottime_ns) {
            let own = step_between(&last, &now, slewing);
            // A step there and back between two calls is seen by the host alone.
            let noticed = host_steps.0.saturating_sub(self.host_steps);
            change.stepped_ns = own.or(if noticed > 0 { host_steps.1 } else { None });
            change.suspended_ns = beyond_noise(suspended_ns(&now).saturating_sub(suspended_ns(&last)));
            if let Some(step_ns) = change.stepped_ns {
                self.steps.note(step_ns, noticed.max(1), &now);
            }
        }
        change.uncorrected_seconds = self.watch_maximum_error(&now, discipline);
        change.rate = self.watch_slew(clocks);
        self.host_steps = host_steps.0;
        self.last = Some(now);
        change
    }

    fn watch_maximum_error(&mut self, now: &Reading, discipline: Option<&KernelDiscipline>) -> Option<f64> {
        let Some(discipline) = discipline else {
            (self.maximum_error_us, self.growing_since_ns) = (None, None);
            return None;
        };
        self.was_synchronised |= discipline.synchronised;
        let before = self.maximum_error_us.replace(discipline.maximum_error_us);
        let (Some(before), Some(last)) = (before, self.last) else { return None };
        let elapsed_ns = now.boottime_ns.checked_sub(last.boottime_ns).filter(|elapsed| *elapsed >= 1_000_000_000)?;
        let growth = (discipline.maximum_error_us - before) as f64 / seconds(elapsed_ns);
        // At its ceiling of 16 s it grows no more, and that is no correction.
        if growth >= FREE_RUNNING_GROWTH
            || (growth >= 0.0 && discipline.maximum_error_us >= crate::witness::MAX_ERROR_US)
        {
            let since = *self.growing_since_ns.get_or_insert(last.boottime_ns);
            return Some(seconds(now.boottime_ns.saturating_sub(since)));
        }
        self.growing_since_ns = None;
        None
    }

    fn watch_slew(&mut self, clocks: &Clocks) -> Option<Rate> {
        // Without a raw clock of its own the difference is zero and says nothing.
        if clocks.monotonic_raw_ns == clocks.monotonic_ns {
            return None;
        }
        let point = (clocks.monotonic_raw_ns, difference(clocks.monotonic_ns, clocks.monotonic_raw_ns));
        self.slew.retain(|(raw_ns, _)| *raw_ns < point.0);
        let rate = fit(&self.slew, point, clocks.read_ns);
        if self.slew.last().is_none_or(|(raw_ns, _)| point.0 - raw_ns >= SLEW_POINT_EVERY_NS) {
            self.slew.push(point);
            let surplus = self.slew.len().saturating_sub(MAX_SLEW_POINTS);
            self.slew.drain(..surplus);
        }
        rate
    }
}

impl Steps {
    fn note(&mut self, step_ns: i64, count: u64, now: &Reading) {
        let now_ms = now.realtime_ns.div_euclid(1_000_000);
        if self.first_ms == 0 {
            self.first_ms = now_ms;
        }
        self.count += count;
        self.last_ns = Some(step_ns);
        self.last_ms = now_ms;
        self.last_boottime_ns = now.boottime_ns;
    }
}

/// By how much the wall clock was stepped between two readings, where it was.
fn step_between(last: &Reading, now: &Reading, slewing: Slewing) -> Option<i64> {
    let ahead = |reading: &Reading| i128::from(reading.realtime_ns) - i128::from(reading.boottime_ns);
    let step = ahead(now) - ahead(last);
    let noise = i128::from(last.read_ns) + i128::from(now.read_ns);
    let slewed = match slewing {
        Slewing::Together => 0,
        Slewing::Apart => i128::from(now.boottime_ns - last.boottime_ns) * i128::from(MAX_SLEW_PPM) / 1_000_000,
    };
    (step.abs() > i128::from(MIN_STEP_NS) + noise + slewed)
        .then(|| i64::try_from(step).unwrap_or(if step > 0 { i64::MAX } else { i64::MIN }))
}

fn suspended_ns(reading: &Reading) -> u64 {
    reading.boottime_ns.saturating_sub(reading.monotonic_ns)
}

/// The clocks are not read at the very same time: a microsecond of suspend was none.
fn beyond_noise(ns: u64) -> u64 {
    if ns > MIN_STEP_NS.unsigned_abs() { ns } else { 0 }
}

/// Least squares over the stored points and the present one.
fn fit(points: &[(u64, i64)], now: (u64, i64), read_ns: u64) -> Option<Rate> {
    let origin = points.first()?;
    let span_ns = now.0 - origin.0;
    if span_ns < MIN_SLEW_SPAN_NS {
        return None;
    }
    // Relative to the first point, so that the numbers stay small and a double is exact enough.
    let relative: Vec<(f64, f64)> = points
        .iter()
        .chain([&now])
        .map(|&(raw_ns, slew_ns)| ((raw_ns - origin.0) as f64, slew_ns.wrapping_sub(origin.1) as f64))
        .collect();
    let count = relative.len() as f64;
    let (mean_x, mean_y) = relative.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (covariance, variance) = relative.iter().fold((0.0, 0.0), |(covariance, variance), (x, y)| {
        (covariance + (x - mean_x) * (y - mean_y), variance + (x - mean_x) * (x - mean_x))
    });
    Some(Rate {
        rate_ppm: tidy(covariance / variance * 1e6),
        bound_ppm: tidy(2.0 * read_ns as f64 / span_ns as f64 * 1e6),
        span_seconds: seconds(span_ns),
        samples: relative.len(),
    })
}

/// To a ten-thousandth, which is 9 microseconds a day and far below what any clock keeps.
fn tidy(ppm: f64) -> f64 {
    (ppm * 1e4).round() / 1e4
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(i64::MAX)
}

/// Nanoseconds as seconds.
#[must_use]
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "boot-a";
    const START_NS: i64 = 1_795_262_400_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    /// The clocks so many seconds after the first look, an hour after boot, with an oscillator that runs
    /// `ppm` slower than the slewed clock.
    fn at(elapsed_s: u64, ppm: f64) -> Clocks {
        let elapsed_ns = elapsed_s * SECOND;
        let uptime_ns = 3_600 * SECOND + elapsed_ns;
        Clocks {
            realtime_ns: START_NS + elapsed_ns as i64,
            monotonic_ns: uptime_ns,
            monotonic_raw_ns: uptime_ns - 1000 - (elapsed_ns as f64 * ppm / 1e6) as u64,
            boottime_ns: uptime_ns,
            read_ns: 400,
        }
    }

    fn advance(history: &mut History, clocks: &Clocks) -> Change {
        history.advance(BOOT, clocks, (0, None), None, Slewing::Together)
    }

    #[test]
    fn nothing_happens_on_a_quiet_machine() {
        let mut history = History::default();
        assert_eq!(advance(&mut history, &at(0, 20.0)), Change::default());
        assert_eq!(advance(&mut history, &at(5, 20.0)), Change::default());
        assert_eq!(history.steps().count, 0);
    }

    #[test]
    fn a_step_is_noticed_with_its_sign_and_a_suspend_is_none() {
        let mut history = History::default();
        advance(&mut history, &at(0, 0.1));
        let mut stepped = at(5, 0.1);
        stepped.realtime_ns -= 90 * SECOND as i64;
        assert_eq!(advance(&mut history, &stepped).stepped_ns, Some(-90 * SECOND as i64));
        assert_eq!((history.steps().count, history.steps().last_ns), (1, Some(-90 * SECOND as i64)));
        // Eight hours asleep: wall clock and BOOTTIME go on, MONOTONIC does not.
        let mut resumed = at(10, 0.1);
        resumed.realtime_ns -= 90 * SECOND as i64;
        resumed.realtime_ns += 28_800 * SECOND as i64;
        resumed.boottime_ns += 28_800 * SECOND;
        let change = advance(&mut history, &resumed);
        assert_eq!((change.stepped_ns, change.suspended_ns), (None, 28_800 * SECOND));
        assert_eq!(history.steps().count, 1);
    }

    #[test]
    fn clocks_read_one_after_the_other_are_no_suspend() {
        let clocks = Clocks { boottime_ns: at(0, 0.1).boottime_ns + 548, ..at(0, 0.1) };
        assert_eq!(advance(&mut History::default(), &clocks).suspended_total_ns, 0);
    }

    #[test]
    fn a_change_below_the_noise_is_no_step_and_one_above_is() {
        for (jump_ns, noticed) in [(900_000, false), (1_100_000, true), (-1_100_000, true)] {
            let mut history = History::default();
            advance(&mut history, &at(0, 0.1));
            let mut later = at(300, 0.1);
            later.realtime_ns += jump_ns;
            assert_eq!(advance(&mut history, &later).stepped_ns.is_some(), noticed, "{jump_ns}");
        }
    }

    #[test]
    fn a_slewed_wall_clock_is_no_step_where_the_monotonic_clock_is_not_slewed() {
        let mut later = at(300, 0.0);
        later.realtime_ns += 100_000_000;
        for (slewing, noticed) in [(Slewing::Together, true), (Slewing::Apart, false)] {
            let mut history = History::default();
            history.advance(BOOT, &at(0, 0.0), (0, None), None, slewing);
            let change = history.advance(BOOT, &later, (0, None), None, slewing);
            assert_eq!(change.stepped_ns.is_some(), noticed);
        }
    }

    #[test]
    fn a_step_there_and_back_is_known_from_the_host() {
        let mut history = History::default();
        history.advance(BOOT, &at(0, 0.1), (3, Some(7)), None, Slewing::Together);
        assert_eq!(history.steps().count, 3);
        let change = history.advance(BOOT, &at(5, 0.1), (5, Some(-2_000_000_000)), None, Slewing::Together);
        assert_eq!(change.stepped_ns, Some(-2_000_000_000));
        assert_eq!(history.steps().count, 5);
    }

    #[test]
    fn a_reboot_begins_anew() {
        let mut history = History::default();
        advance(&mut history, &at(0, 0.1));
        let mut rebooted = at(5, 0.1);
        rebooted.realtime_ns += 3_600 * SECOND as i64;
        let change = history.advance("boot-b", &rebooted, (0, None), None, Slewing::Together);
        assert_eq!(change, Change::default());
    }

    #[test]
    fn the_rate_is_found_without_any_source() {
        let mut history = History::default();
        for minute in 0..=70 {
            advance(&mut history, &at(minute * 60, 50.15));
        }
        assert_eq!(history.slew.len(), MAX_SLEW_POINTS);
        let rate = advance(&mut history, &at(71 * 60 + 5, 50.15)).rate.unwrap();
        assert!((rate.rate_ppm - 50.15).abs() < 0.01, "{rate:?}");
        assert!(rate.bound_ppm < 0.001 && rate.span_seconds > 3_600.0, "{rate:?}");
        // Serialised, it stays far below the quota.
        assert!(serde_json::to_string(&history).unwrap().len() < 4_096);
    }

    #[test]
    fn without_a_raw_clock_there_is_no_rate() {
        let mut history = History::default();
        for elapsed in [0, 60, 120] {
            let clocks = Clocks { monotonic_raw_ns: at(elapsed, 0.0).monotonic_ns, ..at(elapsed, 0.0) };
            assert_eq!(advance(&mut history, &clocks).rate, None);
        }
    }

    #[test]
    fn maxerror_that_grows_says_that_nobody_corrects_the_clock() {
        let mut history = History::default();
        let mut look = |elapsed: u64, maximum_error_us: i64| {
            let discipline = KernelDiscipline { synchronised: true, maximum_error_us, ..Default::default() };
            history
                .advance(BOOT, &at(elapsed, 0.1), (0, None), Some(&discipline), Slewing::Together)
                .uncorrected_seconds
        };
        assert_eq!(look(0, 1_000), None);
        assert_eq!(look(5, 3_500), Some(5.0));
        assert_eq!(look(10, 6_000), Some(10.0));
        assert_eq!(look(15, 900), None, "corrected");
        assert_eq!(look(20, 3_400), Some(5.0));
        assert_eq!(look(32_000, 16_000_000), Some(31_985.0));
        assert_eq!(look(33_000, 16_000_000), Some(32_985.0), "at its ceiling it cannot grow");
    }
}
