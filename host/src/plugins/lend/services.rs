//! What all calls share: the machine's readers, each behind its own lock, and the sanitizer.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::processes::Scrubber;
use crate::plugins::bindings::ghost::host::clock as wit_clock;
use crate::probe::clock::{self, Clocks, StepWatch};
use crate::probe::ping::{Observation, Observations};
use crate::probe::processes::{
    Change, DaemonSpec, Detail, ExitSignal, Identity, Mark, ProcRoot, Process, Table, Tracker, Transition, Watched,
};
use crate::probe::files::Kept;
use crate::probe::system::{Machine, Paths};
use crate::probe::{self, Moment};
use crate::sanitize::Sanitizer;

/// What the host lends to all collectors.
pub struct Services {
    /// What removes secrets.
    pub sanitizer: Arc<Sanitizer>,
    /// Figures of the machine.
    pub system: Machine,
    /// Files that stay open between calls.
    pub kept: Arc<Mutex<Kept>>,
    tracker: Mutex<Tracker>,
    /// Up to where each collector has taken note of exits, and up to where it was told in the call that is running.
    marks: Mutex<HashMap<Arc<str>, (Mark, Mark)>>,
    steps: Mutex<StepWatch>,
    observations: Mutex<Observations>,
    next_look_ns: Mutex<Option<u64>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// A daemon whose process has ended, for an event: its name, one line, and the facts.
pub type Ended = (String, String, serde_json::Value);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Moment {
    Moment::now(wall_ns)
}

fn wall_ns() -> i64 {
    crate::clock::wall().0
}

impl Services {
    /// Opens the machine whose /proc, /sys and root directory these are.
    pub fn new(
        proc: &Path,
        sys: &Path,
        root: &Path,
        daemons: Vec<DaemonSpec>,
        sanitizer: Arc<Sanitizer>,
        kept: Arc<Mutex<Kept>>,
    ) -> probe::Result<Self> {
        let tracker = Tracker::new(daemons, ProcRoot::open(proc)?);
        Ok(Self {
            sanitizer,
            system: Machine::new(Paths { proc: proc.to_owned(), sys: sys.to_owned(), root: root.to_owned() }),
            kept,
            tracker: Mutex::new(tracker),
            marks: Mutex::default(),
            steps: Mutex::default(),
            observations: Mutex::new(Observations::new([], now())),
            next_look_ns: Mutex::default(),
        })
    }

    /// Looks for daemons that ended or came back; with each beat, and while one is missing.
    pub fn look(&self) {
        let mut tracker = lock(&self.tracker);
        let transitions = tracker.look(now());
        *lock(&self.next_look_ns) = tracker.next_look().map(|at| at.saturating_add(boottime_ahead_ns()));
        drop(tracker);
        for transition in transitions {
            tracing::debug!(daemon = transition.daemon, change = ?transition.change, "A daemon changed.");
        }
    }

    /// When the next look is due although no beat is, by CLOCK_BOOTTIME.
    pub fn next_look_ns(&self) -> Option<u64> {
        *lock(&self.next_look_ns)
    }

    /// What becomes ready when a daemon's process ends; none where the kernel does not tell. Within a tokio runtime.
    pub fn exit_signal(&self) -> Option<ExitSignal> {
        match lock(&self.tracker).exit_signal() {
            Ok(signal) => signal,
            Err(error) => {
                tracing::warn!(%error, "The ends of daemons are found out by looking, not told.");
                None
            }
        }
    }

    /// Whether the ends of processes are told by the kernel.
    pub fn exits_are_told(&self) -> bool {
        lock(&self.tracker).is_told()
    }

    /// What has ended.
    pub fn on_exit(&self) -> Vec<Ended> {
        lock(&self.tracker).on_exit(now()).into_iter().filter_map(ended).collect()
    }

    pub(super) fn watched(&self, collector: &Arc<str>) -> (Vec<Watched>, u64) {
        let mut marks = lock(&self.marks);
        let tracker = lock(&self.tracker);
        let (noted, told) = marks.entry(Arc::clone(collector)).or_default();
        *told = tracker.mark();
        (tracker.watched(*noted), boottime_ahead_ns())
    }

    /// A collector's call succeeded: what it was told it has taken note of.
    pub fn succeeded(&self, collector: &str) {
        if let Some((noted, told)) = lock(&self.marks).get_mut(collector) {
            *noted = *told;
        }
    }

    pub(super) fn follow(&self, daemon: &str, identity: Identity) -> probe::Result<bool> {
        lock(&self.tracker).follow(daemon, identity, now())
    }

    pub(super) fn stat(&self, identity: Identity) -> probe::Result<Process> {
        lock(&self.tracker).stat(identity, now())
    }

    pub(super) fn detail(&self, identity: Identity) -> probe::Result<Detail> {
        lock(&self.tracker).detail(identity, &Scrubber(&self.sanitizer), now())
    }

    pub(super) fn table(&self, limit: u32) -> probe::Result<Table> {
        lock(&self.tracker).scan_table(limit, now())
    }

    pub(super) fn clocks(&self) -> Clocks {
        let clocks = clock::clocks(wall_ns);
        lock(&self.steps).observe(&clocks);
        clocks
    }

    pub(super) fn steps(&self) -> (u64, Option<i64>) {
        lock(&self.steps).steps()
    }

    pub(super) fn sntp(&self) -> Vec<wit_clock::SntpAnswer> {
        Vec::new()
    }

    pub(super) fn chrony(&self) -> probe::Result<wit_clock::Tracking> {
        Err(probe::Error::NotFound("chronyd is not asked yet".to_owned()))
    }

    pub(super) fn observations(&self) -> Vec<Observation> {
        lock(&self.observations).latest(now())
    }
}

/// How far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time spent in suspend.
fn boottime_ahead_ns() -> u64 {
    let now = now();
    now.boottime_ns.saturating_sub(now.monotonic_ns)
}

fn ended(transition: Transition) -> Option<Ended> {
    let Change::Ended(exit) = transition.change else { return None };
    let how = match (exit.code, exit.signal) {
        (_, Some(signal)) => format!(", by signal {signal}"),
        (Some(code), None) => format!(", with status {code}"),
        (None, None) => String::new(),
    };
    let message = format!("daemon {} ended (pid {}{how})", transition.daemon, exit.identity.pid);
    let data = json!({
        "daemon": transition.daemon, "pid": exit.identity.pid, "at_ms": exit.at_ms,
        "exit_code": exit.code, "signal": exit.signal,
        "not_before_ms": exit.at_ms
            - i64::try_from((exit.at_monotonic_ns - exit.not_before_monotonic_ns) / 1_000_000).unwrap_or(0),
    });
    Some((transition.daemon, message, data))
}
