//! Finding daemons among processes.
//!
//! Owns which processes are looked at and how often; what fits is the matcher's business.

use std::collections::{HashMap, VecDeque};

use rustix::fs::{Mode, OFlags};

use super::super::super::{Error, Moment, NS_PER_S, Result};
use super::super::command::Command;
use super::super::matcher::{Evidence, Rule, can_be_a_daemon, is_zombie, matched, zombie_fits};
use super::super::types::{Candidate, Identity, MAX_CANDIDATES, MAX_TABLE, MatchedBy, Process, Table};
use super::super::{ProcRoot, unit_of_cgroup};
use super::exits::Ended;
use super::{Change, Daemon, Found, MAX_KNOWN_CANDIDATES, PidFile, SETTLED_NS, Tracker, Transition};

/// How many new pids are looked at one by one. Beyond that the listing is read: the numbers between are threads, and
/// processes that have ended.
const MAX_BY_NUMBER: u32 = 256;
/// How many processes are remembered as looked at. Those beyond are looked at again with each pass, so that a machine
/// that forks without end costs time and not memory.
const MAX_KNOWN: usize = 65_536;
/// How many observations of the last pid wait to settle.
const MAX_OBSERVATIONS: usize = 64;
/// How many transitions wait for the next call that tells them.
const MAX_TRANSITIONS: usize = 4096;
/// How far a process's ancestry is followed to see whether it is our own.
const MAX_ANCESTORS: usize = 16;
/// How much of a pid file is read.
const PID_FILE_BYTES: usize = 64;
/// How often the listing is read where the kernel does not tell the last pid.
const LISTING_EVERY_NS: u64 = 60 * NS_PER_S;

/// What is remembered of a process that was looked at.
#[derive(Debug)]
pub(super) struct Known {
    start: u64,
    comm: Box<str>,
    settled: bool,
    /// It is some daemon's.
    candidate: bool,
    pass: u32,
}

/// Up to which pid everything was looked at when it was old enough.
#[derive(Debug, Default)]
pub(super) struct Settling {
    settled: Option<u32>,
    /// What the last pid was, and when it was seen.
    observations: VecDeque<(u32, u64)>,
    pass: u32,
}

impl Settling {
    /// Everything up to `last` has been looked at now; what was there two seconds ago need not be looked at again.
    fn searched(&mut self, last: u32, now_ns: u64) {
        if self.observations.back().is_none_or(|(seen, _)| *seen != last) {
            if self.observations.len() == MAX_OBSERVATIONS {
                self.observations.pop_back();
            }
            self.observations.push_back((last, now_ns));
        }
        while let Some((seen, at)) = self.observations.front().copied() {
            if at + SETTLED_NS > now_ns {
                break;
            }
            self.settled = Some(seen);
            self.observations.pop_front();
        }
    }

    /// Numbering has begun anew, or nothing is known yet: a whole pass has looked at everything now.
    fn restart(&mut self, last: u32, now_ns: u64) {
        self.observations.clear();
        self.observations.push_back((last, now_ns));
        // What was forked just before the pass is looked at again when it is old enough.
        self.settled = Some(last.saturating_sub(MAX_BY_NUMBER));
    }

    fn highest(&self) -> u32 {
        self.observations.back().map(|(seen, _)| *seen).or(self.settled).unwrap_or(0)
    }
}

impl Tracker {
    /// Looks for what ended and what is new. Called with each beat, and by [`Tracker::next_look`] while something is
    /// missing. Reads /proc/loadavg, the new processes, and what the kernel does not tell of by itself.
    pub fn look(&mut self, now: Moment) -> Vec<Transition> {
        if self.settling.settled.is_none() && self.settling.pass == 0 {
            if let Err(error) = self.full_scan(now) {
                self.trouble = Some(error.to_string());
            }
            return self.told(now);
        }
        self.notice_ends(now, self.last_look_ns);
        self.poll_unfollowed(now);
        self.check_zombies(now);
        self.read_pid_files(now);
        self.trouble = self.search(now).err().map(|error| error.to_string());
        self.last_look_ns = now.monotonic_ns;
        self.told(now)
    }

    /// Looks at every process: one `stat` each, and the command line of those that are new or have another name.
    /// What is found is told by the next [`Tracker::look`].
    pub fn full_scan(&mut self, now: Moment) -> Result<()> {
        self.pass(now, 0).map(drop)
    }

    /// The same, and the process table with it: each `stat` is read once for both.
    pub fn scan_table(&mut self, limit: u32, now: Moment) -> Result<Table> {
        self.pass(now, limit.min(MAX_TABLE))
    }

    fn pass(&mut self, now: Moment, limit: u32) -> Result<Table> {
        let last = self.root.last_pid();
        self.notice_ends(now, self.last_look_ns);
        let mut pids = Vec::new();
        self.root.each_pid(&mut |pid| pids.push(pid))?;
        self.settling.pass = self.settling.pass.wrapping_add(1).max(1);
        let mut table = Table::default();
        for pid in pids {
            self.opened += 1;
            match self.root.process(pid, now) {
                Ok(process) => {
                    table.total += 1;
                    self.consider(&process, true, now);
                    if table.processes.len() < limit as usize {
                        table.processes.push(process);
                    }
                }
                Err(Error::NotFound(_)) => {}
                Err(_) => {
                    table.total += 1;
                    table.unreadable += 1;
                }
            }
        }
        let pass = self.settling.pass;
        self.known.retain(|_, known| known.pass == pass);
        self.known.shrink_to(2 * self.known.len());
        self.end_unseen(now);
        self.read_pid_files(now);
        if let Some(last) = last {
            self.settling.restart(last, now.monotonic_ns);
        }
        self.searched_ns = now.monotonic_ns;
        self.last_look_ns = now.monotonic_ns;
        self.schedule(now);
        Ok(table)
    }

    /// Looks at what is new since everything was looked at.
    fn search(&mut self, now: Moment) -> Result<()> {
        let due = self.next_look().is_some_and(|due| due <= now.monotonic_ns);
        let Some(last) = self.root.last_pid() else {
            if due || self.searched_ns + LISTING_EVERY_NS <= now.monotonic_ns {
                self.search_listing(now, |known| known.is_none_or(|known| !known.settled))?;
                self.searched_ns = now.monotonic_ns;
            }
            return Ok(());
        };
        self.opened += 1;
        self.searched_ns = now.monotonic_ns;
        let Some(settled) = self.settling.settled else { return self.pass(now, 0).map(drop) };
        if last < self.settling.highest() {
            // The numbering has begun anew: any pid may be another process now.
            return self.pass(now, 0).map(drop);
        }
        if last - settled <= MAX_BY_NUMBER {
            for pid in settled + 1..=last {
                self.look_at(pid, false, now);
            }
        } else {
            let mut pids = Vec::new();
            self.root.each_pid(&mut |pid| {
                if pid > settled {
                    pids.push(pid);
                }
            })?;
            for pid in pids {
                self.look_at(pid, true, now);
            }
        }
        self.settling.searched(last, now.monotonic_ns);
        Ok(())
    }

    fn search_listing(&mut self, now: Moment, wanted: impl Fn(Option<&Known>) -> bool) -> Result<()> {
        let mut pids = Vec::new();
        let known = &self.known;
        self.root.each_pid(&mut |pid| {
            if wanted(known.get(&pid)) {
                pids.push(pid);
            }
        })?;
        for pid in pids {
            self.look_at(pid, true, now);
        }
        Ok(())
    }

    /// Looks at a pid unless it was looked at when it was old enough. `listed` says that it is no further thread.
    fn look_at(&mut self, pid: u32, listed: bool, now: Moment) {
        if self.known.get(&pid).is_some_and(|known| known.settled) {
            return;
        }
        self.opened += 1;
        if let Ok(process) = self.root.process(pid, now) {
            self.consider(&process, listed, now);
        }
    }

    /// Takes note of one process: whose it is, if anybody's.
    fn consider(&mut self, process: &Process, listed: bool, now: Moment) {
        let identity = process.identity;
        if Some(identity.pid) == self.root.own_pid() {
            return;
        }
        if is_zombie(process) {
            self.consider_zombie(process, now);
            return;
        }
        let pass = self.settling.pass;
        if let Some(known) = self.known.get_mut(&identity.pid)
            && known.settled
            && known.start == identity.start
            && *known.comm == *process.name
        {
            known.pass = pass;
            if known.candidate {
                self.mark_alive(identity, now);
            }
            return;
        }
        let settled = self.root.age_ns(process, now) > SETTLED_NS;
        let candidate = can_be_a_daemon(process) && self.assign(process, listed, settled, now);
        if self.known.len() < MAX_KNOWN || self.known.contains_key(&identity.pid) {
            let comm = process.name.as_str().into();
            self.known.insert(identity.pid, Known { start: identity.start, comm, settled, candidate, pass });
        }
    }

    /// Gives a living process to the daemons that it fits, and takes it from those that it no longer fits.
    fn assign(&mut self, process: &Process, listed: bool, settled: bool, now: Moment) -> bool {
        let mut arguments = std::mem::take(&mut self.arguments);
        arguments.clear();
        if self.wants_arguments {
            self.opened += 1;
            // A process that does not tell is judged by its name alone.
            let _refused = self.root.command_line(process.identity.pid, &mut arguments);
        }
        let command = Command::parse(&arguments);
        let evidence = OfProcess { root: &self.root, pid: process.identity.pid };
        let mut fits: Vec<(usize, MatchedBy)> = self
            .daemons
            .iter()
            .enumerate()
            .filter_map(|(index, daemon)| Some((index, matched(&daemon.spec.rules, process, &command, &evidence)?)))
            .collect();
        if !fits.is_empty() && (self.is_ours(process, now) || !(listed || self.root.is_leader(process.identity.pid))) {
            fits.clear();
        }
        drop(command);
        self.arguments = arguments;
        for index in 0..self.daemons.len() {
            match fits.iter().find(|(daemon, _)| *daemon == index) {
                Some((_, matched_by)) => self.admit(index, process, *matched_by, settled, now),
                None => self.dismiss(index, process.identity, now),
            }
        }
        !fits.is_empty()
    }

    /// Makes the process a candidate of the daemon, or confirms that it is.
    fn admit(&mut self, index: usize, process: &Process, matched_by: MatchedBy, settled: bool, now: Moment) {
        let identity = process.identity;
        let Some(daemon) = self.daemons.get_mut(index) else { return };
        if let Some(at) = daemon.position(identity) {
            let found = &mut daemon.found[at];
            found.candidate.matched_by = matched_by;
            found.settled = settled;
            found.alive_ns = now.monotonic_ns;
            found.comm.clone_from(&process.name);
            return;
        }
        if daemon.found.len() >= MAX_KNOWN_CANDIDATES {
            return;
        }
        let at = daemon.found.partition_point(|found| found.candidate.identity < identity);
        if at < MAX_CANDIDATES
            && let Err(error) = self.follower.hold(index, identity, &self.root, now)
        {
            tracing::debug!(%error, daemon = daemon.spec.name, "Process ended while it was found.");
            return;
        }
        let found = Found {
            candidate: Candidate { identity, matched_by },
            comm: process.name.clone(),
            settled,
            announced: false,
            alive_ns: now.monotonic_ns,
        };
        daemon.found.insert(at, found);
    }

    /// The process lives and is not, or no longer, the daemon's. One that a pid file names stays.
    fn dismiss(&mut self, index: usize, identity: Identity, now: Moment) {
        let Some(daemon) = self.daemons.get_mut(index) else { return };
        let Some(at) = daemon.position(identity) else { return };
        if daemon.found[at].candidate.matched_by == MatchedBy::PidFile {
            return;
        }
        let found = daemon.found.remove(at);
        self.follower.drop_living(index, identity);
        if found.announced {
            let daemon = daemon.spec.name.clone();
            self.tell(Transition { daemon, identity, change: Change::Left { at: now } });
        }
    }

    /// A process that has ended and was not collected.
    fn consider_zombie(&mut self, process: &Process, now: Moment) {
        let identity = process.identity;
        for index in 0..self.daemons.len() {
            let daemon = &mut self.daemons[index];
            if let Some(at) = daemon.position(identity) {
                let not_before_ns = daemon.found[at].alive_ns;
                self.record_end(Ended { daemon: index, identity, wait_status: None }, now, not_before_ns);
            } else if daemon.zombie.is_none() && zombie_fits(&daemon.spec.rules, process) {
                daemon.zombie = Some(identity);
            }
        }
    }

    fn mark_alive(&mut self, identity: Identity, now: Moment) {
        for daemon in &mut self.daemons {
            if let Some(at) = daemon.position(identity) {
                daemon.found[at].alive_ns = now.monotonic_ns;
            }
        }
    }

    /// A candidate was read by the caller: has it become something else, or ended?
    pub(super) fn saw_again(&mut self, process: &Process, now: Moment) {
        let changed = self
            .daemons
            .iter()
            .any(|daemon| daemon.position(process.identity).is_some_and(|at| daemon.found[at].comm != process.name));
        if changed || is_zombie(process) {
            self.known.remove(&process.identity.pid);
            self.consider(process, true, now);
        } else {
            self.mark_alive(process.identity, now);
        }
    }

    /// Looks at the candidates whose end the kernel does not tell.
    fn poll_unfollowed(&mut self, now: Moment) {
        for index in 0..self.daemons.len() {
            let unfollowed: Vec<(Identity, u64)> = self.daemons[index]
                .found
                .iter()
                .take(MAX_CANDIDATES)
                .filter(|found| !self.follower.holds(index, found.candidate.identity))
                .map(|found| (found.candidate.identity, found.alive_ns))
                .collect();
            for (identity, alive_ns) in unfollowed {
                self.opened += 1;
                match self.root.stat(identity, now) {
                    Ok(process) => self.saw_again(&process, now),
                    Err(Error::NotFound(_)) => {
                        self.record_end(Ended { daemon: index, identity, wait_status: None }, now, alive_ns);
                    }
                    Err(_) => {}
                }
            }
        }
    }

    /// After a whole pass: what it did not meet has ended.
    fn end_unseen(&mut self, now: Moment) {
        for index in 0..self.daemons.len() {
            let unseen: Vec<(Identity, u64)> = self.daemons[index]
                .found
                .iter()
                .filter(|found| found.alive_ns < now.monotonic_ns)
                .map(|found| (found.candidate.identity, found.alive_ns))
                .collect();
            for (identity, alive_ns) in unseen {
                if self.root.stat(identity, now).is_err_and(|error| error.is_not_found()) {
                    self.record_end(Ended { daemon: index, identity, wait_status: None }, now, alive_ns);
                }
            }
        }
    }

    /// Whether a process is our own child, or below one: what we run to look must not be what we find.
    fn is_ours(&self, process: &Process, now: Moment) -> bool {
        let Some(own) = self.root.own_pid() else { return false };
        if own == 1 {
            // As init of a container everything is below us.
            return false;
        }
        let mut parent = process.ppid;
        for _ in 0..MAX_ANCESTORS {
            if parent == own {
                return true;
            }
            if parent <= 1 {
                return false;
            }
            match self.root.process(parent, now) {
                Ok(process) => parent = process.ppid,
                Err(_) => return false,
            }
        }
        false
    }

    /// Reads the pid files that have changed, and admits what they name.
    fn read_pid_files(&mut self, now: Moment) {
        for index in 0..self.daemons.len() {
            let Some(file) = self.daemons[index].pid_file.as_mut() else { continue };
            let before = file.pid;
            file.refresh();
            let pid = file.pid;
            if before != pid {
                let others: Vec<Identity> = self.daemons[index]
                    .found
                    .iter()
                    .filter(|found| found.candidate.matched_by == MatchedBy::PidFile)
                    .map(|found| found.candidate.identity)
                    .filter(|identity| Some(identity.pid) != pid)
                    .collect();
                for identity in others {
                    self.release_from_pid_file(index, identity, now);
                }
            }
            let Some(pid) = pid else { continue };
            let known = |daemon: &Daemon| daemon.found.iter().any(|found| found.candidate.identity.pid == pid);
            if known(&self.daemons[index]) || Some(pid) == self.root.own_pid() {
                continue;
            }
            self.opened += 1;
            if let Ok(process) = self.root.process(pid, now)
                && can_be_a_daemon(&process)
            {
                self.admit(index, &process, MatchedBy::PidFile, true, now);
            }
        }
    }

    fn release_from_pid_file(&mut self, index: usize, identity: Identity, now: Moment) {
        if self.root.stat(identity, now).is_err_and(|error| error.is_not_found()) {
            return; // It has ended, which is told as such.
        }
        let daemon = &mut self.daemons[index];
        if let Some(at) = daemon.position(identity) {
            daemon.found[at].candidate.matched_by = MatchedBy::Name;
            self.dismiss(index, identity, now);
        }
    }

    /// Notices the ends that the kernel tells of.
    fn notice_ends(&mut self, now: Moment, not_before_ns: u64) {
        self.drain(now, not_before_ns);
    }

    /// Remembers a transition for whoever is told next.
    pub(super) fn tell(&mut self, transition: Transition) {
        if self.transitions.len() < MAX_TRANSITIONS {
            self.transitions.push(transition);
        }
    }

    /// What happened since it was told last, with those announced that are told from now on.
    pub(super) fn told(&mut self, now: Moment) -> Vec<Transition> {
        for index in 0..self.daemons.len() {
            let daemon = &mut self.daemons[index];
            let name = daemon.spec.name.clone();
            let mut fresh = Vec::new();
            for (at, found) in daemon.found.iter_mut().enumerate().take(MAX_CANDIDATES) {
                if !found.announced && (at == 0 || found.settled) {
                    found.announced = true;
                    fresh.push(found.candidate);
                }
            }
            for Candidate { identity, matched_by } in fresh {
                let change = Change::Appeared { matched_by, at: now };
                self.tell(Transition { daemon: name.clone(), identity, change });
            }
        }
        self.schedule(now);
        std::mem::take(&mut self.transitions)
    }
}

/// What can be read about one process.
struct OfProcess<'a> {
    root: &'a ProcRoot,
    pid: u32,
}

impl Evidence for OfProcess<'_> {
    fn executable(&self) -> Option<String> {
        self.root.executable(self.pid)
    }

    fn unit(&self) -> Option<String> {
        self.root.cgroup(self.pid).as_deref().and_then(unit_of_cgroup)
    }
}

/// Whether any rule looks at command lines; where none does, none is read.
pub(super) fn wants_arguments(daemons: &[Daemon]) -> bool {
    daemons.iter().flat_map(|daemon| &daemon.spec.rules).any(Rule::wants_arguments)
}

/// An empty cache.
pub(super) fn empty() -> (HashMap<u32, Known>, Settling) {
    (HashMap::new(), Settling::default())
}

impl PidFile {
    /// Reads the file if it has changed.
    fn refresh(&mut self) {
        let path = self.path.display().to_string();
        let stat = match rustix::fs::stat(&self.path) {
            Ok(stat) => stat,
            Err(errno) => {
                self.stamp = None;
                self.pid = None;
                let missing = matches!(errno, rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR);
                self.error = (!missing).then(|| format!("cannot read pid file `{path}`: {errno}"));
                return;
            }
        };
        // The types of these fields differ between platforms.
        let stamp =
            (stat.st_mtime as i64 * 1_000_000_000 + stat.st_mtime_nsec as i64, stat.st_size as u64, stat.st_ino as u64);
        if self.stamp == Some(stamp) {
            return;
        }
        match self.read() {
            Ok(pid) => {
                self.stamp = Some(stamp);
                self.pid = Some(pid);
                self.error = None;
            }
            Err(error) => {
                // Read again at the next look: it may be half written.
                self.stamp = None;
                self.pid = None;
                self.error = Some(format!("cannot read pid file `{path}`: {error}"));
            }
        }
    }

    fn read(&self) -> std::result::Result<u32, String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|errno| errno.to_string())?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| errno.to_string())?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err("it is not a regular file".to_owned());
        }
        let mut buffer = [0; PID_FILE_BYTES];
        let length = rustix::io::read(&file, &mut buffer).map_err(|errno| errno.to_string())?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let word = text.split_whitespace().next().unwrap_or_default();
        word.parse().ok().filter(|pid| *pid > 0).ok_or_else(|| "it does not hold a pid".to_owned())
    }
}
