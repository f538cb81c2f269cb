//! Collectors that do harm. Each is ended, the snapshot says what became of it, and nobody else notices.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::guests;
use crate::harness::{Daemon, PATIENCE, QUIET, Site, alone, collector, until};

/// How many guests spin at once: more than any machine that runs this has to spare.
const SPINNERS: usize = 8;

/// The wall-clock limit of those that would go on for ever.
const WALL: Duration = Duration::from_secs(1);

/// How late the end of a call may come, at the most.
const LATE: Duration = Duration::from_secs(2);

/// The wall-clock limit of those that end otherwise, far beyond what they take on any machine.
const AMPLE: Duration = Duration::from_secs(20);

/// What the daemon may hold more after it was attacked. Its own caches and the allocator's habits fit; one guest that
/// got away with its memory does not.
const GROWTH_BYTES: u64 = 32 << 20;

/// What each is told to do, how its call is said to have ended, and words of the reason.
const DEEDS: [(&str, &str, &str); 19] = [
    ("memory", "limit_exceeded", "memory limit of 64.0 MiB exceeded"),
    ("trap", "trapped", "boom with"),
    ("exit", "trapped", "it exited with status 1 instead of returning"),
    ("recurse", "limit_exceeded", "stack limit exceeded"),
    ("overflow", "trapped", "out of bounds memory access"),
    ("junk", "invalid", "the key `a` is there twice"),
    ("huge", "limit_exceeded", "result limit of 4194304 bytes exceeded"),
    ("deep", "invalid", "nested deeper than 64"),
    ("log", "ok", ""),
    ("stdout", "ok", ""),
    ("sleep", "timed_out", "time limit of 1000 ms exceeded"),
    ("calls", "limit_exceeded", "limit of 5000 host calls exceeded (raise `limits.host_calls`)"),
    ("nan", "invalid", "NaN"),
    ("reserved", "invalid", "its descriptor names only"),
    ("another", "invalid", "its descriptor names only"),
    ("findings", "ok", ""),
    ("attribute", "invalid", "names that begin with `ghost.` belong to the host"),
    ("state", "ok", ""),
    ("nothing", "ok", ""),
];

/// Harm that lies in what is returned, likewise.
const WORDS: [(&str, &str, &str); 5] = [
    ("bomb", "invalid", "it holds more than 500000 values"),
    ("strings", "limit_exceeded", "result limit of 4194304 bytes exceeded"),
    ("utf8", "trapped", "utf-8"),
    ("control", "ok", ""),
    ("fickle", "ok", ""),
];

/// Snapshots in which all of them are called, for the statistic of how late each was stopped. With five failures in a
/// row they would be left alone.
const ROUNDS: usize = 4;

/// What the daemon may have grown after all of it (issue 7).
const STATISTIC_GROWTH_BYTES: u64 = 64 << 20;

/// The sections of those that behave.
const BUILT_IN: [&str; 7] = ["anomaly", "clock", "daemon", "metric", "patch", "processes", "telemetry"];

/// Puts a copy of the guest there and gives its table in the configuration.
fn guest(site: &Site, name: &str, deed: &str) -> String {
    let file = format!("{name}.wasm");
    std::fs::write(site.path(&file), guests::hostile(&name.replace('-', "_"))).unwrap();
    let wall = if matches!(deed, "spin" | "sleep") { WALL } else { AMPLE }.as_secs();
    format!(
        "[collector.{name}]\nsource = \"{file}\"\nconfig = {{ do = \"{deed}\" }}\n\
         limits = {{ wall = \"{wall}s\", host_calls = 5000 }}\n"
    )
}

/// A daemon that has taken one snapshot without its enemies, and its memory then.
fn attacked<'a>(site: &'a Site, tables: &str) -> (Daemon<'a>, u64) {
    let calm = format!("[snapshot]\nevery = \"1h\"\n[heartbeat]\nevery = \"1s\"\n{QUIET}");
    site.configure(&calm);
    let daemon = site.run();
    until("the snapshot at the start", PATIENCE, || site.newest());
    let rss = daemon.own_bytes();
    site.configure(&format!("{calm}{tables}"));
    // Compiled first, so that what is measured below is the calls.
    let files: Vec<&str> =
        tables.lines().filter_map(|line| Some(line.strip_prefix("source = ")?.trim_matches('"'))).collect();
    site.compile(&files);
    daemon.signal(crate::harness::Signal::HUP);
    daemon.says("the configuration has changed");
    (daemon, rss)
}

fn assert_others_are_complete(body: &Json) {
    for key in BUILT_IN {
        let section = &body["sections"][key];
        assert!(matches!(section["completeness"].as_str(), Some("complete" | "partial")), "{key}: {section:#}");
    }
}

#[test]
fn eight_that_spin_are_ended_and_the_daemon_answers_meanwhile() {
    let _alone = alone();
    let site = Site::with("");
    let names: Vec<String> = (0..SPINNERS).map(|n| format!("spin-{n}")).collect();
    let tables: String = names.iter().map(|name| guest(&site, name, "spin")).collect();
    let (daemon, rss) = attacked(&site, &tables);

    until("each has been called", PATIENCE, || {
        let status = daemon.status();
        names
            .iter()
            .all(|name| {
                status["collectors"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| one["name"] == name.as_str() && one["status"] == "timed_out")
            })
            .then_some(())
    });
    let beat = daemon.status()["heartbeat"]["sequence"].as_u64().unwrap();

    // A snapshot calls all of them again, at once, while this asks how the daemon is.
    let body = std::thread::scope(|scope| {
        let taken = scope.spawn(|| site.snapshot());
        let mut slowest = Duration::ZERO;
        let mut asked = 0;
        while !taken.is_finished() {
            let started = Instant::now();
            daemon.status();
            slowest = slowest.max(started.elapsed());
            asked += 1;
        }
        eprintln!("asked {asked} times while {SPINNERS} guests spun; the slowest answer took {slowest:?}");
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        taken.join().unwrap()
    });
    assert_others_are_complete(&body);
    for name in &names {
        let one = collector(&body, name);
        assert_eq!(one["status"], "timed_out", "{one:#}");
        assert!(
            one["error"].as_str().unwrap().contains("time limit of 1000 ms exceeded (raise `limits.wall`)"),
            "{one:#}"
        );
        let took = Duration::from_secs_f64(one["duration_ms"].as_f64().unwrap() / 1e3);
        assert!(took < WALL + LATE, "{name} took {took:?}");
        let section = &body["sections"][name.replace('-', "_")];
        assert_eq!(section["completeness"], "missing", "{section:#}");
    }
    until("the heart goes on", PATIENCE, || {
        (daemon.status()["heartbeat"]["sequence"].as_u64()? > beat + 2).then_some(())
    });
    let now = daemon.own_bytes();
    eprintln!("{rss} bytes before, {now} after");
    assert!(now < rss + GROWTH_BYTES, "{rss} bytes have become {now}");
}

#[test]
fn a_spinning_guest_does_not_keep_the_daemon_from_ending() {
    let site = Site::with("");
    let tables: String =
        (0..2).map(|n| guest(&site, &format!("spin-{n}"), "spin").replace("\"1s\"", "\"1m\"")).collect();
    let sleeper = guest(&site, "sleeper", "sleep").replace("\"1s\"", "\"1m\"");
    let (mut daemon, _) = attacked(&site, &format!("{tables}{sleeper}"));
    daemon.says("A collector was loaded. collector=\"sleeper\"");
    std::thread::sleep(Duration::from_millis(500));
    daemon.signal(crate::harness::Signal::TERM);
    // Within a second on a machine that has nothing else to do.
    assert!(daemon.ended(Duration::from_secs(5)).success());
}

#[test]
fn each_harm_is_told_from_the_others() {
    let _alone = alone();
    let site = Site::with("");
    let tables: String = DEEDS.iter().map(|(deed, ..)| guest(&site, &format!("do-{deed}"), deed)).collect();
    let (daemon, rss) = attacked(&site, &tables);
    let called = |status: &Json, deed: &str| {
        let all = status["collectors"].as_array().unwrap();
        all.iter().any(|one| one["name"] == format!("do-{deed}").as_str() && one["calls"].as_u64() > Some(0))
    };
    until("each has been called", PATIENCE, || {
        let status = daemon.status();
        DEEDS.iter().all(|(deed, ..)| called(&status, deed)).then_some(())
    });

    let body = site.snapshot();
    assert_others_are_complete(&body);
    let mut wrong = Vec::new();
    for (deed, status, words) in DEEDS {
        let one = collector(&body, &format!("do-{deed}"));
        let error = one["error"].as_str().unwrap_or_default();
        if one["status"] != status || !error.contains(words) {
            wrong.push(format!("{deed}: {} with `{error}`, not {status} with `{words}`", one["status"]));
        }
        let took = Duration::from_secs_f64(one["duration_ms"].as_f64().unwrap() / 1e3);
        if deed == "sleep" && took > WALL + LATE {
            wrong.push(format!("{deed} took {took:?}"));
        }
        let section = &body["sections"][format!("do_{deed}")];
        let there = section["completeness"] != "missing";
        if there != (status == "ok") {
            wrong.push(format!("{deed}: its section is {}", section["completeness"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // What the sections say of those that have one.
    let bodies = |deed: &str| body["sections"][format!("do_{deed}")].clone();
    let flooded = &bodies("findings")["warnings"][0];
    assert!(flooded.as_str().unwrap().contains("8000 findings beyond 2000 were dropped"), "{flooded}");
    assert_eq!(bodies("findings")["completeness"], "partial");
    assert_eq!(bodies("state")["body"], serde_json::json!({"first": true, "second": false}), "the quota of the state");
    for deed in ["log", "stdout"] {
        let one = collector(&body, &format!("do-{deed}"));
        assert!(one["dropped_log_lines"].as_u64().unwrap() > 1000, "{one:#}");
    }
    // Nobody has written where the host writes, nor in another's name.
    assert!(body["sections"].get("host").is_none());
    assert_eq!(body["sections"]["clock"]["collector"], "clock");
    assert_eq!(collector(&body, "do-nothing")["error"], Json::Null);

    let now = daemon.own_bytes();
    eprintln!("{rss} bytes before, {now} after");
    assert!(now < rss + GROWTH_BYTES, "{rss} bytes have become {now}");

    // A secret in a panic's message is in no file and in no log.
    let log = daemon.log();
    assert!(log.contains("boom with"), "{log}");
    assert!(!log.contains("hunter2hunter2"), "{log}");
    for file in site.all_files() {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(14).any(|at| at == b"hunter2hunter2"), "the secret is in {}", file.display());
    }
    // Control characters of a guest do not reach a terminal.
    for command in [&["show"][..], &["status"], &["collector", "list"], &["list"]] {
        let shown = site.ghostd(command);
        assert!(!shown.stdout.contains('\u{1b}') && !shown.stdout.contains('\u{7}'), "{command:?}: {}", shown.stdout);
    }
    site.ghostd(&["verify"]).exits(0);
}

#[test]
fn all_of_them_at_once_are_stopped_in_time_and_nobody_else_notices() {
    let _alone = alone();
    let site = Site::with("");
    let mut deeds: Vec<&str> = DEEDS.iter().chain(&WORDS).map(|(deed, ..)| *deed).collect();
    deeds.extend(["spin"; SPINNERS]);
    let names: Vec<String> = deeds.iter().enumerate().map(|(n, deed)| format!("s{n}-{deed}")).collect();
    let tables: String = names
        .iter()
        .zip(&deeds)
        .map(|(name, deed)| guest(&site, name, deed).replace("wall = \"20s\"", "wall = \"1s\""))
        .collect();
    let (daemon, before) = attacked(&site, &tables);
    for name in &names {
        daemon.says(&format!("A collector was loaded. collector=\"{name}\""));
    }
    let starved_before = daemon.starved();
    let (mut late, mut sections) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let body = site.snapshot();
        assert_others_are_complete(&body);
        sections += BUILT_IN.len();
        for name in &names {
            let took = Duration::from_secs_f64(collector(&body, name)["duration_ms"].as_f64().unwrap() / 1e3);
            late.push(took.saturating_sub(WALL));
        }
    }
    let starved = daemon.starved().saturating_sub(starved_before);
    late.sort();
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    let grown = daemon.own_bytes().saturating_sub(before);
    eprintln!(
        "{} calls of {} hostile collectors: 50 % stopped within {:?} of their deadline, 95 % within {:?}, the last after \
         {:?}; {sections} of {sections} sections of the others; {:.1} MiB grown; waited {starved:?} for a processor",
        late.len(),
        names.len(),
        at(0.5),
        at(0.95),
        at(1.0),
        grown as f64 / f64::from(1 << 20),
    );
    // A machine that gives the daemon no processor says nothing about the daemon.
    assert!(at(0.95) <= Duration::from_millis(500) || starved > WALL, "{late:?}, {starved:?} waited");
    assert!(at(1.0) <= LATE || starved > 2 * WALL, "{late:?}, {starved:?} waited");
    assert!(grown < STATISTIC_GROWTH_BYTES, "{before} bytes have grown by {grown}");
}

#[test]
fn what_is_returned_is_held_against_the_contract() {
    let site = Site::with("");
    let tables: String = WORDS.iter().map(|(deed, ..)| guest(&site, &format!("do-{deed}"), deed)).collect();
    site.configure(&format!("{QUIET}{tables}"));
    let body = site.snapshot();
    assert_others_are_complete(&body);
    for (deed, status, words) in WORDS {
        let one = collector(&body, &format!("do-{deed}"));
        assert_eq!(one["status"], status, "{one:#}");
        assert!(one["error"].as_str().unwrap_or_default().contains(words), "{one:#}");
    }
    let shown = site.ghostd(&["show", "latest"]).exits(0).stdout;
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown}");
}

#[test]
fn many_memories_and_tables_count_together() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/fixtures/hostile");
    let site = Site::with("");
    let mut config = QUIET.to_owned();
    for name in ["many-memories", "many-tables"] {
        std::fs::copy(fixtures.join(format!("{name}.wasm")), site.path(&format!("{name}.wasm"))).unwrap();
        config.push_str(&format!("[collector.{name}]\nsource = \"{name}.wasm\"\n"));
    }
    site.configure(&config);
    let body = site.snapshot();
    for (name, words) in [
        ("many-memories", "memory limit of 64.0 MiB exceeded"),
        ("many-tables", "table limit of 200000 elements exceeded"),
    ] {
        let one = collector(&body, name);
        assert_eq!(one["status"], "refused", "{one:#}");
        assert!(one["error"].as_str().unwrap().contains(words), "{one:#}");
    }
}

#[test]
fn what_is_not_lent_cannot_be_reached() {
    let site = Site::with("");
    let lent = site.path("lent");
    std::fs::create_dir_all(lent.join("inner")).unwrap();
    std::fs::create_dir_all(lent.join("many")).unwrap();
    for n in 0..400 {
        std::fs::write(lent.join(format!("many/{n}")), "x").unwrap();
    }
    std::fs::write(lent.join("open.txt"), "open").unwrap();
    std::fs::write(site.path("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink(site.path("secret.txt"), lent.join("link-out")).unwrap();
    std::os::unix::fs::symlink(site.root(), lent.join("link-dir")).unwrap();
    let mut mkfifo = std::process::Command::new("mkfifo");
    mkfifo.arg(lent.join("fifo"));
    assert!(crate::harness::bounded(mkfifo).status.success());
    std::fs::write(site.path("curious.wasm"), guests::curious()).unwrap();
    let try_it = |deed: &str, more: &str| {
        site.configure(&format!(
            "{QUIET}[collector.curious]\nsource = \"curious.wasm\"\ngrant = [\"files\"]\nfiles = {{ lent = \"lent\" }}\n\
             config = {{ do = \"{deed}\" }}\n{more}"
        ));
        site.snapshot()
    };
    let body = try_it("paths", "");
    assert_eq!(body["sections"]["curious"]["body"], serde_json::json!({"reached": [], "fair": true}));
    let body = try_it("handles", "limits = { handles = 100 }\n");
    let one = collector(&body, "curious");
    let held = body["sections"]["curious"]["body"]["held"].as_u64();
    assert!(one["status"] != "ok" || held.is_some_and(|held| held <= 1024), "{one:#} {held:?}");
    let body = try_it("keep", "");
    assert_eq!(body["sections"]["curious"]["body"], serde_json::json!({"kept": 256, "refused": 144}));
    for (deed, words) in [("connect", "wasi:sockets"), ("std", "wasi:filesystem")] {
        let body = try_it(deed, "");
        let one = collector(&body, "curious");
        assert_eq!(one["status"], "trapped", "{one:#}");
        let error = one["error"].as_str().unwrap();
        assert!(error.contains(words) && error.contains("is not granted"), "{one:#}");
        assert!(one["denied_calls"].as_u64() > Some(0), "{one:#}");
    }
    // It describes itself otherwise each time.
    let checked = site.ghostd(&["collector", "check", "curious.wasm"]).exits(1).stdout;
    assert!(checked.contains("it describes itself differently each time"), "{checked}");
}

#[test]
fn a_key_that_is_anothers_is_refused_before_it_is_called() {
    let site = Site::with("");
    // By name it comes before every built-in collector.
    for (file, key) in [("aaa", "clock"), ("bbb", "host")] {
        std::fs::write(site.path(&format!("{file}.wasm")), guests::hostile(key)).unwrap();
    }
    let table = |name: &str| format!("[collector.{name}]\nsource = \"{name}.wasm\"\n");
    site.configure(&format!("{QUIET}{}{}", table("aaa"), table("bbb")));
    let judge = |body: &Json| {
        assert_eq!(body["sections"]["clock"]["collector"], "clock", "{:#}", body["collectors"]);
        assert_eq!(collector(body, "clock")["status"], "ok");
        let thief = collector(body, "aaa");
        assert_eq!(thief["status"], "refused", "{thief:#}");
        assert!(
            thief["error"].as_str().unwrap().contains("its section `clock` belongs to collector `clock`"),
            "{thief:#}"
        );
        let thief = collector(body, "bbb");
        assert!(thief["error"].as_str().unwrap().contains("the section key `host` belongs to the host"), "{thief:#}");
    };
    judge(&site.snapshot());
    let daemon = site.run();
    judge(&site.snapshot());
    drop(daemon);
}
