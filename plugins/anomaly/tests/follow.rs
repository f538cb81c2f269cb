//! Following real files in a temporary directory: rotations, truncations, restarts, and what is no log at all.

use ghostd_anomaly::config::Config;
use ghostd_anomaly::engine::{Call, Engine, Report};
use ghostd_anomaly::logs::Directory;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

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
