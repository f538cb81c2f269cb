//! What a daemon is, from what was seen of it now and what is remembered: the truth table.
//!
//! Owns every transition between states and every count. Pure: it takes values and changes the memory
//! that it is given, and asks nobody.

use ghostd_sdk::host::processes::{Daemon, RunState};

use crate::config::Config;
use crate::look::{Alive, Sighting};
use crate::memory::{self, End, Id, MAX_KNOWN, MAX_RESTARTS, Past, Restart, id};
use crate::status::Status;

/// How many of the remembered processes may be ones that run no more.
const MAX_FORMER: usize = 8;

/// The time of a look.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds since the epoch.
    pub ms: i64,
    /// Nanoseconds since boot.
    pub ns: u64,
    /// When was looked before, in milliseconds since the epoch.
    pub last_ms: Option<i64>,
}

/// A daemon's state and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The state.
    pub status: Status,
    /// Why, where it is not simply running.
    pub reason: Option<String>,
}

impl Now {
    /// The wall-clock time of an instant of this boot, by the clock as it stands now.
    #[must_use]
    pub fn wall_ms(&self, at_ns: u64) -> i64 {
        let ago_ms = self.ns.saturating_sub(at_ns) / 1_000_000;
        self.ms.saturating_sub(i64::try_from(ago_ms).unwrap_or(i64::MAX))
    }
}

/// Judges one daemon, and brings its memory up to date.
pub fn judge(past: &mut Past, watched: &Daemon, sighting: &Sighting, now: &Now, config: &Config) -> Verdict {
    let exits_before = past.exits;
    let starts = count_starts(past, watched, sighting, now);
    count_restarts(past, watched, sighting, now, starts);
    remember_processes(past, watched, sighting);
    let gone = past.followed.is_some() || starts > 0;
    let verdict = match &sighting.alive {
        Some(alive) => {
            past.followed = Some(id(alive.identity));
            past.zombie = None;
            if let Some(details) = &alive.details {
                past.detail = Some(details.clone());
            }
            present(past, watched, alive, now)
        }
        None => {
            past.followed = None;
            past.detail = None;
            past.paused_ns = None;
            past.zombie = sighting.zombie.map(|(zombie, parent)| (id(zombie), parent));
            if gone {
                past.failures += 1;
            }
            absent(past, watched, sighting, now, config)
        }
    };
    if verdict.status != past.status || past.since_ms == 0 {
        past.since_ms = since(past, sighting, verdict.status, past.exits > exits_before, now);
        past.status = verdict.status;
    }
    verdict
}

/// Notes every end, and counts the processes that were not known before.
fn count_starts(past: &mut Past, watched: &Daemon, sighting: &Sighting, now: &Now) -> u64 {
    let former = past.followed;
    let current = sighting.alive.as_ref().map(|alive| id(alive.identity));
    let mut starts: Vec<Id> = Vec::new();
    let start = |starts: &mut Vec<Id>, past: &Past, new: Id| {
        if !past.known.contains(&new) && !starts.contains(&new) {
            starts.push(new);
        }
    };
    // A daemon that merely was found under an older process did not start.
    let lives = |former| {
        let mut candidates = watched.candidates.iter().map(|candidate| candidate.identity);
        current.is_some()
            && (current == Some(former)
                || candidates.any(|other| id(other) == former && !sighting.vanished.contains(&other)))
    };
    if let Some(former) = former.filter(|&former| !lives(former))
        && !watched.exits.iter().any(|exit| id(exit.identity) == former)
    {
        let started_ms = sighting.alive.as_ref().and_then(Alive::started_ms);
        // It ended before the next one began, unless that was already there at the last look.
        let at_ms =
            started_ms.filter(|&at| now.last_ms.is_some_and(|last| at >= last) && at <= now.ms).unwrap_or(now.ms);
        note_end(past, End { id: former, not_before_ms: now.last_ms, at_ms, code: None, signal: None });
    }
    for exit in &watched.exits {
        start(&mut starts, past, id(exit.identity));
        note_end(past, memory::end(exit, |ns| now.wall_ms(ns)));
    }
    if let Some((zombie, _)) = sighting.zombie.filter(|_| current.is_none()) {
        start(&mut starts, past, id(zombie));
    }
    if let Some(current) = current.filter(|_| former.is_none_or(|former| !lives(former))) {
        start(&mut starts, past, current);
    }
    starts.len() as u64
}

/// Makes restarts of starts: the first start of a boot is none.
fn count_restarts(past: &mut Past, watched: &Daemon, sighting: &Sighting, now: &Now, starts: u64) {
    let restarts = if past.seen_since_boot { starts } else { starts.saturating_sub(1) };
    if starts > 0 || sighting.alive.is_some() {
        past.seen = true;
        past.seen_since_boot = true;
    }
    past.restarts += restarts;
    // Where systemd counts, its count is the truth, also of restarts too quick to be seen.
    let news = match (past.unit_restarts, watched.unit_restarts) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => restarts,
    };
    past.unit_restarts = watched.unit_restarts;
    if !watched.maintenance {
        let news = usize::try_from(news).unwrap_or(MAX_RESTARTS).min(MAX_RESTARTS);
        past.restarts_ns.extend(std::iter::repeat_n(now.ns, news));
        let beyond = past.restarts_ns.len().saturating_sub(MAX_RESTARTS);
        past.restarts_ns.drain(..beyond);
    }
    if let (Some(alive), true) = (&sighting.alive, restarts > 0) {
        let started_ms = alive.started_ms().unwrap_or(now.ms);
        past.last_restart = Some(Restart {
            noticed_ms: now.ms,
            noticed_ns: Some(now.ns),
            not_before_ms: past.last_exit.map_or(now.last_ms, |end| end.not_before_ms),
            not_after_ms: past.last_exit.map_or(started_ms, |end| end.at_ms),
            started_ms,
            former_pid: past.last_exit.map(|end| end.id.0),
        });
    }
}

/// What runs now is known from now on, beside the last few of what ran before.
fn remember_processes(past: &mut Past, watched: &Daemon, sighting: &Sighting) {
    let zombie = sighting.zombie.map(|(zombie, _)| zombie);
    let ended = watched.exits.iter().map(|exit| exit.identity).chain(zombie);
    ended.for_each(|ended| past.know(id(ended)));
    let alive = sighting.alive.as_ref().map(|alive| alive.identity);
    let running = alive.into_iter().chain(watched.candidates.iter().map(|candidate| candidate.identity)).map(id);
    let running: Vec<Id> = running.take(MAX_KNOWN - MAX_FORMER).collect();
    past.known.retain(|known| !running.contains(known));
    let beyond = past.known.len().saturating_sub(MAX_FORMER);
    past.known.drain(..beyond);
    running.into_iter().for_each(|running| past.know(running));
}

fn present(past: &mut Past, watched: &Daemon, alive: &Alive, now: &Now) -> Verdict {
    let stopped = match alive.process.as_ref().map(|process| process.state) {
        Some(RunState::Stopped) => Some("stopped by a signal"),
        Some(RunState::Traced) => Some("stopped by a debugger"),
        _ => None,
    };
    if let Some(reason) = stopped {
        past.paused_ns.get_or_insert(now.ns);
        return Verdict { status: Status::Paused, reason: Some(reason.to_owned()) };
    }
    past.paused_ns = None;
    let noticed_ns = past.last_restart.and_then(|restart| restart.noticed_ns);
    let lately =
        noticed_ns.is_some_and(|at| now.ns.saturating_sub(at) < watched.restarted_for_ms.saturating_mul(1_000_000));
    if lately {
        let reason = past.last_exit.map(|end| format!("the former process {} {}", end.id.0, how(&end)));
        return Verdict { status: Status::Restarted, reason };
    }
    Verdict { status: Status::Running, reason: None }
}

fn absent(past: &Past, watched: &Daemon, sighting: &Sighting, now: &Now, config: &Config) -> Verdict {
    let failed = |reason| Verdict { status: Status::Failed, reason: Some(reason) };
    let unknown = |reason| Verdict { status: Status::Unknown, reason: Some(reason) };
    if let Some((zombie, parent)) = sighting.zombie {
        let parent = parent.map_or_else(String::new, |parent| format!(" {parent}"));
        return failed(format!("zombie: process {} ended and its parent{parent} does not collect it", zombie.pid));
    }
    if past.seen_since_boot {
        return failed(
            past.last_exit.map_or_else(|| "gone".to_owned(), |end| format!("process {} {}", end.id.0, how(&end))),
        );
    }
    if sighting.blind {
        let error = watched.error.as_deref().unwrap_or("no reason given");
        return unknown(format!("cannot be looked for: {error}"));
    }
    if !past.seen {
        return unknown("not seen yet".to_owned());
    }
    let up_seconds = now.ns / 1_000_000_000;
    if up_seconds < u64::from(config.boot_grace_seconds) {
        return unknown(format!("not seen since the boot {up_seconds} s ago"));
    }
    failed("has not come back since the boot".to_owned())
}

/// An end that was noticed by looking may be told once more by the host, and better: it counts once.
fn note_end(past: &mut Past, end: End) {
    if past.last_exit.is_none_or(|last| last.id != end.id) {
        past.exits += 1;
    }
    past.last_exit = Some(end);
}

fn how(end: &End) -> String {
    match (end.signal, end.code) {
        (Some(signal), _) => format!("was ended by signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("exited with status {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The signals that have the same number on every platform that ghostd runs on (signal(7)).
fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        14 => " (SIGALRM)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

fn since(past: &Past, sighting: &Sighting, status: Status, ended_now: bool, now: &Now) -> i64 {
    let started_ms = sighting.alive.as_ref().and_then(Alive::started_ms);
    match (status, past.last_exit) {
        (Status::Failed, Some(end)) if ended_now => end.at_ms,
        // At first sight it has been running since it started.
        (Status::Running, _) if past.since_ms == 0 || past.status == Status::Unknown => started_ms.unwrap_or(now.ms),
        _ => now.ms,
    }
}

impl Alive {
    fn started_ms(&self) -> Option<i64> {
        self.process.as_ref().map(|process| process.started_ms)
    }
}

#[cfg(test)]
mod tests {
    use ghostd_sdk::host::processes::{Candidate, Exit, Identity};

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Now {
        let ms = |seconds: u64| i64::try_from(seconds).unwrap() * 1000;
        Now { ms: ms(seconds), ns: seconds * SECOND_NS, last_ms: seconds.checked_sub(5).map(ms) }
    }

    fn watched(pids: &[u32]) -> Daemon {
        let candidate = |&pid| Candidate { identity: identity(pid), matched_by: "name".to_owned() };
        let candidates: Vec<_> = pids.iter().map(candidate).collect();
        Daemon {
            name: "d".to_owned(),
            restarted_for_ms: 60_000,
            candidate_count: pids.len() as u32,
            candidates,
            ..Daemon::default()
        }
    }

    fn identity(pid: u32) -> Identity {
        Identity { pid, start: u64::from(pid) }
    }

    fn exit(pid: u32) -> Exit {
        Exit { identity: identity(pid), ..Exit::default() }
    }

    fn sighting(watched: &Daemon) -> Sighting {
        let alive = watched.candidates.first().map(|candidate| Alive {
            identity: candidate.identity,
            matched_by: None,
            process: None,
            details: None,
            told_by_kernel: None,
        });
        Sighting { alive, ..Sighting::default() }
    }

    fn look(past: &mut Past, seconds: u64, watched: &Daemon) -> Status {
        judge(past, watched, &sighting(watched), &at(seconds), &Config::default()).status
    }

    #[test]
    fn every_process_of_a_crash_loop_between_two_looks_is_counted() {
        let mut past = Past::default();
        look(&mut past, 100, &watched(&[1]));
        let quick = Daemon { exits: vec![exit(1), exit(2), exit(3)], ..watched(&[4]) };
        assert_eq!(look(&mut past, 105, &quick), Status::Restarted);
        assert_eq!((past.restarts, past.exits, past.failures), (3, 3, 0));
        // Ended again, and the last attempt of all with it.
        let dead = Daemon { exits: vec![exit(4), exit(5)], ..watched(&[]) };
        assert_eq!(look(&mut past, 110, &dead), Status::Failed);
        assert_eq!((past.restarts, past.exits, past.failures), (4, 5, 1));
        assert_eq!(look(&mut past, 115, &watched(&[6])), Status::Restarted);
        assert_eq!((past.restarts, past.exits), (5, 5));
    }

    #[test]
    fn the_first_start_is_no_restart_also_when_it_ended_before_it_was_seen() {
        let mut past = Past::default();
        let brief = Daemon { exits: vec![exit(1)], ..watched(&[]) };
        assert_eq!(look(&mut past, 100, &brief), Status::Failed);
        assert_eq!((past.restarts, past.exits, past.failures), (0, 1, 1));
    }

    #[test]
    fn an_end_that_is_told_after_it_was_noticed_counts_once() {
        let mut past = Past::default();
        look(&mut past, 100, &watched(&[1]));
        look(&mut past, 105, &watched(&[]));
        assert_eq!(past.last_exit.unwrap().not_before_ms, Some(100_000));
        let told = Daemon { exits: vec![Exit { signal: Some(9), ..exit(1) }], ..watched(&[]) };
        let verdict = judge(&mut past, &told, &sighting(&told), &at(110), &Config::default());
        assert_eq!(verdict.reason.as_deref(), Some("process 1 was ended by signal 9 (SIGKILL)"));
        assert_eq!((past.exits, past.failures), (1, 1));
    }

    #[test]
    fn a_pool_hands_over_without_restarts_however_long_it_churns() {
        let mut past = Past::default();
        look(&mut past, 0, &watched(&[1, 2]));
        for pid in 2..200 {
            assert_eq!(look(&mut past, u64::from(pid) * 5, &watched(&[pid, pid + 1])), Status::Running);
        }
        assert_eq!((past.restarts, past.exits), (0, 198));
        assert!(past.known.len() <= MAX_KNOWN);
    }

    #[test]
    fn an_old_worker_stays_known_while_the_others_churn() {
        let mut past = Past::default();
        look(&mut past, 0, &watched(&[1, 2]));
        for pid in 10..100 {
            look(&mut past, u64::from(pid) * 5, &watched(&[1, 2, pid]));
        }
        assert_eq!(look(&mut past, 600, &watched(&[2])), Status::Running);
        assert_eq!(past.restarts, 0);
    }

    #[test]
    fn an_older_process_that_begins_to_match_takes_over_without_a_restart() {
        let mut past = Past::default();
        look(&mut past, 0, &watched(&[5]));
        assert_eq!(look(&mut past, 5, &watched(&[3, 5])), Status::Running);
        assert_eq!((past.restarts, past.exits, past.followed), (0, 0, Some((3, 3))));
    }

    #[test]
    fn a_candidate_that_vanished_under_the_look_has_ended() {
        let mut past = Past::default();
        look(&mut past, 0, &watched(&[1, 2]));
        // The host still names both; the first was gone when it was read.
        let both = watched(&[1, 2]);
        let sighting = Sighting { vanished: vec![identity(1)], ..sighting(&watched(&[2])) };
        judge(&mut past, &both, &sighting, &at(5), &Config::default());
        assert_eq!((past.exits, past.restarts, past.followed), (1, 0, Some((2, 2))));
        let sighting = Sighting { vanished: vec![identity(1), identity(2)], ..Sighting::default() };
        let verdict = judge(&mut past, &both, &sighting, &at(10), &Config::default());
        assert_eq!((verdict.status, past.exits, past.failures), (Status::Failed, 2, 1));
    }

    #[test]
    fn the_service_managers_count_decides_what_is_flapping() {
        let mut past = Past::default();
        let unit = |count, pid| Daemon { unit_restarts: Some(count), ..watched(&[pid]) };
        look(&mut past, 0, &unit(10, 1));
        look(&mut past, 5, &unit(15, 2));
        assert_eq!((past.restarts, past.restarts_ns.len()), (1, 5));
        look(&mut past, 10, &unit(0, 2));
        assert_eq!(past.restarts_ns.len(), 5, "reset-failed is no restart");
    }

    #[test]
    fn restarts_in_maintenance_count_and_are_no_flapping() {
        let mut past = Past::default();
        look(&mut past, 0, &watched(&[1]));
        look(&mut past, 5, &Daemon { maintenance: true, ..watched(&[2]) });
        assert_eq!((past.restarts, past.restarts_ns.len()), (1, 0));
    }

    #[test]
    fn a_crash_loop_of_days_stays_bounded() {
        let mut past = Past::default();
        for pid in 1..5000 {
            look(&mut past, u64::from(pid) * 5, &watched(&[pid]));
        }
        assert_eq!((past.restarts, past.restarts_ns.len()), (4998, MAX_RESTARTS));
        assert!(serde_json::to_string(&past).unwrap().len() < 3000);
    }
}
