//! A small file system that somebody else fills up and frees, again and again, under a running daemon.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{SMALL, copied, must_be_sound, rounds, skipped, whole_snapshots};
use crate::harness::{PATIENCE, Signal, Site, until};

const CONFIG: &str = r#"
[snapshot]
every = "200ms"
[heartbeat]
every = "200ms"
[store]
max_count = 10
keep_last = 3
keep_hourly = 0
cleanup_every = "1h"
"#;

/// How long it stays full each time.
const FULL_FOR: Duration = Duration::from_millis(1_500);

/// A tmpfs at a data directory, with the cache elsewhere; unmounted when it is dropped.
struct Small {
    mounts: Vec<PathBuf>,
}

impl Small {
    fn mount(site: &Site, size: &str) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may mount a tmpfs".to_owned());
        }
        let aside = site.path("cache");
        std::fs::rename(site.data().join("cache"), &aside).unwrap();
        let mut small = Self { mounts: Vec::new() };
        small.run(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "ghostd-e2e"])
                .arg(site.data()),
        )?;
        small.mounts.push(site.data());
        crate::harness::make_private(&site.data().join("cache"));
        small.run(Command::new("mount").arg("--bind").arg(&aside).arg(site.data().join("cache")))?;
        small.mounts.push(site.data().join("cache"));
        Ok(small)
    }

    fn run(&self, command: &mut Command) -> Result<(), String> {
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        for mount in self.mounts.iter().rev() {
            let _ = Command::new("umount").arg("-l").arg(mount).output();
        }
    }
}

#[test]
fn a_disk_that_is_full_and_free_again() {
    let base = Site::with(SMALL);
    let site = copied(&base, &format!("{SMALL}{CONFIG}"));
    let _small = match Small::mount(&site, "16m") {
        Ok(small) => small,
        Err(why) => return skipped(&why),
    };
    let times = rounds(2);
    let mut daemon = site.run();
    until("some snapshots", PATIENCE, || (site.files().len() > 20).then_some(()));
    let mut acknowledged = whole_snapshots(&site.data());
    let filler = site.data().join("filler");
    let mut freed = 0;
    for time in 1..=times {
        let before = site.files();
        let said_before = daemon.log();
        fill(&filler);
        let started = std::time::Instant::now();
        while started.elapsed() < FULL_FOR {
            // Somebody else goes on to take what is freed.
            fill(&filler);
            std::thread::sleep(Duration::from_millis(100));
        }
        let status = daemon.status();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        assert!(!conditions.is_empty(), "time {time}: the disk is full and it does not say so: {status:#}");
        let after = site.files();
        freed += before.iter().filter(|file| !after.contains(file)).count();
        std::fs::remove_file(&filler).unwrap();
        let newest = site.files().last().cloned();
        until("snapshots again", PATIENCE, || (site.files().last().cloned() > newest).then_some(()));
        until("nothing is wrong any more", PATIENCE, || {
            daemon.status()["conditions"].as_array().is_none_or(Vec::is_empty).then_some(())
        });
        let said = daemon.log().strip_prefix(&*said_before).unwrap().to_owned();
        // Once for each thing that is concerned (database, catalog, snapshot, retention, audit, capture), and not once
        // for each attempt, of which there were dozens.
        let complaints = said.lines().filter(|line| line.contains("ERROR")).count();
        assert!((1..=6).contains(&complaints), "time {time}: {complaints} complaints\n{said}");
        acknowledged.extend(whole_snapshots(&site.data()));
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.ended(PATIENCE).success());
    assert!(!daemon.log().contains("panicked"));
    must_be_sound(&site.data(), &acknowledged, "after all");
    assert!(freed > 0, "retention freed nothing");
    println!("a full disk, {times} times: it stayed up, retention freed {freed} snapshots, nothing was lost");
}

/// Takes all the room that there is.
fn fill(filler: &std::path::Path) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(filler).unwrap();
    for size in [1 << 20, 64 << 10, 4 << 10] {
        while file.write_all(&vec![0xa5; size]).is_ok() {}
    }
}
