//! Follows the daemons of the configuration: finds them, holds them by pidfd, and notices when they end.
//!
//! Owns the candidates of each daemon, the cache of what was already looked at, and the ring of exits. Must not know
//! what a daemon's state is called, nor when it is called: the caller passes the moment and keeps the schedule
//! ([`Tracker::next_look`]).
//!
//! The cost of a [`Tracker::look`] does not depend on how many processes there are. The last field of /proc/loadavg
//! tells whether a pid is new, and only new ones are looked at; each is looked at until it is older than
//! [`SETTLED_NS`], because a process that was just forked is about to become something else. An older process that
//! becomes another one by exec is found by the next whole pass, where its command name has changed.
//!
//! Three files: `mod` holds what is told, `search` finds, `exits` notices the end.

mod exits;
mod search;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use super::super::{Error, Moment, NS_PER_MS, NS_PER_S, Result};
use super::ProcRoot;
use super::matcher::Rule;
use super::types::{Candidate, Detail, Exit, Identity, MAX_CANDIDATES, MAX_EXITS, MatchedBy, Process, Scrub, Watched};
pub use exits::ExitSignal;
use exits::Follower;
use search::{Known, Settling, empty, wants_arguments};

/// A pid counts as seen once its process is this old: before that, fork and exec are still under way.
const SETTLED_NS: u64 = 2 * NS_PER_S;
/// When the search for what is missing goes on, after the daemon went missing. Then every [`SEARCH_EVERY_NS`].
const SEARCH_STEPS_NS: [u64; 7] =
    [100 * NS_PER_MS, 500 * NS_PER_MS, 2 * NS_PER_S, 5 * NS_PER_S, 10 * NS_PER_S, 20 * NS_PER_S, 40 * NS_PER_S];
const SEARCH_EVERY_NS: u64 = 60 * NS_PER_S;
/// How many fitting processes of one daemon are known by identity, so that a rule that fits everything stays bounded.
const MAX_KNOWN_CANDIDATES: usize = 4096;

/// A daemon to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonSpec {
    /// Its name in the configuration.
    pub name: String,
    /// How it is found. Where there is none, [`Rule::Default`] with its name.
    pub rules: Vec<Rule>,
    /// How long after a restart it is reported as restarted. Passed through to [`Watched`].
    pub restarted_for_ms: u64,
}

impl DaemonSpec {
    /// A daemon of which only the name is known.
    pub fn named(name: impl Into<String>, restarted_for_ms: u64) -> Self {
        let name = name.into();
        Self { rules: vec![Rule::Default(name.clone())], name, restarted_for_ms }
    }
}

/// Up to where somebody has taken note of the exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub struct Mark(u64);

/// Something that happened to a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The daemon's name.
    pub daemon: String,
    /// The process.
    pub identity: Identity,
    /// What happened to it.
    pub change: Change,
}

/// What happened to a process of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was found.
    Appeared {
        /// By what.
        matched_by: MatchedBy,
        /// When.
        at: Moment,
    },
    /// It lives on as something else, and is the daemon's no longer.
    Left {
        /// When that was noticed.
        at: Moment,
    },
    /// It ended. Its exit status may be known only later, when its parent collects it; [`Watched::exits`] has it then.
    Ended(Exit),
}

/// The daemons, and what is known of them.
#[derive(Debug)]
pub struct Tracker {
    root: ProcRoot,
    daemons: Vec<Daemon>,
    follower: Follower,
    known: HashMap<u32, Known>,
    settling: Settling,
    next_exit: u64,
    /// Since when something is missing, on CLOCK_MONOTONIC; the search steps count from here.
    missing_since_ns: Option<u64>,
    /// How many daemons were missing when that was decided.
    missing: usize,
    searched_ns: u64,
    last_look_ns: u64,
    /// Whether any rule looks at command lines.
    wants_arguments: bool,
    /// The buffer for them.
    arguments: Vec<u8>,
    /// What nobody was told yet.
    transitions: Vec<Transition>,
    /// Why the last look failed.
    trouble: Option<String>,
    /// How many files of /proc were opened in search.
    opened: u64,
}

#[derive(Debug)]
struct Daemon {
    spec: DaemonSpec,
    /// Oldest first.
    found: Vec<Found>,
    zombie: Option<Identity>,
    exits: VecDeque<(Mark, Exit)>,
    pid_file: Option<PidFile>,
    maintenance: bool,
}

#[derive(Debug)]
struct Found {
    candidate: Candidate,
    comm: String,
    /// Older than [`SETTLED_NS`]: what it is will not change without its name changing.
    settled: bool,
    /// Its appearance was told.
    announced: bool,
    /// When it was last known to be alive, on CLOCK_MONOTONIC.
    alive_ns: u64,
}

/// What a pid file said when it was last read.
#[derive(Debug, Default)]
struct PidFile {
    path: PathBuf,
    /// Modification time, size and inode.
    stamp: Option<(i64, u64, u64)>,
    pid: Option<u32>,
    error: Option<String>,
}

impl Tracker {
    /// Follows these daemons in this /proc. Finds nothing before the first [`Tracker::full_scan`] or
    /// [`Tracker::look`].
    pub fn new(specs: Vec<DaemonSpec>, root: ProcRoot) -> Self {
        let follower = Follower::new(&root);
        let daemons: Vec<Daemon> = specs
            .into_iter()
            .map(|mut spec| {
                if spec.rules.is_empty() {
                    spec.rules.push(Rule::Default(spec.name.clone()));
                }
                let pid_file = spec.rules.iter().find_map(|rule| match rule {
                    Rule::PidFile(path) => Some(PidFile { path: path.clone(), ..PidFile::default() }),
                    _ => None,
                });
                Daemon { spec, found: Vec::new(), zombie: None, exits: VecDeque::new(), pid_file, maintenance: false }
            })
            .collect();
        let (known, settling) = empty();
        Self {
            root,
            wants_arguments: wants_arguments(&daemons),
            daemons,
            follower,
            known,
            settling,
            next_exit: 0,
            missing_since_ns: None,
            missing: 0,
            searched_ns: 0,
            last_look_ns: 0,
            arguments: Vec::new(),
            transitions: Vec::new(),
            trouble: None,
            opened: 0,
        }
    }

    /// The /proc that is read.
    pub fn root(&self) -> &ProcRoot {
        &self.root
    }

    /// The daemons in the order of the configuration, with the exits after `since`.
    pub fn watched(&self, since: Mark) -> Vec<Watched> {
        let hindrance = self.daemons.iter().any(|daemon| daemon.found.is_empty()).then(|| self.root.hindrance());
        self.daemons
            .iter()
            .map(|daemon| {
                let told: Vec<Candidate> = daemon.told().take(MAX_CANDIDATES).map(|found| found.candidate).collect();
                let hindrance = if told.is_empty() { hindrance.clone().flatten() } else { None };
                Watched {
                    name: daemon.spec.name.clone(),
                    restarted_for_ms: daemon.spec.restarted_for_ms,
                    maintenance: daemon.maintenance,
                    candidate_count: u32::try_from(daemon.told().count()).unwrap_or(u32::MAX),
                    candidates: told,
                    zombie: daemon.zombie,
                    exits: daemon
                        .exits
                        .iter()
                        .filter(|(mark, _)| *mark > since)
                        .map(|(_, exit)| *exit)
                        .take(MAX_EXITS)
                        .collect(),
                    unit_restarts: None,
                    error: daemon
                        .pid_file
                        .as_ref()
                        .and_then(|file| file.error.clone())
                        .or_else(|| self.trouble.clone())
                        .or(hindrance),
                }
            })
            .collect()
    }

    /// Up to where exits have happened. Kept by the caller with each collector's last successful call.
    pub fn mark(&self) -> Mark {
        Mark(self.next_exit)
    }

    /// Says whether a daemon is in a maintenance window. Unknown names are ignored.
    pub fn set_maintenance(&mut self, daemon: &str, maintenance: bool) {
        if let Some(daemon) = self.daemons.iter_mut().find(|known| known.spec.name == daemon) {
            daemon.maintenance = maintenance;
        }
    }

    /// Has the process followed: true where its end is noticed when it happens, false where only looks notice it.
    /// Candidates are followed anyway as far as descriptors suffice; this puts one before all others.
    pub fn follow(&mut self, daemon: &str, identity: Identity, now: Moment) -> Result<bool> {
        let index = self
            .daemons
            .iter()
            .position(|known| known.spec.name == daemon)
            .ok_or_else(|| Error::NotFound(format!("daemon `{daemon}`")))?;
        if !self.daemons[index].found.iter().any(|found| found.candidate.identity == identity) {
            let pid = identity.pid;
            return Err(Error::NotFound(format!("process `{pid}` among the candidates of `{daemon}`")));
        }
        self.follower.prefer(index, identity, &self.root, now)
    }

    /// One process as it is now. Goes through the tracker because it is the one file per daemon that a beat reads:
    /// a changed command name is noticed here without reading anything twice.
    pub fn stat(&mut self, identity: Identity, now: Moment) -> Result<Process> {
        let process = self.root.stat(identity, now)?;
        self.saw_again(&process, now);
        Ok(process)
    }

    /// More about one process.
    pub fn detail(&self, identity: Identity, scrub: &dyn Scrub, now: Moment) -> Result<Detail> {
        self.root.detail(identity, scrub, now)
    }

    /// When [`Tracker::look`] should be called at the latest, on CLOCK_MONOTONIC; none while nothing is missing and
    /// the beat's own calls suffice.
    pub fn next_look(&self) -> Option<u64> {
        let since = self.missing_since_ns?;
        let step = SEARCH_STEPS_NS.iter().map(|step| since + step).find(|due| *due > self.searched_ns);
        Some(step.unwrap_or(self.searched_ns + SEARCH_EVERY_NS))
    }

    /// How many files of /proc were opened in search of daemons, since the start: what a look costs.
    pub fn files_opened(&self) -> u64 {
        self.opened
    }

    /// Begins the search anew where something went missing.
    fn schedule(&mut self, now: Moment) {
        let missing = self.daemons.iter().filter(|daemon| daemon.found.is_empty()).count();
        if missing == 0 {
            self.missing_since_ns = None;
        } else if missing > self.missing || self.missing_since_ns.is_none() {
            self.missing_since_ns = Some(now.monotonic_ns);
        }
        self.missing = missing;
    }
}

impl Daemon {
    /// The candidates that are told: a further process that is younger than two seconds may be a fork of the daemon
    /// on its way to becoming something else. Where it is the only one it is told at once.
    fn told(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().enumerate().filter(|(index, found)| *index == 0 || found.settled).map(|(_, found)| found)
    }

    fn position(&self, identity: Identity) -> Option<usize> {
        self.found.iter().position(|found| found.candidate.identity == identity)
    }
}
