//! Very many snapshots: what one more costs, and how long a question takes, beside what it costs and takes in a store
//! of a few. The snapshots are real ones: merged, cleaned, sealed, chained and stored by the code that always does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ghostd::board::Board;
use ghostd::merge::{self, About};
use ghostd::model::{Digest, HostInfo, Moment, Trigger, Wall};
use ghostd::sanitize::Sanitizer;
use ghostd::store::{Batch, ExclusiveStore};
use ghostd::{clean, seal};

use super::{SMALL, is_whole, rounds};
use crate::harness::{Site, alone};

/// Between two snapshots, as the default has it.
const EVERY_NS: i64 = 300_000_000_000;
/// How often each question is asked.
const ASKED: usize = 15;
/// What one more capture may cost beside the first ones, and the longest that a question may take.
const MOST: f64 = 1.2;
const LONGEST: Duration = Duration::from_millis(100);

/// Stores so many snapshots, the last of them a moment ago.
fn fill(data: &Path, count: usize) {
    let last = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap() - EVERY_NS;
    let first = last - EVERY_NS * i64::try_from(count).unwrap();
    let at = |number: usize| {
        let since = EVERY_NS * i64::try_from(number).unwrap();
        Moment { wall: Wall(first + since), boottime_ns: since.unsigned_abs() + 1, boot_id: "one-long-boot".into() }
    };
    let (mut store, _) = ExclusiveStore::open(data, &at(0)).unwrap();
    let sanitizer = Sanitizer::builtin();
    for number in 0..count {
        let about = About {
            trigger: Trigger::Schedule,
            reason: None,
            important: false,
            started: at(number),
            ended: at(number),
            missed: 0,
            notices: Vec::new(),
            config_sha256: Digest::of(b"configuration"),
            sanitizer_sha256: Digest::of(b"rules"),
        };
        let host = HostInfo {
            id: "generated".to_owned(),
            hostname: "generated".to_owned(),
            platform: "linux".to_owned(),
            os: "Debian".to_owned(),
            kernel: "6.1".to_owned(),
            arch: "x86_64".to_owned(),
            boot_id: "one-long-boot".to_owned(),
            uptime_seconds: number as f64 * 300.0,
            load_average: [0.1, 0.2, 0.3],
            ghostd_version: env!("CARGO_PKG_VERSION").to_owned(),
            versions: Default::default(),
        };
        let draft = merge::merge(about, host, &Board::default(), &[], Vec::new());
        let sanitized = clean::clean(&sanitizer, draft).unwrap();
        let link = store.link().unwrap();
        let sealed = seal::seal(sanitized, link, None).unwrap();
        let stored = store.put(&sealed, &Batch::default()).unwrap();
        assert!(stored.catalog_error().is_none());
    }
}

/// The median of how long a command takes, its output read to its end.
fn takes(site: &Site, arguments: &[&str], times: usize) -> Duration {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let mut command = site.command(arguments);
            let started = Instant::now();
            let output = command.output().unwrap();
            let took = started.elapsed();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            took
        })
        .collect();
    all.sort();
    all[all.len() / 2]
}

/// `ghostd list --json | head`: until the first ten lines are there and the pipe is closed.
fn list_head(site: &Site) -> Duration {
    let mut all: Vec<Duration> = (0..ASKED)
        .map(|_| {
            let started = Instant::now();
            let mut list =
                site.command(&["list", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let head = Command::new("head").stdin(list.stdout.take().unwrap()).output().unwrap();
            list.wait().unwrap();
            assert!(head.stdout.starts_with(b"["), "{head:?}");
            started.elapsed()
        })
        .collect();
    all.sort();
    all[all.len() / 2]
}

/// From the start to the first snapshot that is durable.
fn start_up(site: &Site) -> Duration {
    let mut all: Vec<Duration> = (0..5)
        .map(|_| {
            let log = std::fs::File::create(site.path("log")).unwrap();
            let started = Instant::now();
            let mut command = site.command(&["run"]);
            let process =
                crate::harness::Process(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
            let answers = || {
                let socket = site.path("control.sock");
                std::os::unix::net::UnixStream::connect(socket).is_ok()
            };
            while !answers() {
                assert!(started.elapsed() < crate::harness::PATIENCE);
                std::thread::sleep(Duration::from_millis(1));
            }
            let took = started.elapsed();
            process.signal(crate::harness::Signal::TERM);
            let mut process = process;
            process.0.wait().unwrap();
            took
        })
        .collect();
    all.sort();
    all[all.len() / 2]
}

#[test]
fn one_more_costs_what_the_first_did() {
    let _alone = alone();
    let count = rounds(300);
    // Retention would thin it out, and is not what is measured.
    let config = format!(
        "{SMALL}[store]\nmax_count = 1000000\nmax_age = \"3650d\"\nmax_size = \"100GiB\"\n[snapshot]\nat_start = false\n"
    );
    let (few, many) = (Site::with(&config), Site::with(&config));
    fill(&few.data(), 10);
    let started = Instant::now();
    fill(&many.data(), count);
    println!("{count} snapshots stored in {:.1} s", started.elapsed().as_secs_f64());
    for site in [&few, &many] {
        let started = Instant::now();
        site.ghostd(&["snapshot"]).exits(0);
        println!("the first capture after it: {:?}", started.elapsed());
    }
    let mut ratios: Vec<f64> = (0..ASKED)
        .map(|_| {
            let first = takes(&few, &["snapshot"], 1);
            takes(&many, &["snapshot"], 1).as_secs_f64() / first.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    println!("one more capture in a store of {count}: {ratio:.2} of one in a store of 10 (median of {ASKED})");
    let asked = [
        ("list --json | head", list_head(&few), list_head(&many)),
        ("list --limit 10", takes(&few, &["list", "-n", "10"], ASKED), takes(&many, &["list", "-n", "10"], ASKED)),
        ("show latest", takes(&few, &["show", "latest"], ASKED), takes(&many, &["show", "latest"], ASKED)),
        (
            "diff latest latest~1",
            takes(&few, &["diff", "latest", "latest~1"], ASKED),
            takes(&many, &["diff", "latest", "latest~1"], ASKED),
        ),
        ("show @-1d", takes(&few, &["show", "@-10m"], ASKED), takes(&many, &["show", "@-1d"], ASKED)),
        ("start until it answers", start_up(&few), start_up(&many)),
    ];
    for (what, in_few, in_many) in &asked {
        println!(
            "{what}: {:.1} ms, in a store of 10 {:.1} ms",
            in_many.as_secs_f64() * 1e3,
            in_few.as_secs_f64() * 1e3
        );
    }
    let listed = many.ghostd(&["list", "--json", "--limit", "2"]).json();
    assert_eq!(listed[0]["sequence"].as_u64(), listed[1]["sequence"].as_u64().map(|sequence| sequence + 1));
    if is_whole() {
        assert!(ratio <= MOST, "one more capture costs {ratio:.2} of the first");
        for (what, _, took) in &asked {
            assert!(*took < LONGEST, "{what} takes {took:?}");
        }
    }
}
