//! Following real files in a temporary directory: rotations, truncations, restarts, and what is no log at all.

#![expect(clippy::unwrap_used, reason = "this is a test")]
#![expect(clippy::disallowed_methods, reason = "files are written here that nobody keeps")]

use ghostd_anomaly::config::{Config, Source};
use ghostd_anomaly::engine::{Call, Engine, Report};
use ghostd_anomaly::follow::{Follower, Outcome, Turn};
use ghostd_anomaly::logs::Directory;
use ghostd_anomaly::prefilter::Prefilter;
use ghostd_anomaly::scanner::Options;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory that is removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ghostd-anomaly-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A collector that is started anew for every capture, as the sandbox does it.
struct Collector {
    config: Config,
    state: Option<String>,
    logs: Directory,
    now_ms: i64,
}

impl Collector {
    fn new(place: &Place, config: &str) -> Self {
        Self {
            config: serde_json::from_str(config).unwrap(),
            state: None,
            logs: Directory::new(&place.0),
            now_ms: 1_800_000_000_000,
        }
    }

    fn capture(&mut self) -> Report {
        let (mut engine, warning) = Engine::new(self.config.clone(), self.state.as_deref());
        assert_eq!(warning, None);
        let call = Call { now_ms: self.now_ms, attempt: 1, roots: &["".to_owned()], expired: &|| false };
        let mut report = engine.capture(&mut self.logs, &call, &mut |text| text.to_owned());
        engine.settle(&mut report);
        self.state = Some(engine.save(400 * 1024));
        self.now_ms += 60_000;
        report
    }

    fn count(&self) -> u64 {
        let (engine, _) = Engine::new(self.config.clone(), self.state.as_deref());
        engine.findings().filter(|f| f.template.contains("planted")).map(|f| f.count).sum()
    }
}

const ALL_LOGS: &str = r#"{"files":[{"path":"*.log"}]}"#;

#[test]
fn what_is_appended_is_seen_once_across_restarts() {
    let place = Place::new("append");
    let log = place.path("a.log");
    append(&log, "2024-01-02 03:04:05 ERROR planted 1\n2024-01-02 03:04:05 INFO fine\n");
    let mut collector = Collector::new(&place, ALL_LOGS);
    collector.capture();
    assert_eq!(collector.count(), 1);
    for round in 2..20 {
        append(&log, &format!("2024-01-02 03:04:05 ERROR planted {round}\n"));
        collector.capture();
        collector.capture();
        if round % 3 == 0 {
            collector.logs.restart();
        }
        assert_eq!(collector.count(), round);
    }
}

#[test]
fn a_line_is_waited_for_and_then_taken_as_it_is() {
    let place = Place::new("partial");
    let log = place.path("a.log");
    append(&log, "fine\n2024-01-02 03:04:05 ERROR plan");
    let mut collector = Collector::new(&place, ALL_LOGS);
    collector.capture();
    assert_eq!(collector.count(), 0);
    append(&log, "ted in two\n2024-01-02 03:04:05 ERROR planted without an end");
    collector.capture();
    assert_eq!(collector.count(), 1);
    collector.capture();
    assert_eq!(collector.count(), 2);
    append(&log, ", an error that goes on\n2024-01-02 03:04:05 ERROR planted next\n");
    collector.capture();
    assert_eq!(collector.count(), 3);
}

/// What a writer does between two looks.
#[derive(Clone, Copy, PartialEq)]
enum Rotation {
    /// `mv`, `create`; the old one is compressed a rotation later.
    Rename,
    /// `mv`, `create`; the old one is deleted before anybody looks.
    Delete,
}

fn rotate(rotation: Rotation, rounds: u64, place: &Place) -> (u64, u64, u64) {
    let log = place.path("a.log");
    let mut collector = Collector::new(place, r#"{"files":[{"path":"*.log"}]}"#);
    append(&log, "start\n");
    collector.capture();
    let mut planted = 0;
    let mut losses = 0;
    let plant = |path: &Path, planted: &mut u64| {
        *planted += 1;
        append(
            path,
            &format!("2024-01-02 03:04:05 ERROR planted {planted}\n2024-01-02 03:04:05 INFO fine {planted}\n"),
        );
    };
    for round in 0..rounds {
        plant(&log, &mut planted);
        if round % 3 == 0 {
            losses += collector.capture().outcome.losses.len() as u64;
            plant(&log, &mut planted);
        }
        // The rotation comes between two looks, with bytes on both sides of it that nobody has seen.
        let old = place.path("a.log.1");
        if rotation == Rotation::Rename {
            if old.exists() {
                // Delayed compression: another file with another content takes its place.
                fs::write(place.path(&format!("a.log.{}.gz", round % 5 + 2)), b"\x1f\x8b packed").unwrap();
                fs::remove_file(&old).unwrap();
            }
            fs::rename(&log, &old).unwrap();
            // The writer goes on with its old handle for a moment.
            plant(&old, &mut planted);
        } else {
            fs::remove_file(&log).unwrap();
        }
        File::create(&log).unwrap();
        plant(&log, &mut planted);
        losses += collector.capture().outcome.losses.len() as u64;
        if round % 7 == 0 && rotation == Rotation::Rename {
            collector.logs.restart();
            collector.capture();
        }
    }
    collector.capture();
    assert!(collector.logs.kept() < 64, "{} handles are kept", collector.logs.kept());
    (planted, collector.count(), losses)
}

#[test]
fn a_thousand_rotations_by_rename_lose_and_double_nothing() {
    let place = Place::new("rename");
    let (planted, found, losses) = rotate(Rotation::Rename, 1000, &place);
    assert_eq!((found, losses), (planted, 0));
}

#[test]
fn a_thousand_deletions_between_two_looks_lose_nothing_that_was_open() {
    let place = Place::new("delete");
    let (planted, found, losses) = rotate(Rotation::Delete, 1000, &place);
    assert_eq!((found, losses), (planted, 0));
}

#[test]
fn what_goes_with_a_file_that_nobody_held_is_said() {
    for (name, how) in [("deleted", "deleted or moved away"), ("packed", "compressed")] {
        let place = Place::new(name);
        let log = place.path("a.log");
        let mut watcher = Watcher::new(&place);
        append(&log, "2024-01-02 03:04:05 INFO start\n");
        watcher.capture("*.log");
        append(&log, &"2024-01-02 03:04:05 INFO more of it\n".repeat(100_000));
        watcher.budget_bytes = 1 << 20;
        let behind = watcher.capture("*.log").behind_bytes;
        assert!(behind > 0);
        // The daemon is not there when the file goes.
        watcher.logs.restart();
        fs::remove_file(&log).unwrap();
        if name == "packed" {
            fs::write(place.path("a.log.1.gz"), b"\x1f\x8b packed").unwrap();
        }
        let losses: Vec<_> = (0..5).flat_map(|_| watcher.capture("*.log").losses).collect();
        assert_eq!(losses.len(), 1, "{losses:?}");
        assert_eq!((losses[0].at_least_bytes, losses[0].how), (Some(behind), how));
    }
}

#[test]
fn what_was_written_to_a_file_before_it_went_nobody_knows() {
    let place = Place::new("unknown");
    let log = place.path("a.log");
    let mut watcher = Watcher::new(&place);
    append(&log, "2024-01-02 03:04:05 INFO start\n");
    watcher.capture("*.log");
    append(&log, "2024-01-02 03:04:05 INFO more\n");
    watcher.capture("*.log");
    watcher.logs.restart();
    fs::remove_file(&log).unwrap();
    let losses: Vec<_> = (0..5).flat_map(|_| watcher.capture("*.log").losses).collect();
    assert_eq!((losses.len(), losses[0].at_least_bytes), (1, None));
}

/// `GHOSTD_ROTATIONS=n` for other than 60 of them.
#[test]
fn a_writer_at_full_speed_is_followed_through_its_rotations() {
    const LINES: u64 = 400;
    const OLD: u64 = 12;
    let rotations: u64 = std::env::var("GHOSTD_ROTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let place = Place::new("full-speed");
    let base = place.0.clone();
    let looks = Arc::new(AtomicU64::new(0));
    let mut watcher = Watcher::new(&place);
    append(&place.path("a.log"), "start\n");
    watcher.capture("*.log");
    let writer = {
        let looks = Arc::clone(&looks);
        std::thread::spawn(move || {
            let name = |number: u64| base.join(format!("a.log.{number}"));
            let log = base.join("a.log");
            for rotation in 0..rotations {
                let mut text = String::new();
                let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
                for line in 0..LINES {
                    let number = rotation * LINES + line;
                    text = format!("2024-01-02 03:04:05 ERROR planted {number}\n2024-01-02 03:04:05 INFO fine\n");
                    file.write_all(text.as_bytes()).unwrap();
                }
                assert!(!text.is_empty());
                fs::rename(&log, name(rotation + 1)).unwrap();
                // An old one is packed, a very old one deleted.
                if let Some(old) = (rotation + 1).checked_sub(OLD) {
                    let _ = fs::remove_file(name(old));
                    let _ = fs::write(base.join(format!("a.log.{old}.gz")), b"\x1f\x8b packed");
                    let _ = fs::remove_file(base.join(format!("a.log.{}.gz", old.saturating_sub(OLD))));
                }
                // The watcher looks at least twice in a quarter as many rotations as there are old names.
                let seen = looks.load(Ordering::Relaxed);
                while rotation % (OLD / 4) == 0 && looks.load(Ordering::Relaxed) < seen + 2 {
                    std::thread::yield_now();
                }
            }
        })
    };
    let (mut losses, mut restarts, mut rounds) = (Vec::new(), 0, 0u64);
    while !writer.is_finished() {
        losses.extend(watcher.capture("*.log").losses);
        looks.fetch_add(1, Ordering::Relaxed);
        rounds += 1;
        if rounds % 5 == 0 {
            watcher.logs.restart();
            restarts += 1;
        }
    }
    writer.join().unwrap();
    for _ in 0..5 {
        losses.extend(watcher.capture("*.log").losses);
    }
    let doubled = watcher.seen.values().filter(|count| **count > 1).count();
    println!(
        "{rotations} rotations, {rounds} looks, {restarts} restarts: {} of {} lines found, {doubled} twice, {losses:?}",
        watcher.seen.len(),
        rotations * LINES,
    );
    assert_eq!(doubled, 0);
    assert_eq!(watcher.seen.len() as u64, rotations * LINES);
}

/// Follows with nothing behind it, and says which planted numbers were seen how often.
struct Watcher {
    follower: Follower,
    logs: Directory,
    clock: PathBuf,
    seen: BTreeMap<u64, u32>,
    budget_bytes: u64,
}

impl Watcher {
    fn new(place: &Place) -> Self {
        Self {
            follower: Follower::default(),
            logs: Directory::new(&place.0),
            clock: place.path("clock"),
            seen: BTreeMap::new(),
            budget_bytes: 64 << 20,
        }
    }

    fn capture(&mut self, pattern: &str) -> Outcome {
        // The state goes through its text each time, as in the sandbox.
        self.follower = serde_json::from_str(&serde_json::to_string(&self.follower).unwrap()).unwrap();
        // The time of the file system, which the files' own times are held against.
        fs::write(&self.clock, "").unwrap();
        let now_ms = fs::metadata(&self.clock).unwrap().mtime() * 1000;
        let sources = [Source { root: String::new(), path: pattern.to_owned(), expect_every_seconds: None }];
        let turn = Turn {
            now_ms,
            attempt: 1,
            budget_bytes: self.budget_bytes,
            first_sight_bytes: 1 << 20,
            options: Options::default(),
            filter: Prefilter::shared(),
            expired: &|| false,
        };
        let seen = &mut self.seen;
        self.follower.capture(&mut self.logs, &sources, &turn, &mut |sighting| {
            if let Some(number) = sighting.event.text.rsplit("planted ").next().and_then(|n| n.trim().parse().ok()) {
                *seen.entry(number).or_default() += 1;
            }
        })
    }
}

#[test]
fn a_thousand_copies_and_truncations_double_nothing_and_say_what_was_lost() {
    for pattern in ["*.log", "*.log*"] {
        let place = Place::new(if pattern == "*.log" { "copy-outside" } else { "copy-inside" });
        let log = place.path("a.log");
        append(&log, "the first line of this log\n");
        let mut watcher = Watcher::new(&place);
        watcher.capture(pattern);
        let (mut planted, mut read_before, mut losses) = (0u64, 0, 0u64);
        for round in 0..500u64 {
            for _ in 0..=round % 3 {
                planted += 1;
                append(&log, &format!("2024-01-02 03:04:05 ERROR planted {planted}\n"));
            }
            if round % 2 == 0 {
                losses += watcher.capture(pattern).losses.len() as u64;
                read_before = planted;
            }
            // Some bytes more, then the copy, then the truncation, then the next bytes.
            planted += 1;
            append(&log, &format!("2024-01-02 03:04:05 ERROR planted {planted}\n"));
            fs::copy(&log, place.path("a.log.1")).unwrap();
            OpenOptions::new().write(true).truncate(true).open(&log).unwrap();
            let lost = planted - read_before;
            planted += 1;
            append(&log, &format!("2024-01-02 03:04:05 ERROR planted {planted}\n"));
            let outcome = watcher.capture(pattern);
            assert!(lost == 0 || !outcome.losses.is_empty(), "round {round}: nothing was said");
            losses += outcome.losses.len() as u64;
            read_before = planted;
        }
        let twice: Vec<_> = watcher.seen.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{pattern}: seen twice: {twice:?}");
        assert!(losses >= 500, "{pattern}: {losses} losses were said");
        // What stood in the copy was taken from there.
        let share = watcher.seen.len() as f64 / planted as f64;
        assert!(share > 0.99, "{pattern}: {share} of what was planted was seen");
    }
}

#[test]
fn a_truncation_without_a_copy_says_how_much_was_lost_at_least() {
    let place = Place::new("truncate");
    let log = place.path("a.log");
    append(&log, "the first line of this log\n");
    let mut watcher = Watcher::new(&place);
    watcher.capture("*.log");
    append(&log, "this was read\n");
    watcher.capture("*.log");
    OpenOptions::new().write(true).truncate(true).open(&log).unwrap();
    append(&log, "x\n");
    let outcome = watcher.capture("*.log");
    assert_eq!(outcome.losses.len(), 1);
    assert_eq!(outcome.losses[0].at_least_bytes, None);
    // Replaced by something longer in one go: the bytes that were read are not there any more.
    fs::write(&log, "2024-01-02 03:04:05 ERROR planted 1\n".repeat(3)).unwrap();
    let outcome = watcher.capture("*.log");
    assert_eq!((outcome.losses.len(), watcher.seen.get(&1)), (1, Some(&3)));
}

#[test]
fn what_is_no_log_is_left_alone_and_what_is_strange_is_bounded() {
    let place = Place::new("strange");
    let made = std::process::Command::new("mkfifo").arg(place.path("fifo.log")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is needed for this test");
    std::os::unix::fs::symlink(".", place.path("loop")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.path("zero.log")).unwrap();
    // Four gibibytes of nothing, with a line at the end.
    let sparse = File::create(place.path("sparse.log")).unwrap();
    sparse.set_len(4 << 30).unwrap();
    append(&place.path("sparse.log"), "\n2024-01-02 03:04:05 ERROR planted 1\n");
    fs::write(place.path("binary.log"), (0..200_000u32).map(|i| (i * 7 % 256) as u8).collect::<Vec<_>>()).unwrap();
    fs::write(place.path("broken.log"), b"2024-01-02 03:04:05 ERROR \xff\xfe\xc3 planted 2\n").unwrap();
    let wide: Vec<u8> =
        "\u{feff}2024-01-02 03:04:05 ERROR planted 3\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(place.path("wide.log"), wide).unwrap();
    fs::write(place.path("nul.log"), [&[0; 5000][..], b"2024-01-02 03:04:05 ERROR planted 4\n"].concat()).unwrap();
    fs::write(
        place.path("long.log"),
        [&vec![b'y'; 3 << 20][..], b" error\n2024-01-02 03:04:05 ERROR planted 5\n"].concat(),
    )
    .unwrap();
    fs::write(place.path("packed.log.gz"), b"\x1f\x8b").unwrap();
    let mut watcher = Watcher::new(&place);
    let outcome = watcher.capture("**/*.log*");
    let seen: Vec<u64> = watcher.seen.keys().copied().collect();
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    assert!(outcome.left_alone >= 3, "{outcome:?}");
    assert_eq!(outcome.warnings, [""; 0]);
    // What had no line end is taken as it is; then there is nothing more to read.
    watcher.capture("**/*.log*");
    assert_eq!(watcher.capture("**/*.log*").read_bytes, 0);
}

#[test]
fn ten_thousand_logs_are_bounded_and_said() {
    let place = Place::new("many");
    for i in 0..10_000 {
        fs::write(place.path(&format!("{i}.log")), "nothing to see\n").unwrap();
    }
    let mut watcher = Watcher::new(&place);
    let outcome = watcher.capture("*.log");
    assert_eq!(outcome.files + outcome.not_followed, 10_000);
    let state = serde_json::to_string(&watcher.follower).unwrap();
    assert!(state.len() < 300 * 1024, "the state has {} bytes", state.len());
}
