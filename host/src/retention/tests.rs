use proptest::prelude::*;

use super::*;

const START: i64 = 1_795_219_200; // 2026-11-21T00:00:00Z
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The wall clock at so many seconds after the start, in one boot that began a month before.
fn at(seconds: i64) -> Moment {
    Moment {
        wall: Wall((START + seconds) * NS_PER_SECOND),
        boottime_ns: ((30 * DAY + seconds) * NS_PER_SECOND).unsigned_abs(),
        boot_id: "a".into(),
    }
}

fn candidate(sequence: u64, captured_at: Moment, importance: Importance) -> Candidate {
    let id = format!("01931f2e-7c1a-7000-8000-{sequence:012x}").parse().unwrap();
    Candidate { id, sequence, captured_at, size_bytes: 10, importance }
}

/// One every five minutes, up to `now`.
fn every_five_minutes(count: i64, now: i64) -> Vec<Candidate> {
    (0..count)
        .map(|n| candidate((n + 1).unsigned_abs(), at(now - (count - 1 - n) * 300), Importance::Ordinary))
        .collect()
}

fn nothing() -> Policy {
    Policy {
        max_count: None,
        max_age: None,
        max_size_bytes: None,
        keep_last: 1,
        keep_hourly: 0,
        keep_daily: 0,
        keep_weekly: 0,
        keep_monthly: 0,
        max_important: None,
    }
}

fn defaults() -> Policy {
    Policy {
        max_count: Some(100),
        max_age: Some(Duration::from_secs(7 * DAY.unsigned_abs())),
        keep_hourly: 168,
        ..nothing()
    }
}

fn removed(plan: &Plan) -> Vec<SnapshotId> {
    plan.remove.iter().map(|(id, _)| *id).collect()
}

#[test]
fn a_week_at_the_defaults_leaves_a_hundred_and_one_an_hour() {
    // As in life: a pass every hour, what it removes is gone.
    let mut there: Vec<Candidate> = Vec::new();
    for hour in 1..=9 * 24 {
        let all = every_five_minutes(12 * hour, hour * HOUR);
        there.extend(all.into_iter().skip(usize::try_from(12 * (hour - 1)).unwrap()));
        let gone = removed(&plan(&there, &defaults(), &at(hour * HOUR)));
        there.retain(|candidate| !gone.contains(&candidate.id));
    }
    let hours: BTreeSet<i64> = there.iter().map(|candidate| hour_of(candidate.captured_at.wall)).collect();
    assert_eq!(hours.len(), 168);
    assert!((260..=280).contains(&there.len()), "{}", there.len());
}

#[test]
fn the_originals_plain_hundred() {
    let all = every_five_minutes(150, DAY);
    let plan = plan(&all, &Policy { keep_hourly: 0, ..defaults() }, &at(DAY));
    // The newest is protected and so not among the hundred.
    assert_eq!(plan.remove.len(), 49);
    assert!(plan.remove.iter().all(|(_, reason)| *reason == RemoveReason::MaxCount));
    assert_eq!(plan.remove[0].0, all[0].id, "oldest first");
    assert_eq!(plan.keep[0], (all[149].id, vec![KeepReason::Newest]));
    assert_eq!(plan.keep[1], (all[148].id, vec![KeepReason::WithinCaps]));
}

#[test]
fn size_beats_protection_but_not_a_hand_nor_the_newest() {
    let mut all = every_five_minutes(10, HOUR);
    all[0].importance = Importance::ByHand;
    all[1].importance = Importance::Automatic;
    let policy = Policy { max_size_bytes: Some(35), keep_last: 5, ..nothing() };
    let plan = plan(&all, &policy, &at(HOUR));
    let kept: Vec<u64> = plan.keep.iter().map(|(id, _)| all.iter().find(|c| c.id == *id).unwrap().sequence).collect();
    assert_eq!(kept, [10, 9, 1]);
    assert!(plan.remove.iter().all(|(_, reason)| *reason == RemoveReason::MaxSize));
    // Even where nothing fits.
    let plan = super::plan(&all, &Policy { max_size_bytes: Some(0), ..policy }, &at(HOUR));
    assert_eq!(plan.keep.len(), 2);
}

#[test]
fn important_ones_are_kept_up_to_their_number() {
    let mut all = every_five_minutes(10, 20 * DAY);
    for important in [1, 3, 5] {
        all[important].importance = Importance::Automatic;
    }
    let policy = Policy { max_count: Some(0), max_important: Some(2), ..nothing() };
    let plan = plan(&all, &policy, &at(20 * DAY));
    let kept: Vec<SnapshotId> = plan.keep.iter().map(|(id, _)| *id).collect();
    assert_eq!(kept, [all[9].id, all[5].id, all[3].id]);
    assert_eq!(plan.keep[1].1, [KeepReason::Important]);
}

#[test]
fn one_pass_removes_only_so_many() {
    let all = every_five_minutes(1_000, 20 * DAY);
    let policy = Policy { max_count: Some(10), ..nothing() };
    let plan = plan(&all, &policy, &at(20 * DAY));
    assert_eq!((plan.remove.len(), plan.postponed), (MAX_REMOVALS, 1_000 - 11 - MAX_REMOVALS));
    assert_eq!(plan.remove[0].0, all[0].id);
    assert_eq!(plan.keep.len(), 1_000 - MAX_REMOVALS);
    assert_eq!(plan.keep.last().unwrap().1, [KeepReason::NotYet]);
}

#[test]
fn a_step_of_the_clock_removes_nothing_for_its_age() {
    let policy = Policy { max_age: Some(Duration::from_secs(DAY.unsigned_abs())), ..nothing() };
    let all = every_five_minutes(12 * 20, 0);
    for step in [-HOUR, 30 * DAY, 365 * DAY, -START, 12 * 365 * DAY + DAY] {
        let mut now = at(300);
        now.wall = now.wall.plus_ns(step * NS_PER_SECOND);
        let first = plan(&all, &policy, &now);
        assert_eq!(first.remove, [], "{step}");
        assert_eq!(first.doubt, Some(ClockDoubt::Stepped { by_seconds: step }));
        // The next snapshot has the new time; the step now lies between two snapshots.
        let mut more = all.clone();
        more.push(candidate(1_000, now, Importance::Ordinary));
        let mut later = at(20 * HOUR);
        later.wall = later.wall.plus_ns(step * NS_PER_SECOND);
        assert_eq!(plan(&more, &policy, &later).remove, [], "{step}");
        // A day later the clock is believed, and ages are what they really are.
        let mut later = at(DAY + 301);
        later.wall = later.wall.plus_ns(step * NS_PER_SECOND);
        let settled = plan(&more, &policy, &later);
        assert_eq!(settled.doubt, None);
        let truth = every_five_minutes(12 * 20, 0);
        let old: Vec<SnapshotId> = truth
            .iter()
            .filter(|c| at(DAY + 301).wall.0 - c.captured_at.wall.0 > DAY * NS_PER_SECOND)
            .map(|c| c.id)
            .collect();
        assert_eq!(removed(&settled), old, "{step}");
    }
}

#[test]
fn a_strange_gap_across_a_boot_is_not_believed_for_a_day() {
    let policy = Policy { max_age: Some(Duration::from_secs(DAY.unsigned_abs())), ..nothing() };
    let all = every_five_minutes(10, 0);
    let booted = |wall: i64, up: i64| Moment {
        wall: Wall((START + wall) * NS_PER_SECOND),
        boottime_ns: (up * NS_PER_SECOND).unsigned_abs(),
        boot_id: "b".into(),
    };
    for gap in [-HOUR, 40 * DAY, -START] {
        let plan = plan(&all, &policy, &booted(gap, 60));
        assert_eq!((plan.remove, plan.doubt), (vec![], Some(ClockDoubt::Boot { gap_seconds: gap })));
    }
    // A short one is believed, and a long one once the clock has run for a day.
    assert_eq!(plan(&all, &policy, &booted(2 * HOUR, 60)).doubt, None);
    let plan = plan(&all, &policy, &booted(40 * DAY, DAY + 1));
    assert_eq!((plan.doubt, plan.remove.len()), (None, 9));
}

#[test]
fn an_hour_that_comes_twice_loses_nothing() {
    // The clock goes back by an hour in the middle: both halves fall into the same hour of the wall clock.
    let mut all = every_five_minutes(24, 0);
    for candidate in &mut all[12..] {
        candidate.captured_at.wall = candidate.captured_at.wall.plus_ns(-HOUR * NS_PER_SECOND);
    }
    let mut now = at(10);
    now.wall = now.wall.plus_ns(-HOUR * NS_PER_SECOND);
    let policy = Policy { max_count: Some(0), keep_hourly: 5, ..nothing() };
    let kept = plan(&all, &policy, &now).keep.len();
    assert_eq!(kept, plan(&every_five_minutes(24, 0), &policy, &at(10)).keep.len());
}

/// The same decision by another way: for each snapshot its own question, no order, no running sums.
fn oracle(all: &[Candidate], policy: &Policy, now: &Moment) -> BTreeMap<SnapshotId, RemoveReason> {
    let newer = |than: &Candidate| all.iter().filter(|other| other.sequence > than.sequence).count() as u64;
    let newest_of = |bucket: fn(&str) -> String, keep: u64, one: &Candidate| {
        let name = |candidate: &Candidate| bucket(&candidate.captured_at.wall.to_string());
        let mut names: Vec<String> = all.iter().map(name).collect();
        names.sort();
        names.dedup();
        let place = names.iter().rev().position(|other| *other == name(one)).unwrap() as u64;
        let is_newest = !all.iter().any(|other| other.sequence > one.sequence && name(other) == name(one));
        is_newest && place < keep
    };
    let week = |text: &str| {
        let at = chrono::DateTime::parse_from_rfc3339(text).unwrap();
        at.format("%G-%V").to_string()
    };
    let is_protected = |one: &Candidate| {
        newer(one) < policy.keep_last.max(1)
            || one.importance == Importance::ByHand
            || (one.importance == Importance::Automatic && {
                let others = all
                    .iter()
                    .filter(|other| other.importance == Importance::Automatic && other.sequence > one.sequence);
                policy.max_important.is_none_or(|cap| (others.count() as u64) < cap)
            })
            || newest_of(|text| text[..13].to_owned(), policy.keep_hourly, one)
            || newest_of(|text| text[..10].to_owned(), policy.keep_daily, one)
            || newest_of(week, policy.keep_weekly, one)
            || newest_of(|text| text[..7].to_owned(), policy.keep_monthly, one)
    };
    let mut gone = BTreeMap::new();
    loop {
        let there = all.iter().filter(|one| !gone.contains_key(&one.id));
        let bytes: u64 = there.clone().map(|one| one.size_bytes).sum();
        let oldest =
            there.filter(|one| newer(one) > 0 && one.importance != Importance::ByHand).min_by_key(|one| one.sequence);
        match oldest {
            Some(oldest) if policy.max_size_bytes.is_some_and(|cap| bytes > cap) => {
                gone.insert(oldest.id, RemoveReason::MaxSize);
            }
            _ => break,
        }
    }
    let unprotected: Vec<&Candidate> =
        all.iter().filter(|one| !gone.contains_key(&one.id) && !is_protected(one)).collect();
    for one in &unprotected {
        let age = now.wall.0 - one.captured_at.wall.0;
        let newer = unprotected.iter().filter(|other| other.sequence > one.sequence).count() as u64;
        if policy.max_age.is_some_and(|cap| i128::from(age) > cap.as_nanos() as i128) {
            gone.insert(one.id, RemoveReason::MaxAge);
        } else if policy.max_count.is_some_and(|cap| newer >= cap) {
            gone.insert(one.id, RemoveReason::MaxCount);
        }
    }
    gone
}

fn policies() -> impl Strategy<Value = Policy> {
    let cap = |range: std::ops::Range<u64>| proptest::option::of(range);
    ((cap(0..60), cap(0..40 * 24), cap(0..3_000), 0_u64..5), (0_u64..30, 0_u64..10, 0_u64..5, 0_u64..3, cap(0..5)))
        .prop_map(|((max_count, hours, max_size_bytes, keep_last), (hourly, daily, weekly, monthly, max_important))| {
            Policy {
                max_count,
                max_age: hours.map(|hours| Duration::from_secs(hours * 3_600)),
                max_size_bytes,
                keep_last,
                keep_hourly: hourly,
                keep_daily: daily,
                keep_weekly: weekly,
                keep_monthly: monthly,
                max_important,
            }
        })
}

/// Snapshots of one boot with a clock that runs true, in a random order.
fn stores() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (
        1_i64..20_000,
        1_u64..100,
        prop_oneof![
            8 => Just(Importance::Ordinary), 1 => Just(Importance::Automatic), 1 => Just(Importance::ByHand),
        ],
    );
    proptest::collection::vec(one, 0..120)
        .prop_map(|gaps| {
            let mut time = 0;
            gaps.into_iter()
                .zip(1..)
                .map(|((gap, size_bytes, importance), sequence)| {
                    time += gap;
                    Candidate { size_bytes, ..candidate(sequence, at(time), importance) }
                })
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn end_of(all: &[Candidate]) -> i64 {
    all.iter().map(|one| one.captured_at.wall.0 / NS_PER_SECOND - START).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn it_decides_as_the_oracle_does(all in stores(), policy in policies(), later in 0_i64..100_000) {
        let now = at(end_of(&all) + later);
        let plan = plan(&all, &policy, &now);
        prop_assert_eq!(plan.doubt, None);
        prop_assert_eq!(plan.remove.iter().copied().collect::<BTreeMap<_, _>>(), oracle(&all, &policy, &now));
        prop_assert_eq!(plan.keep.len() + plan.remove.len(), all.len());
        prop_assert!(plan.keep.iter().all(|(_, reasons)| !reasons.is_empty()));
    }

    #[test]
    fn a_second_pass_has_nothing_to_do(all in stores(), policy in policies(), later in 0_i64..100_000) {
        let now = at(end_of(&all) + later);
        let gone = removed(&plan(&all, &policy, &now));
        let left: Vec<Candidate> = all.into_iter().filter(|one| !gone.contains(&one.id)).collect();
        prop_assert_eq!(removed(&plan(&left, &policy, &now)), vec![]);
    }

    /// Whole days, so that hours and days begin where they did.
    #[test]
    fn a_step_anywhere_removes_nothing_more(
        all in stores(), policy in policies(), place in 0_u64..120, days in -20_000_i64..20_000,
    ) {
        let policy = Policy { keep_weekly: 0, keep_monthly: 0, ..policy };
        let end = end_of(&all);
        let step = |mut moment: Moment| {
            moment.wall = moment.wall.plus_ns(days * DAY * NS_PER_SECOND);
            moment
        };
        let mut stepped = all.clone();
        for one in stepped.iter_mut().filter(|one| one.sequence > place) {
            one.captured_at = step(one.captured_at.clone());
        }
        let truth: BTreeSet<_> = removed(&plan(&all, &policy, &at(end))).into_iter().collect();
        let gone: BTreeSet<_> = removed(&plan(&stepped, &policy, &step(at(end)))).into_iter().collect();
        prop_assert!(gone.is_subset(&truth), "{:?}", gone.difference(&truth));
    }
}
