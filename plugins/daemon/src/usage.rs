//! How much of a processor a process uses, from two samples of what it consumed.
//!
//! Owns the samples: there is always one that is at least a second old, also when beats are quicker.

use crate::memory::{CpuSamples, Id};

/// A shorter span says more about the tick of the kernel's clock (10 ms) than about the process.
pub const MIN_SPAN_NS: u64 = 1_000_000_000;

/// A share of one core over a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Percent of one core: a process with two busy threads uses 200.
    pub percent: f64,
    /// The span in seconds.
    pub span_seconds: f64,
}

/// Adds a sample, and says what was used since one that is at least a second old; none where there is
/// no such sample of this process.
#[must_use]
pub fn sample(before: Option<CpuSamples>, id: Id, now_ns: u64, consumed_ms: u64) -> (CpuSamples, Option<Usage>) {
    let now = (now_ns, consumed_ms);
    let Some(before) = before.filter(|before| before.id == id && before.newer.0 <= now_ns) else {
        return (CpuSamples { id, newer: now, older: None }, None);
    };
    if now_ns - before.newer.0 >= MIN_SPAN_NS {
        return (CpuSamples { id, newer: now, older: Some(before.newer) }, usage(before.newer, now));
    }
    let older = before.older.filter(|older| now_ns.saturating_sub(older.0) >= MIN_SPAN_NS);
    (before, older.and_then(|older| usage(older, now)))
}

/// A number with two digits behind the point.
#[must_use]
pub fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "spans and consumption stay far below 2^53")]
fn usage(from: (u64, u64), to: (u64, u64)) -> Option<Usage> {
    let span_ns = to.0.checked_sub(from.0).filter(|&span| span > 0)?;
    // Less than before is possible: the kernel scales both halves of the time anew with each reading.
    let used_ms = to.1.saturating_sub(from.1);
    let span_seconds = span_ns as f64 / 1e9;
    Some(Usage { percent: round(used_ms as f64 / 10.0 / span_seconds), span_seconds: round(span_seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const ID: Id = (7, 70);

    #[test]
    fn two_looks_give_the_share_of_one_core() {
        let (samples, usage) = sample(None, ID, 0, 1000);
        assert_eq!(usage, None);
        let (samples, usage) = sample(Some(samples), ID, 5_000 * MS, 3500);
        assert_eq!(usage, Some(Usage { percent: 50.0, span_seconds: 5.0 }));
        let (_, usage) = sample(Some(samples), ID, 6_000 * MS, 5500);
        assert_eq!(usage, Some(Usage { percent: 200.0, span_seconds: 1.0 }));
    }

    #[test]
    fn quick_beats_measure_over_a_second_or_two_and_never_over_less() {
        let mut samples = None;
        for beat in 0..50_u64 {
            let (after, usage) = sample(samples, ID, beat * 200 * MS, beat * 20);
            samples = Some(after);
            match usage {
                None => assert!(beat < 5, "beat {beat}"),
                Some(usage) => {
                    assert!((1.0..2.0).contains(&usage.span_seconds), "{usage:?}");
                    assert!((usage.percent - 10.0).abs() < 1e-9, "{usage:?}");
                }
            }
        }
    }

    #[test]
    fn another_process_or_another_boot_starts_anew() {
        let (samples, _) = sample(None, ID, 5_000 * MS, 1000);
        assert_eq!(sample(Some(samples), (7, 71), 9_000 * MS, 5).1, None);
        assert_eq!(sample(Some(samples), ID, 4_000 * MS, 5).1, None);
    }

    #[test]
    fn time_that_was_scaled_down_is_nothing_used() {
        let (samples, _) = sample(None, ID, 0, 1000);
        assert_eq!(sample(Some(samples), ID, 2_000 * MS, 990).1, Some(Usage { percent: 0.0, span_seconds: 2.0 }));
    }
}
