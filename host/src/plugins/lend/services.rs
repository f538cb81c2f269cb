//! What all calls share: the machine's readers, each behind its own lock, and the sanitizer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::processes::Scrubber;
use crate::plugins::bindings::ghost::host::clock as wit_clock;
use crate::probe::clock::{
    self, Chrony, ChronyProber, ChronyTable, Clocks, ServerSpec, SntpProber, SntpTable, StepWatch,
};
use crate::probe::files::Kept;
use crate::probe::manager::Manager;
use crate::probe::ping::{Observation, PingSpec, PingTable, Pinger};
use crate::probe::processes::{
    Change, DaemonSpec, Detail, ExitSignal, Identity, Mark, ProcRoot, Process, Table, Tracker, Transition, Watched,
};
use crate::probe::signs::{Sign, SignProber, SignSpec, SignTable};
use crate::probe::sockets::{self, Listener};
use crate::probe::system::{Machine, Paths};
use crate::probe::systemd::{UnitProber, UnitTable};
use crate::probe::{self, Moment};
use crate::sanitize::Sanitizer;

/// What the host lends to all collectors.
pub struct Services {
    /// What removes secrets.
    pub sanitizer: Arc<Sanitizer>,
    /// Figures of the machine.
    pub system: Machine,
    /// The service manager and its journal.
    pub manager: Manager,
    proc: PathBuf,
    /// Files that stay open between calls.
    pub kept: Arc<Mutex<Kept>>,
    tracker: Mutex<Tracker>,
    /// Up to where each collector has taken note of exits, and up to where it was told in the call that is running.
    marks: Mutex<HashMap<Arc<str>, (Mark, Mark)>>,
    steps: Mutex<StepWatch>,
    /// A pass over all processes that has not been asked for yet, with when it was made (CLOCK_MONOTONIC).
    fresh_table: Mutex<Option<(Table, u64)>>,
    sntp: SntpTable,
    chrony: Option<ChronyTable>,
    probers: Mutex<Option<Probers>>,
    pings: PingTable,
    signs: SignTable,
    units: UnitTable,
    next_look_ns: Mutex<Option<u64>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// Who asks others, until somebody runs them.
struct Probers {
    sntp: SntpProber,
    chrony: Option<ChronyProber>,
    pinger: Pinger,
    signs: SignProber,
    units: UnitProber,
}

/// What is asked outside of this machine's own figures, each on a schedule of its own.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Where the time is asked for.
    pub time: TimeSources,
    /// What is pinged.
    pub pings: Vec<PingSpec>,
    /// Where daemons leave signs of life.
    pub signs: Vec<SignSpec>,
    /// How often those are looked for.
    pub signs_every: Duration,
    /// Daemons that the configuration finds by a systemd unit, with that unit.
    pub units: Vec<(String, String)>,
}

/// Where the time is asked for.
#[derive(Debug, Clone)]
pub struct TimeSources {
    /// SNTP servers.
    pub servers: Vec<ServerSpec>,
    /// How often each is asked.
    pub every: Duration,
    /// chronyd's command port on loopback, if it is asked.
    pub chrony_port: Option<u16>,
}

/// Processes in a table at most.
const MAX_TABLE: u32 = 32_768;

/// How long a pass over all processes counts as one of now, in nanoseconds.
const FRESH_NS: u64 = 2_000_000_000;

/// How often chronyd is asked: it is on this machine, and what it knows changes with its own polls, once a minute
/// or more rarely.
const CHRONY_EVERY: Duration = Duration::from_secs(30);

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
        outside: Outside,
    ) -> probe::Result<Self> {
        let tracker = Tracker::new(daemons, ProcRoot::open(proc)?);
        let Outside { time, pings, signs, signs_every, units } = outside;
        let units = UnitProber::new(units);
        let (pinger, signs) = (Pinger::new(pings, wall_ns), SignProber::new(signs, signs_every, wall_ns));
        let sntp = SntpProber::new(time.servers, time.every, wall_ns);
        let chrony = time.chrony_port.map(|port| ChronyProber::new(Chrony::on_port(port), CHRONY_EVERY, wall_ns));
        Ok(Self {
            sanitizer,
            manager: Manager::new(sys, root),
            proc: proc.to_owned(),
            system: Machine::new(Paths { proc: proc.to_owned(), sys: sys.to_owned(), root: root.to_owned() }),
            kept,
            tracker: Mutex::new(tracker),
            marks: Mutex::default(),
            steps: Mutex::default(),
            fresh_table: Mutex::default(),
            sntp: sntp.table(),
            chrony: chrony.as_ref().map(ChronyProber::table),
            pings: pinger.table(),
            signs: signs.table(),
            units: units.table(),
            probers: Mutex::new(Some(Probers { sntp, chrony, pinger, signs, units })),
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
        let mut watched = tracker.watched(*noted);
        for daemon in &mut watched {
            daemon.unit_restarts = self.units.restarts(&daemon.name);
        }
        (watched, boottime_ahead_ns())
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

    /// Looks at every process once, for the search of daemons and for the table that a collector will ask for: the
    /// kernel's part of such a pass is what a capture costs.
    pub fn look_at_all(&self) {
        let now = now();
        match lock(&self.tracker).scan_table(MAX_TABLE, now) {
            Ok(table) => *lock(&self.fresh_table) = Some((table, now.monotonic_ns)),
            Err(error) => tracing::warn!(%error, "The processes cannot be listed."),
        }
    }

    pub(super) fn table(&self, limit: u32) -> probe::Result<Table> {
        let now = now();
        if let Some((mut table, at_ns)) = lock(&self.fresh_table).take()
            && now.monotonic_ns.saturating_sub(at_ns) < FRESH_NS
        {
            table.processes.truncate(limit as usize);
            return Ok(table);
        }
        lock(&self.tracker).scan_table(limit, now)
    }

    pub(super) fn clocks(&self) -> Clocks {
        let clocks = clock::clocks(wall_ns);
        lock(&self.steps).observe(&clocks);
        clocks
    }

    pub(super) fn steps(&self) -> (u64, Option<i64>) {
        lock(&self.steps).steps()
    }

    /// Asks others (for the time, whether they answer, for signs of life) for as long as the result is polled. Once: a
    /// second call waits for ever.
    pub async fn ask_others(&self) {
        let Some(Probers { sntp, chrony, pinger, signs, units }) = lock(&self.probers).take() else {
            return std::future::pending().await;
        };
        let chrony = async {
            match chrony {
                Some(chrony) => chrony.run().await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(sntp.run(), chrony, pinger.run(), signs.run(), units.run());
    }

    pub(super) fn sntp(&self) -> Vec<wit_clock::SntpAnswer> {
        let answer = |one: clock::SntpObservation| wit_clock::SntpAnswer {
            server: one.server,
            age_ms: one.age_ms,
            offset_ns: one.offset_ns,
            bound_ns: one.bound_ns,
            delay_ns: one.delay_ns,
            stratum: one.stratum,
            error: one.error,
        };
        self.sntp.latest(now()).into_iter().map(answer).collect()
    }

    pub(super) fn chrony(&self) -> probe::Result<wit_clock::Tracking> {
        let Some(chrony) = &self.chrony else {
            return Err(probe::Error::NotFound("chronyd is not asked (`clock.chrony` names no port)".to_owned()));
        };
        let (one, age_ms) = chrony.latest(now())?;
        Ok(wit_clock::Tracking {
            reference_id: one.reference_id,
            stratum: one.stratum,
            leap: one.leap,
            offset_seconds: one.offset_seconds,
            last_offset_seconds: one.last_offset_seconds,
            rms_offset_seconds: one.rms_offset_seconds,
            frequency_ppm: one.frequency_ppm,
            skew_ppm: one.skew_ppm,
            root_delay_seconds: one.root_delay_seconds,
            root_dispersion_seconds: one.root_dispersion_seconds,
            update_interval_seconds: one.update_interval_seconds,
            age_ms,
        })
    }

    pub(super) fn listening(&self) -> probe::Result<Vec<Listener>> {
        sockets::listening(&self.proc)
    }

    /// What the last pings brought, in the order of the configuration.
    pub fn pings(&self) -> Vec<Observation> {
        self.pings.latest(now())
    }

    /// What the daemons' heartbeat files come to, in the order of the configuration.
    pub fn signs(&self) -> Vec<Sign> {
        self.signs.latest(now())
    }

    /// Says whether a daemon is in a maintenance window.
    pub fn set_maintenance(&self, daemon: &str, maintenance: bool) {
        lock(&self.tracker).set_maintenance(daemon, maintenance);
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
