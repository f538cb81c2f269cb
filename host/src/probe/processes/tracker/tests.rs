//! Tests of the tracker: a fake /proc and simulated time for what is looked at and when, real processes for the rest.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::super::testing::{Fake, FakeProc, at, put, wall};
use super::super::ProcRoot;
use super::super::matcher::Pattern;
use super::super::types::MatchedBy;
use super::*;

fn tracker(fake: &FakeProc, specs: Vec<DaemonSpec>) -> Tracker {
    Tracker::new(specs, ProcRoot::open(fake.path()).unwrap())
}

fn named(names: &[&str]) -> Vec<DaemonSpec> {
    names.iter().map(|name| DaemonSpec::named(*name, 1_000)).collect()
}

fn ruled(name: &str, rule: Rule) -> Vec<DaemonSpec> {
    vec![DaemonSpec { name: name.to_owned(), rules: vec![rule], restarted_for_ms: 0 }]
}

fn pids(tracker: &Tracker, daemon: usize) -> Vec<u32> {
    let watched = &tracker.watched(Mark::default())[daemon];
    watched.candidates.iter().map(|candidate| candidate.identity.pid).collect()
}

fn ended(transitions: &[Transition]) -> Vec<u32> {
    transitions
        .iter()
        .filter(|transition| matches!(transition.change, Change::Ended(_)))
        .map(|transition| transition.identity.pid)
        .collect()
}

/// Ten minutes after boot; processes of the fake start in the first minute unless they say otherwise.
const T: f64 = 600.0;

#[test]
fn candidates_are_told_oldest_first_and_all_counted() {
    let fake = FakeProc::new();
    for n in 0..70u32 {
        fake.add(&Fake::new(500 + n, u64::from(6_000 - n), "healer", &["healer"]));
    }
    let mut tracker = tracker(&fake, named(&["healer", "executor"]));
    tracker.look(at(T));
    let watched = tracker.watched(Mark::default());
    assert_eq!((watched[0].candidates.len(), watched[0].candidate_count), (64, 70));
    assert_eq!(watched[0].candidates[0].identity.pid, 569);
    assert_eq!(watched[0].candidates[0].matched_by, MatchedBy::Executable);
    assert!(watched[1].candidates.is_empty());
}

#[test]
fn kernel_threads_zombies_threads_and_our_own_children_are_nobodys_daemons() {
    let fake = FakeProc::new();
    std::os::unix::fs::symlink("50", fake.path().join("self")).unwrap();
    fake.add(&Fake::new(50, 100, "watchdog", &["watchdog"]));
    let mut kernel = Fake::new(60, 100, "watchdog", &[]);
    kernel.flags = 0x20_0000;
    let mut child = Fake::new(61, 100, "watchdog", &["watchdog"]);
    child.ppid = 50;
    let mut grandchild = Fake::new(62, 100, "watchdog", &["watchdog"]);
    grandchild.ppid = 61;
    let mut zombie = Fake::new(63, 100, "watchdog", &[]);
    zombie.state = 'Z';
    for process in [&kernel, &child, &grandchild, &zombie] {
        fake.add(process);
    }
    fake.last_pid(100);
    let mut tracker = tracker(&fake, named(&["watchdog"]));
    tracker.look(at(T));
    assert_eq!(pids(&tracker, 0), [0; 0]);
    assert_eq!(tracker.watched(Mark::default())[0].zombie, Some(Identity { start: 100, pid: 63 }));
    // A further thread of a process that would fit: found by its number, not in any listing.
    let mut thread = Fake::new(101, 59_000, "watchdog", &["watchdog"]);
    thread.tgid = 40;
    fake.add(&thread);
    fake.last_pid(101);
    tracker.look(at(T + 5.0));
    assert_eq!(pids(&tracker, 0), [0; 0]);
    fake.remove(63);
    tracker.look(at(T + 10.0));
    assert_eq!(tracker.watched(Mark::default())[0].zombie, None);
}

#[test]
fn a_look_reads_only_what_is_new_whatever_runs_beside_it() {
    let cost = |others: u32, present: bool| {
        let fake = FakeProc::new();
        for pid in 100..100 + others {
            fake.add(&Fake::new(pid, 3_000, "worker", &["worker"]));
        }
        let names = ["relayCore", "watchdog", "executor", "healer"];
        if present {
            for (n, name) in (10..).zip(names) {
                fake.add(&Fake::new(n, 2_000, name, &[name]));
            }
        }
        fake.last_pid(5_000);
        let mut tracker = tracker(&fake, named(&names));
        tracker.look(at(T));
        for beat in 1..4 {
            tracker.look(at(T + 5.0 * f64::from(beat)));
        }
        let before = tracker.files_opened();
        let transitions: usize = (4..16).map(|beat| tracker.look(at(T + 5.0 * f64::from(beat))).len()).sum();
        assert_eq!(transitions, 0);
        // The candidates of a fake /proc cannot be held by pidfd, so each is polled.
        tracker.files_opened() - before - if present { 12 * 4 } else { 0 }
    };
    let present = cost(30, true);
    assert_eq!(present, 12, "one loadavg a beat");
    assert_eq!(cost(30, false), present);
    assert_eq!(cost(600, false), present);
}

#[test]
fn a_new_pid_is_looked_at_until_it_is_two_seconds_old() {
    let fake = FakeProc::new();
    fake.add(&Fake::new(10, 100, "init", &["init"]));
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["relayCore"]));
    tracker.look(at(T));
    // Forked, and still what its parent is; an even newer one has a number and nothing else yet.
    fake.add(&Fake::new(1_001, 60_050, "sh", &["sh"]));
    fake.last_pid(1_002);
    tracker.look(at(T + 0.6));
    assert_eq!(pids(&tracker, 0), [0; 0]);
    fake.add(&Fake::new(1_001, 60_050, "node", &["node", "relayCore.js"]));
    let transitions = tracker.look(at(T + 1.5));
    assert_eq!(pids(&tracker, 0), [1_001]);
    assert!(matches!(transitions[0].change, Change::Appeared { matched_by: MatchedBy::Script, .. }));
    // The second becomes visible late and is found all the same.
    fake.add(&Fake::new(1_002, 60_055, "relayCore", &["relayCore"]));
    tracker.look(at(T + 2.7));
    assert_eq!(pids(&tracker, 0), [1_001, 1_002]);
    // Settled by now: what it becomes without changing its name is not looked at.
    fake.remove(1_002);
    tracker.look(at(T + 10.0));
    let before = tracker.files_opened();
    tracker.look(at(T + 15.0));
    assert_eq!(tracker.files_opened() - before, 2, "loadavg, and the candidate that is polled");
}

#[test]
fn a_young_fork_of_a_daemon_is_not_a_second_daemon() {
    let fake = FakeProc::new();
    fake.add(&Fake::new(10, 100, "node", &["node", "relayCore.js"]));
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["relayCore"]));
    tracker.look(at(T));
    fake.add(&Fake::new(1_001, 60_000, "node", &["node", "relayCore.js"]));
    fake.last_pid(1_001);
    tracker.look(at(T + 0.5));
    assert_eq!(pids(&tracker, 0), [10]);
    // It became a `git`, which is nobody's daemon; another one stayed what it was.
    fake.add(&Fake::new(1_001, 60_000, "git", &["git", "status"]));
    fake.add(&Fake::new(1_002, 60_100, "node", &["node", "relayCore.js"]));
    fake.last_pid(1_002);
    tracker.look(at(T + 5.0));
    assert_eq!(pids(&tracker, 0), [10, 1_002]);
}

#[test]
fn what_execs_late_is_found_by_the_next_pass_through_its_name() {
    let fake = FakeProc::new();
    fake.add(&Fake::new(10, 100, "sh", &["sh", "start.sh"]));
    fake.add(&Fake::new(11, 100, "healer", &["healer"]));
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["relayCore", "healer"]));
    tracker.look(at(T));
    fake.add(&Fake::new(10, 100, "node", &["node", "relayCore.js"]));
    fake.add(&Fake::new(11, 100, "sleep", &["sleep", "1"]));
    tracker.full_scan(at(T + 300.0)).unwrap();
    assert_eq!((pids(&tracker, 0), pids(&tracker, 1)), (vec![10], vec![]));
    let transitions = tracker.look(at(T + 301.0));
    assert!(transitions.iter().any(|seen| seen.daemon == "healer" && matches!(seen.change, Change::Left { .. })));
}

#[test]
fn numbering_that_begins_anew_makes_everything_be_looked_at() {
    let fake = FakeProc::new();
    fake.add(&Fake::new(900, 100, "old", &["old"]));
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["relayCore"]));
    tracker.look(at(T));
    // The pid of a process that was looked at is another's now.
    fake.add(&Fake::new(900, 60_100, "relayCore", &["relayCore"]));
    fake.last_pid(901);
    tracker.look(at(T + 5.0));
    assert_eq!(pids(&tracker, 0), [900]);
}

#[test]
fn many_new_pids_are_found_by_the_listing() {
    let fake = FakeProc::new();
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["relayCore"]));
    tracker.look(at(T));
    fake.add(&Fake::new(70_000, 60_100, "relayCore", &["relayCore"]));
    fake.last_pid(90_000);
    let before = tracker.files_opened();
    tracker.look(at(T + 5.0));
    assert_eq!(pids(&tracker, 0), [70_000]);
    assert!(tracker.files_opened() - before < 10);
}

#[test]
fn an_end_that_is_found_by_looking_has_a_range() {
    let fake = FakeProc::new();
    fake.add(&Fake::new(10, 100, "healer", &["healer"]));
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["healer"]));
    assert!(!tracker.is_told());
    tracker.look(at(T));
    tracker.look(at(T + 5.0));
    let mark = tracker.mark();
    fake.remove(10);
    let transitions = tracker.look(at(T + 10.0));
    let Change::Ended(exit) = transitions[0].change else { panic!("{transitions:?}") };
    assert_eq!(exit.not_before_monotonic_ns, at(T + 5.0).monotonic_ns);
    assert_eq!(exit.at_monotonic_ns, at(T + 10.0).monotonic_ns);
    assert_eq!((exit.code, exit.signal), (None, None));
    assert_eq!(tracker.watched(mark)[0].exits, [exit]);
    assert_eq!(tracker.watched(tracker.mark())[0].exits, []);
    assert!(tracker.look(at(T + 15.0)).is_empty(), "told once");
}

#[test]
fn what_is_missing_is_searched_for_at_once_and_then_ever_more_rarely() {
    let fake = FakeProc::new();
    fake.add(&Fake::new(10, 100, "healer", &["healer"]));
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["healer"]));
    tracker.look(at(T));
    assert_eq!(tracker.next_look(), None);
    fake.remove(10);
    let lost = at(T + 5.0);
    tracker.look(lost);
    let mut looked = Vec::new();
    for _ in 0..9 {
        let due = tracker.next_look().unwrap();
        looked.push((due - lost.monotonic_ns) / NS_PER_MS);
        tracker.look(at(due as f64 / NS_PER_S as f64 + 1e-6));
    }
    assert_eq!(looked[..7], [100, 500, 2_000, 5_000, 10_000, 20_000, 40_000]);
    assert!((100_000..100_010).contains(&looked[7]) && (160_000..160_010).contains(&looked[8]), "{looked:?}");
    fake.add(&Fake::new(1_001, 61_000, "healer", &["healer"]));
    fake.last_pid(1_001);
    tracker.look(at(T + 200.0));
    assert_eq!(tracker.next_look(), None);
}

#[test]
fn a_crash_loop_does_not_eat_memory() {
    let fake = FakeProc::new();
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, named(&["healer"]));
    tracker.look(at(T));
    let mut ends = 0;
    for round in 0..100u32 {
        let pid = 2_000 + round;
        fake.add(&Fake::new(pid, 60_000 + u64::from(round), "healer", &["healer"]));
        fake.last_pid(pid);
        tracker.look(at(T + f64::from(round)));
        fake.remove(pid);
        ends += ended(&tracker.look(at(T + f64::from(round) + 0.5))).len();
    }
    assert_eq!(ends, 100);
    let exits = &tracker.watched(Mark::default())[0].exits;
    assert_eq!(exits.len(), MAX_EXITS);
    assert_eq!(exits.last().unwrap().identity.pid, 2_099);
}

#[test]
fn a_pid_file_is_followed_and_its_faults_are_told() {
    let fake = FakeProc::new();
    let file = fake.path().join("run/relay.pid");
    fake.add(&Fake::new(10, 100, "python3", &["python3", "-c", "x"]));
    fake.add(&Fake::new(11, 100, "python3", &["python3", "-c", "y"]));
    fake.last_pid(1_000);
    let mut tracker = tracker(&fake, ruled("relay", Rule::PidFile(file.clone())));
    tracker.look(at(T));
    assert_eq!((pids(&tracker, 0).len(), tracker.watched(Mark::default())[0].error.clone()), (0, None));
    put(&file, "10\n");
    tracker.look(at(T + 5.0));
    assert_eq!(tracker.watched(Mark::default())[0].candidates[0].matched_by, MatchedBy::PidFile);
    tracker.full_scan(at(T + 6.0)).unwrap();
    assert_eq!(pids(&tracker, 0), [10], "a pass does not take it away");
    put(&file, "11 \n");
    tracker.look(at(T + 10.0));
    assert_eq!(pids(&tracker, 0), [11]);
    put(&file, "none");
    tracker.look(at(T + 15.0));
    assert!(tracker.watched(Mark::default())[0].error.as_deref().unwrap().contains("does not hold a pid"));
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    tracker.look(at(T + 20.0));
    assert!(tracker.watched(Mark::default())[0].error.as_deref().unwrap().contains("regular"));
}

#[test]
fn units_are_found_by_their_control_group() {
    let fake = FakeProc::new();
    for (pid, unit) in [(10, "nginx.service"), (11, "nginx.service"), (12, "other.service")] {
        let mut process = Fake::new(pid, 100, "x", &["x"]);
        process.cgroup = Some(format!("/system.slice/{unit}"));
        fake.add(&process);
    }
    let mut tracker = tracker(&fake, ruled("web", Rule::Unit("nginx".to_owned())));
    tracker.look(at(T));
    assert_eq!(pids(&tracker, 0), [10, 11]);
}

#[test]
fn one_pass_gives_the_table_and_the_daemons() {
    let fake = FakeProc::new();
    for pid in 1..=20 {
        fake.add(&Fake::new(pid, 100, "healer", &["healer"]));
    }
    let mut tracker = tracker(&fake, named(&["healer"]));
    let table = tracker.scan_table(5, at(T)).unwrap();
    assert_eq!((table.processes.len(), table.total), (5, 20));
    assert_eq!(pids(&tracker, 0).len(), 20);
    let before = tracker.files_opened();
    tracker.scan_table(100, at(T + 5.0)).unwrap();
    assert_eq!(tracker.files_opened() - before, 20, "no command line is read twice");
}

/// A child that is ended with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_collected = self.0.wait();
    }
}

fn spawn(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Ending {
    let mut command = Command::new(program);
    Ending(command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

fn script(directory: &Path, name: &str, body: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    put(&path, body);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A tracker of the real /proc for which this test is not ghostd: its children would never be daemons otherwise.
fn real(specs: Vec<DaemonSpec>) -> Tracker {
    let mut root = ProcRoot::open("/proc").unwrap();
    root.disown();
    Tracker::new(specs, root)
}

fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn real_scripts_are_found_and_what_mentions_them_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("relayCore{}", std::process::id());
    let file = script(directory.path(), &format!("{name}.sh"), "#!/bin/sh\nsleep 60 &\nwait\n");
    let path = file.to_str().unwrap();
    let direct = spawn(path, &[]);
    let by_shell = spawn("sh", &[path, "--verbose"]);
    let _mentioned = spawn("sh", &["-c", &format!("sleep 60; : {path}")]);
    let _watched = spawn("tail", &["-f", path]);
    let mut tracker = real(named(&[name.as_str()]));
    let expected = BTreeSet::from([direct.0.id(), by_shell.0.id()]);
    until(|| {
        tracker.full_scan(Moment::now(wall)).unwrap();
        // The younger one is told when it is two seconds old.
        pids(&tracker, 0).iter().copied().collect::<BTreeSet<_>>() == expected
    });
    let watched = &tracker.watched(Mark::default())[0];
    assert!(watched.candidates.iter().all(|candidate| candidate.matched_by == MatchedBy::Script));
    let mut by_line = real(ruled("x", Rule::CommandLine(Pattern::Contains(path.to_owned()))));
    let found = loop {
        by_line.full_scan(Moment::now(wall)).unwrap();
        let found: BTreeSet<u32> = pids(&by_line, 0).into_iter().collect();
        if found.len() >= 3 {
            break found;
        }
    };
    assert!(found.is_superset(&expected) && found.contains(&_watched.0.id()) && !found.contains(&_mentioned.0.id()));
}

#[tokio::test]
async fn the_end_of_a_real_process_is_told_at_once_with_its_signal() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("healer{}", std::process::id());
    let link = directory.path().join(&name);
    std::fs::copy("/bin/sleep", &link).unwrap();
    let mut tracker = real(named(&[name.as_str()]));
    tracker.look(Moment::now(wall));
    assert!(tracker.is_told());
    let signal = tracker.exit_signal().unwrap().unwrap();
    for round in 0..20 {
        let mut child = spawn(&link, &["60"]);
        until(|| {
            tracker.look(Moment::now(wall));
            pids(&tracker, 0) == [child.0.id()]
        });
        let identity = tracker.watched(Mark::default())[0].candidates[0].identity;
        assert!(tracker.follow(&name, identity, Moment::now(wall)).unwrap());
        let mark = tracker.mark();
        let killed_ns = super::super::super::clock::monotonic_ns();
        child.0.kill().unwrap();
        let exit = loop {
            tokio::time::timeout(Duration::from_secs(5), signal.wait()).await.unwrap().unwrap();
            let transitions = tracker.on_exit(Moment::now(wall));
            if let Some(Transition { change: Change::Ended(exit), .. }) = transitions.first() {
                break *exit;
            }
        };
        assert_eq!(exit.identity, identity);
        assert_eq!(exit.at_monotonic_ns, exit.not_before_monotonic_ns);
        assert!(exit.at_monotonic_ns - killed_ns < NS_PER_S, "round {round}");
        let watched = &tracker.watched(mark)[0];
        assert_eq!(watched.zombie, Some(identity), "not collected yet");
        assert_eq!(watched.exits.len(), 1);
        child.0.wait().unwrap();
        tracker.look(Moment::now(wall));
        let watched = &tracker.watched(mark)[0];
        assert_eq!(watched.zombie, None);
        // Kernels from 6.15 on tell it; where they do not, it is none and not something else.
        assert!(matches!(watched.exits[0].signal, Some(9) | None));
        if kernel_tells_status() {
            assert_eq!((watched.exits[0].code, watched.exits[0].signal), (None, Some(9)));
        }
        assert!(tracker.follow(&name, identity, Moment::now(wall)).unwrap_err().is_not_found());
    }
}

fn kernel_tells_status() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

#[test]
fn a_stopped_process_is_still_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("executor{}", std::process::id());
    let link = directory.path().join(&name);
    std::fs::copy("/bin/sleep", &link).unwrap();
    let child = spawn(&link, &["60"]);
    let mut tracker = real(named(&[name.as_str()]));
    until(|| {
        tracker.full_scan(Moment::now(wall)).unwrap();
        !pids(&tracker, 0).is_empty()
    });
    let pid = rustix::process::Pid::from_raw(child.0.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let identity = tracker.watched(Mark::default())[0].candidates[0].identity;
    until(|| tracker.stat(identity, Moment::now(wall)).unwrap().state == super::super::RunState::Stopped);
    assert_eq!(tracker.watched(Mark::default())[0].candidates.len(), 1);
}
