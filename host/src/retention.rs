//! Which snapshots are kept and which are removed, each with its reason.
//!
//! Owns: that decision, as a pure function of the catalog, the policy and the time. Must not know: how anything is
//! removed.
//!
//! Precedence, first match wins:
//!
//! 1. A mark by hand keeps, whatever any cap says. So does being the newest of all.
//! 2. `max_size` removes the oldest until what is kept fits, whatever else protects it.
//! 3. Protection keeps: the `keep_last` newest; the newest of each of the last `keep_hourly` hours that have one, of
//!    days, weeks, months; and the newest `max_important` of those that something else than a hand marked.
//! 4. `max_age` removes what is older; `max_count` removes the oldest of those that nothing protects.
//! 5. What is left is kept.
//!
//! Time. Order is by sequence. Times are the recorded ones, with the clock's steps taken out: between two snapshots
//! of one boot, boot time says how long it really was. After a step, and after a gap across a boot that is longer
//! than a day or negative, nobody can say how old anything is until the clock has run for a day without another:
//! so long nothing is removed for its age.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{Datelike as _, Timelike as _};
use serde::Serialize;

use crate::model::{Moment, SnapshotId, Wall};

/// How far the wall clock may be from boot time, from one snapshot to the next, before it is a step: `adjtime` slews
/// half a millisecond a second, a leap second is one.
pub const STEP_TOLERANCE: Duration = Duration::from_secs(60);
/// How long a clock must have run without a step before ages are believed, and the longest gap across a boot that
/// needs no such proof.
pub const SETTLING_TIME: Duration = Duration::from_secs(24 * 3_600);
/// The most that one pass removes, so that a wrong policy or a wrong clock does not empty a store in one stroke.
pub const MAX_REMOVALS: usize = 500;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// What is to be kept. A cap that is `None` does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// At most so many that nothing protects.
    pub max_count: Option<u64>,
    /// Nothing that is older and that nothing protects.
    pub max_age: Option<Duration>,
    /// At most so many bytes of files in all.
    pub max_size_bytes: Option<u64>,
    /// So many of the newest; one at least.
    pub keep_last: u64,
    /// The newest of each of the last so many hours that have one, in UTC.
    pub keep_hourly: u64,
    /// The same by days.
    pub keep_daily: u64,
    /// The same by ISO weeks.
    pub keep_weekly: u64,
    /// The same by months.
    pub keep_monthly: u64,
    /// So many of the newest that an alert, a finding or a failure marked.
    pub max_important: Option<u64>,
}

/// A snapshot as far as this decision goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub id: SnapshotId,
    /// Its place in the order.
    pub sequence: u64,
    /// When it was captured, on all clocks.
    pub captured_at: Moment,
    /// Bytes of its file.
    pub size_bytes: u64,
    /// Who wants it kept.
    pub importance: Importance,
}

/// Who wants a snapshot kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Importance {
    /// Nobody in particular.
    Ordinary,
    /// An alert, a critical finding, a failure.
    Automatic,
    /// A person.
    ByHand,
}

/// Why a snapshot is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepReason {
    /// Somebody marked it.
    MarkedByHand,
    /// It is the newest, or one of the `keep_last` newest.
    Newest,
    /// It was marked by an alert, a finding or a failure.
    Important,
    /// It is the newest of its hour.
    Hourly,
    /// It is the newest of its day.
    Daily,
    /// It is the newest of its week.
    Weekly,
    /// It is the newest of its month.
    Monthly,
    /// No cap reaches it.
    WithinCaps,
    /// It is over a cap, and its turn is in a later pass.
    NotYet,
}

/// Why a snapshot is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoveReason {
    /// All together are larger than `max_size`.
    MaxSize,
    /// It is older than `max_age`.
    MaxAge,
    /// There are more than `max_count`.
    MaxCount,
}

impl RemoveReason {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxSize => "max_size",
            Self::MaxAge => "max_age",
            Self::MaxCount => "max_count",
        }
    }
}

/// Why nothing is removed for its age in this pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ClockDoubt {
    /// The clock was set while the machine ran.
    #[error("the clock was set by {by_seconds} s less than a day ago, so nobody can say how old a snapshot is")]
    Stepped {
        /// Positive for a step forward.
        by_seconds: i64,
    },
    /// The machine booted, and by the clock it was off for less than no time, or for long.
    #[error("by the clock {gap_seconds} s passed across a boot less than a day ago, which is not believed yet")]
    Boot {
        /// Negative where the clock went back.
        gap_seconds: i64,
    },
}

/// What is to be done, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What stays, newest first, each with every reason that speaks for it.
    pub keep: Vec<(SnapshotId, Vec<KeepReason>)>,
    /// What goes, oldest first.
    pub remove: Vec<(SnapshotId, RemoveReason)>,
    /// Why nothing is removed for its age, where that is so.
    pub doubt: Option<ClockDoubt>,
    /// How many are over a cap and wait for a later pass.
    pub postponed: usize,
}

/// Decides. `candidates` may come in any order.
pub fn plan(candidates: &[Candidate], policy: &Policy, now: &Moment) -> Plan {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by_key(|candidate| (std::cmp::Reverse(candidate.sequence), candidate.id));
    let timeline = Timeline::of(&order, now);
    let mut reasons = protections(&order, &timeline, policy);
    let mut remove: BTreeMap<usize, RemoveReason> = BTreeMap::new();

    let mut kept_bytes: u64 = order.iter().map(|candidate| candidate.size_bytes).sum();
    for place in (0..order.len()).rev() {
        if policy.max_size_bytes.is_none_or(|cap| kept_bytes <= cap) {
            break;
        }
        if place > 0 && order[place].importance != Importance::ByHand {
            kept_bytes -= order[place].size_bytes;
            remove.insert(place, RemoveReason::MaxSize);
        }
    }
    let mut unprotected = 0;
    for (place, reasons) in reasons.iter().enumerate() {
        if !reasons.is_empty() || remove.contains_key(&place) {
            continue;
        }
        let is_too_old = timeline.doubt.is_none()
            && policy
                .max_age
                .is_some_and(|cap| timeline.age_ns[place] > i64::try_from(cap.as_nanos()).unwrap_or(i64::MAX));
        unprotected += 1;
        if is_too_old {
            remove.insert(place, RemoveReason::MaxAge);
        } else if policy.max_count.is_some_and(|cap| unprotected > cap) {
            remove.insert(place, RemoveReason::MaxCount);
        }
    }

    let mut plan = Plan { doubt: timeline.doubt, ..Plan::default() };
    for (place, candidate) in order.iter().enumerate().rev() {
        match remove.get(&place) {
            Some(&reason) if plan.remove.len() < MAX_REMOVALS => plan.remove.push((candidate.id, reason)),
            Some(_) => {
                plan.postponed += 1;
                plan.keep.push((candidate.id, vec![KeepReason::NotYet]));
            }
            None => {
                let mut why = std::mem::take(&mut reasons[place]);
                if why.is_empty() {
                    why.insert(KeepReason::WithinCaps);
                }
                plan.keep.push((candidate.id, why.into_iter().collect()));
            }
        }
    }
    plan.keep.reverse();
    plan
}

/// Why ages are not to be believed now, where that is so.
pub fn clock_doubt(candidates: &[Candidate], now: &Moment) -> Option<ClockDoubt> {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by_key(|candidate| (std::cmp::Reverse(candidate.sequence), candidate.id));
    Timeline::of(&order, now).doubt
}

/// When things really were, as far as that can be told.
struct Timeline {
    /// The recorded time with the steps since then taken out, newest first.
    at: Vec<Wall>,
    /// How long before now that was.
    age_ns: Vec<i64>,
    doubt: Option<ClockDoubt>,
}

impl Timeline {
    fn of(order: &[&Candidate], now: &Moment) -> Self {
        let mut at = Vec::with_capacity(order.len());
        let mut doubt = None;
        // What has to be added to a recorded time so that it fits to what is later.
        let mut correction: i64 = 0;
        let mut later = now;
        for candidate in order {
            let earlier = &candidate.captured_at;
            let by_wall = later.wall.0.saturating_sub(earlier.wall.0);
            let is_recent = later.boot_id == now.boot_id
                && now.boottime_ns.saturating_sub(later.boottime_ns) < ns(SETTLING_TIME).unsigned_abs();
            if later.boot_id == earlier.boot_id {
                let by_boot = later.boottime_ns.saturating_sub(earlier.boottime_ns).min(i64::MAX.unsigned_abs());
                let step = by_wall.saturating_sub(by_boot.cast_signed());
                if step.saturating_abs() > ns(STEP_TOLERANCE) {
                    correction = correction.saturating_add(step);
                    if is_recent {
                        doubt = doubt.or(Some(ClockDoubt::Stepped { by_seconds: step / NS_PER_SECOND }));
                    }
                }
            } else {
                if by_wall < 0 {
                    correction = correction.saturating_add(by_wall);
                }
                let booted_lately = later.boot_id == now.boot_id && now.boottime_ns < ns(SETTLING_TIME).unsigned_abs();
                if booted_lately && !(0..=ns(SETTLING_TIME)).contains(&by_wall) {
                    doubt = doubt.or(Some(ClockDoubt::Boot { gap_seconds: by_wall / NS_PER_SECOND }));
                }
            }
            at.push(earlier.wall.plus_ns(correction));
            later = earlier;
        }
        let age_ns = at.iter().map(|at| now.wall.0.saturating_sub(at.0).max(0)).collect();
        Self { at, age_ns, doubt }
    }
}

fn ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Which hour, day, week or month a time is in.
type BucketOf = fn(Wall) -> i64;

/// Everything that speaks for each, newest first.
fn protections(order: &[&Candidate], timeline: &Timeline, policy: &Policy) -> Vec<BTreeSet<KeepReason>> {
    let mut reasons = vec![BTreeSet::new(); order.len()];
    let newest = usize::try_from(policy.keep_last.max(1)).unwrap_or(usize::MAX);
    for reasons in reasons.iter_mut().take(newest) {
        reasons.insert(KeepReason::Newest);
    }
    let mut important = 0;
    for (candidate, reasons) in order.iter().zip(&mut reasons) {
        match candidate.importance {
            Importance::Ordinary => {}
            Importance::ByHand => {
                reasons.insert(KeepReason::MarkedByHand);
            }
            Importance::Automatic => {
                important += 1;
                if policy.max_important.is_none_or(|cap| important <= cap) {
                    reasons.insert(KeepReason::Important);
                }
            }
        }
    }
    let calendars: [(u64, KeepReason, BucketOf); 4] = [
        (policy.keep_hourly, KeepReason::Hourly, hour_of),
        (policy.keep_daily, KeepReason::Daily, day_of),
        (policy.keep_weekly, KeepReason::Weekly, week_of),
        (policy.keep_monthly, KeepReason::Monthly, month_of),
    ];
    for (count, reason, bucket_of) in calendars {
        let mut left = count;
        let mut last = None;
        for (at, reasons) in timeline.at.iter().zip(&mut reasons) {
            let bucket = bucket_of(*at);
            if left > 0 && last != Some(bucket) {
                left -= 1;
                last = Some(bucket);
                reasons.insert(reason);
            }
        }
    }
    reasons
}

fn hour_of(at: Wall) -> i64 {
    day_of(at) * 24 + i64::from(at.to_utc().hour())
}

fn day_of(at: Wall) -> i64 {
    i64::from(at.to_utc().num_days_from_ce())
}

fn week_of(at: Wall) -> i64 {
    let week = at.to_utc().iso_week();
    i64::from(week.year()) * 100 + i64::from(week.week())
}

fn month_of(at: Wall) -> i64 {
    let at = at.to_utc();
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

#[cfg(test)]
mod tests;
