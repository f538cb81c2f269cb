//! Thirty days of heartbeats by simulated time, with deaths, restarts of ghostd, suspends and maintenance, rolled up as
//! they grow old. What the store and `uptime` say of them is held against a count that was made second by second
//! beside them, and the history's size against what is promised.

use super::super::testing::*;
use super::super::*;
use crate::model::{DaemonBeat, Heartbeat, Moment, Standing};
use crate::uptime;

const DAY: i64 = 86_400;
const DAYS: i64 = 30;
/// Seconds from beat to beat. Ten, so that the test is quick: `GHOSTD_EVERY=5` is the default interval's figure.
fn every() -> i64 {
    std::env::var("GHOSTD_EVERY").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

const DAEMONS: usize = 8;

/// What the history of a beat every ten seconds may take.
const LIMIT_BYTES: u64 = 60_000_000;

/// A small generator of numbers, so that every run is the same.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What happens: at each second of the thirty days how each daemon stands, and whether ghostd looks.
struct Story {
    /// By daemon and second.
    stands: Vec<Vec<Standing>>,
    /// By second: whether ghostd runs and the machine is awake.
    looks: Vec<bool>,
    /// By second: which boot it is.
    boot: Vec<u32>,
}

fn story() -> Story {
    let seconds = usize::try_from(DAYS * DAY).unwrap();
    let mut numbers = Numbers(42);
    let mut stands = vec![vec![Standing::Up; seconds]; DAEMONS];
    for (index, stands) in stands.iter_mut().enumerate() {
        // The last one is not seen for a week.
        if index == DAEMONS - 1 {
            stands[..seconds / 4].fill(Standing::Unknown);
        }
        for _ in 0..60 {
            let from = numbers.next(seconds as u64) as usize;
            let until = (from + 1 + numbers.next(3_000) as usize).min(seconds);
            let standing = [Standing::Down, Standing::Down, Standing::Paused, Standing::Maintenance];
            stands[from..until].fill(standing[numbers.next(4) as usize]);
        }
    }
    let (mut looks, mut boot) = (vec![true; seconds], vec![0; seconds]);
    for number in 0..40 {
        let from = numbers.next(seconds as u64) as usize;
        let until = (from + 1 + numbers.next(20_000) as usize).min(seconds);
        looks[from..until].fill(false);
        // Every fifth is a reboot; the others are restarts of ghostd and suspends.
        if number % 5 == 0 {
            boot[until..].iter_mut().for_each(|boot| *boot += 1);
        }
    }
    Story { stands, looks, boot }
}

fn beat(sequence: u64, second: i64, story: &Story, numbers: &mut Numbers) -> Heartbeat {
    let index = usize::try_from(second).unwrap();
    let boot = story.boot[index];
    let now = Moment { boot_id: format!("00000000-0000-4000-8000-00000000{boot:04}").into(), ..at(second) };
    let mut beat = heartbeat(sequence, &now);
    beat.clock_status = "synced".to_owned();
    beat.interval_ms = every().unsigned_abs() * 1_000;
    beat.clock_offset_seconds = Some(numbers.next(1_000_000) as f64 / 1e9);
    let names = [
        "relayCore",
        "watchdog",
        "executor",
        "healer",
        "validationEngine",
        "messageQueue",
        "healthAggregator",
        "decisionEngine",
    ];
    beat.daemons = (0..DAEMONS)
        .map(|daemon| {
            let standing = story.stands[daemon][index];
            let runs = matches!(standing, Standing::Up | Standing::Paused | Standing::Maintenance);
            DaemonBeat {
                name: names[daemon].to_owned(),
                status: match standing {
                    Standing::Down => "failed",
                    Standing::Paused => "paused",
                    Standing::Unknown => "unknown",
                    _ => "running",
                }
                .to_owned(),
                pid: runs.then_some(10_000 + daemon as u32),
                uptime_seconds: runs.then_some(second as f64 + 0.25),
                cpu_percent: runs.then_some(numbers.next(1_000) as f64 / 100.0),
                memory_bytes: runs.then_some(60_000_000 + numbers.next(1 << 12) * 4_096),
                restart_count: Some(3),
                maintenance: standing == Standing::Maintenance,
                ping: None,
                heartbeat_file: None,
            }
        })
        .collect();
    beat
}

/// Seconds by standing of one daemon in the last so many, counted one by one. A second counts where ghostd looks, where
/// it belongs to a beat (`holds` has the second of that beat), and as what that beat said.
fn oracle(story: &Story, holds: &[Option<u32>], daemon: usize, seconds: i64) -> [f64; Standing::COUNT] {
    let mut counted = [0.0; Standing::COUNT];
    let first = usize::try_from((DAYS * DAY - seconds).max(0)).unwrap();
    for beat in holds[first..].iter().flatten() {
        counted[story.stands[daemon][*beat as usize] as usize] += 1.0;
    }
    counted[Standing::NoData as usize] = seconds as f64 - counted.iter().sum::<f64>();
    counted
}

#[test]
fn thirty_days_are_counted_as_an_independent_count_has_them_and_stay_small() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let (story, every) = (story(), every());
    let mut numbers = Numbers(7);
    let mut holds: Vec<Option<u32>> = vec![None; story.looks.len()];
    let (mut sequence, mut last): (u64, Option<i64>) = (1, None);
    let mut beats = Vec::new();
    for second in 0..DAYS * DAY {
        let index = usize::try_from(second).unwrap();
        let changed = last.is_some_and(|last| {
            let last = usize::try_from(last).unwrap();
            (0..DAEMONS).any(|daemon| story.stands[daemon][last] != story.stands[daemon][index])
        });
        // A death triggers a beat of its own.
        let due = story.looks[index] && (second % every == 0 || changed);
        if due {
            if let Some(before) = last.filter(|before| second - before <= 2 * every) {
                let before = usize::try_from(before).unwrap();
                if story.boot[before] == story.boot[index] {
                    holds[before..index].fill(Some(before as u32));
                }
            }
            beats.push(beat(sequence, second, &story, &mut numbers));
            (sequence, last) = (sequence + 1, Some(second));
        }
        if second % 3_600 == 3_599 {
            store.record(&Batch { heartbeats: std::mem::take(&mut beats), ..Batch::default() }).unwrap();
            let now = at(second);
            while store.roll_up(&HistoryPolicy::default(), &now).unwrap() {}
        }
    }
    let now = at(DAYS * DAY);
    let reader = Reader::open(dir.path()).unwrap();
    let names: Vec<String> =
        beat(0, DAYS * DAY - 1, &story, &mut numbers).daemons.into_iter().map(|one| one.name).collect();
    let told = uptime::read(&reader, names.iter().map(String::as_str), now.wall).unwrap();
    for (daemon, name) in names.iter().enumerate() {
        let uptime = told.iter().find(|uptime| uptime.name == *name).unwrap();
        for window in &uptime.windows {
            let expected = oracle(&story, &holds, daemon, window.window_seconds.cast_signed());
            let counted = &window.counted;
            let found = [
                (Standing::Up, counted.up_seconds),
                (Standing::Down, counted.down_seconds),
                (Standing::Paused, counted.paused_seconds),
                (Standing::Maintenance, counted.maintenance_seconds),
                (Standing::Unknown, counted.unknown_seconds),
                (Standing::NoData, counted.no_data_seconds),
            ];
            for (standing, found) in found {
                let expected = expected[standing as usize];
                // At the edge of a while a stretch of a minute or an hour counts by its part; these begin with one.
                assert!(
                    (found - expected).abs() < 1.0,
                    "{name} {} {standing:?}: {found} and not {expected}",
                    window.window
                );
            }
            let judged = counted.up_seconds + counted.down_seconds + counted.paused_seconds;
            let percent = (judged > 0.0).then(|| 100.0 * counted.up_seconds / judged);
            assert_eq!(window.percent, percent);
        }
    }
    let size = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |metadata| metadata.len());
    store.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let bytes = size("ghost.db");
    let rows = |table: &str, width: &str| -> (i64, i64) {
        let text = if table == "heartbeats" { "beat" } else { "summary" };
        let query = format!("SELECT count(*), sum(length({text})) FROM {table} {width}");
        store.db.query_row(&query, [], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0)))).unwrap()
    };
    println!(
        "{} beats of {DAEMONS} daemons over {DAYS} days: the database has {:.1} MB; rows and bytes of text: raw {:?}, \
         minutes {:?}, hours {:?}",
        sequence - 1,
        bytes as f64 / 1e6,
        rows("heartbeats", ""),
        rows("beat_summaries", "WHERE width = 60"),
        rows("beat_summaries", "WHERE width = 3600"),
    );
    assert!(bytes < LIMIT_BYTES, "{bytes} bytes");
}
