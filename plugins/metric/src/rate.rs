//! From two readings of a counter to a rate: over which time, and when there is none.

use ghostd_sdk::Invocation;
use serde::{Deserialize, Serialize};

/// Rates over less than this are noise, in nanoseconds: then the older base is kept and none is given.
pub(crate) const MIN_SPAN_NS: u64 = 1_000_000_000;

/// When a base was taken.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Moment {
    /// The boot of the machine: counters of another boot are others.
    pub(crate) boot_id: String,
    /// CLOCK_BOOTTIME in nanoseconds.
    pub(crate) boottime_ns: u64,
}

/// What lies between a base and now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Span {
    /// There is no base of this boot: no rates, and what is read now becomes the base.
    None,
    /// The base is too young: no rates, and it stays the base.
    TooShort,
    /// Rates are over this many seconds, and what is read now becomes the base.
    Seconds(f64),
}

impl Moment {
    /// The moment of a call.
    #[must_use]
    pub(crate) fn of(call: &Invocation) -> Self {
        Self { boot_id: call.boot_id.clone(), boottime_ns: call.monotonic_ns }
    }

    /// What lies between `base` and this moment.
    #[must_use]
    pub(crate) fn since(&self, base: Option<&Self>) -> Span {
        let Some(base) = base.filter(|base| base.boot_id == self.boot_id) else { return Span::None };
        match self.boottime_ns.checked_sub(base.boottime_ns) {
            None => Span::None,
            Some(elapsed_ns) if elapsed_ns < MIN_SPAN_NS => Span::TooShort,
            Some(elapsed_ns) => Span::Seconds(elapsed_ns as f64 / 1e9),
        }
    }
}

impl Span {
    /// The seconds, where there are rates.
    #[must_use]
    pub(crate) fn seconds(self) -> Option<f64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::None | Self::TooShort => None,
        }
    }

    /// Whether what is read now becomes the base.
    #[must_use]
    pub(crate) fn renews_base(self) -> bool {
        self != Self::TooShort
    }
}

/// The growth of counters that belong together, such as those of one device. None where any of them
/// went backwards: then the device is another one, or was reset, and all of them began anew.
#[must_use]
pub(crate) fn growth<const N: usize>(now: [u64; N], base: [u64; N]) -> Option<[u64; N]> {
    let mut grown = [0; N];
    for ((grown, now), base) in grown.iter_mut().zip(now).zip(base) {
        *grown = now.checked_sub(base)?;
    }
    Some(grown)
}

/// So much per second, to three decimals.
#[must_use]
pub(crate) fn per_second(grown: u64, seconds: f64) -> f64 {
    tidy(grown as f64 / seconds)
}

/// A part of a whole in percent, to three decimals; none of nothing.
#[must_use]
pub(crate) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| tidy(part as f64 * 100.0 / whole as f64))
}

/// To three decimals: more would be noise, and would be stored.
#[must_use]
pub(crate) fn tidy(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(boot: &str, boottime_ns: u64) -> Moment {
        Moment { boot_id: boot.to_owned(), boottime_ns }
    }

    #[test]
    fn a_span_needs_a_base_of_this_boot_that_is_a_second_old() {
        let now = moment("a", 10_000_000_000);
        assert_eq!(now.since(None), Span::None);
        assert_eq!(now.since(Some(&moment("b", 1))), Span::None, "reboot in between");
        assert_eq!(now.since(Some(&moment("a", 9_000_000_001))), Span::TooShort);
        assert_eq!(now.since(Some(&moment("a", 9_000_000_000))), Span::Seconds(1.0));
        assert_eq!(now.since(Some(&moment("a", 11_000_000_000))), Span::None, "from the future");
        assert!(!Span::TooShort.renews_base() && Span::None.renews_base() && Span::Seconds(1.0).renews_base());
    }

    #[test]
    fn counters_that_went_backwards_begin_anew_together() {
        assert_eq!(growth([5, 7], [2, 7]), Some([3, 0]));
        assert_eq!(growth([5, 6], [2, 7]), None);
        assert_eq!(growth([u64::MAX], [0]), Some([u64::MAX]));
    }

    #[test]
    fn nothing_has_no_percentage() {
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(1, 3), Some(33.333));
        assert_eq!(percent(0, 3), Some(0.0));
    }
}
