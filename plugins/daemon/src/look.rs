//! Looking at one daemon's processes.
//!
//! Owns how often each thing is asked for: one `stat` a look, what is dearer at first sight, when the
//! command name changed, and then once a while. Decides nothing about states.

use ghostd_sdk::host::processes::{self, Daemon, Identity, Process, RunState};
use ghostd_sdk::{Error, host};

use crate::config::Config;
use crate::judge::Now;
use crate::memory::{Details, Past, id, identity};

/// The most candidates that are tried where one after the other has just ended.
const MAX_TRIES: usize = 4;
/// The reading of details is spread over this many seconds beyond the configured ones, so that all
/// daemons of a machine are not read with the same beat for ever.
const SPREAD_SECONDS: u64 = 15;

/// What was seen of one daemon.
#[derive(Debug, Default)]
pub struct Sighting {
    /// The process that stands for it.
    pub alive: Option<Alive>,
    /// Processes that the host named and that had ended when they were looked at.
    pub vanished: Vec<Identity>,
    /// A process that ended and was not collected, and its parent where that is known.
    pub zombie: Option<(Identity, Option<u32>)>,
    /// Whether it could not be looked at, so that its absence means nothing.
    pub blind: bool,
    /// What went wrong on the way.
    pub error: Option<String>,
}

/// A process that stands for a daemon.
#[derive(Debug)]
pub struct Alive {
    /// Which it is.
    pub identity: Identity,
    /// By what it was found; none where it is followed without having been found again.
    pub matched_by: Option<String>,
    /// Its figures; none where they could not be read.
    pub process: Option<Process>,
    /// What is dear to read, as old as it may be.
    pub details: Option<Details>,
    /// Whether the kernel tells when it ends; none where the host does not follow it.
    pub told_by_kernel: Option<bool>,
}

/// Looks at the processes of one daemon.
#[must_use]
pub fn look(watched: &Daemon, past: &Past, now: &Now, config: &Config) -> Sighting {
    let mut sighting = Sighting { error: watched.error.clone(), ..Sighting::default() };
    for candidate in watched.candidates.iter().take(MAX_TRIES) {
        let found = Some(candidate.matched_by.clone());
        if let Some(alive) = look_at(candidate.identity, found, watched, past, now, config, &mut sighting) {
            sighting.alive = Some(alive);
            return sighting;
        }
    }
    if watched.error.is_some() && watched.candidates.is_empty() {
        // Whether the one that is known still runs can be told though nothing can be found.
        let known = past.followed.map(identity);
        sighting.alive = known.and_then(|known| look_at(known, None, watched, past, now, config, &mut sighting));
        sighting.blind = sighting.alive.is_none() && sighting.zombie.is_none() && known.is_none();
    }
    if sighting.alive.is_none() && sighting.zombie.is_none() {
        sighting.zombie = watched.zombie.map(|zombie| (zombie, parent(zombie, past)));
    }
    sighting
}

fn look_at(
    identity: Identity,
    matched_by: Option<String>,
    watched: &Daemon,
    past: &Past,
    now: &Now,
    config: &Config,
    sighting: &mut Sighting,
) -> Option<Alive> {
    let process = match processes::stat(identity) {
        Ok(process) => Some(process),
        Err(Error::NotFound(_)) => {
            sighting.vanished.push(identity);
            return None;
        }
        // It is there, or the host would not have named it.
        Err(error) => {
            sighting.error.get_or_insert_with(|| format!("cannot read process {}: {error}", identity.pid));
            None
        }
    };
    if let Some(process) = &process
        && matches!(process.state, RunState::Zombie | RunState::Dead)
    {
        sighting.zombie.get_or_insert((identity, Some(process.ppid)));
        return None;
    }
    let details = details(identity, process.as_ref(), &watched.name, past, now, config, sighting);
    let told_by_kernel = match processes::follow(&watched.name, identity) {
        Ok(told) => Some(told),
        Err(error) => {
            host::log::debug(&format!("`{}`: process {} is not followed: {error}", watched.name, identity.pid));
            None
        }
    };
    Some(Alive { identity, matched_by, process, details, told_by_kernel })
}

fn details(
    identity: Identity,
    process: Option<&Process>,
    name: &str,
    past: &Past,
    now: &Now,
    config: &Config,
    sighting: &mut Sighting,
) -> Option<Details> {
    let comm = process.map_or("", |process| process.name.as_str());
    let known = past.detail.as_ref().filter(|known| known.id == id(identity));
    let max_age_seconds = u64::from(config.detail_seconds) + spread(name) % SPREAD_SECONDS;
    if let Some(known) = known
        && known.comm == comm
        && now.ns.saturating_sub(known.at_ns) < max_age_seconds * 1_000_000_000
    {
        return Some(known.clone());
    }
    match processes::detail(identity) {
        Ok(detail) => Some(Details::new(id(identity), comm, now.ns, detail)),
        Err(error) => {
            sighting.error.get_or_insert_with(|| format!("cannot read details of process {}: {error}", identity.pid));
            known.cloned()
        }
    }
}

/// The parent that does not collect a zombie. It is asked for once.
fn parent(zombie: Identity, past: &Past) -> Option<u32> {
    match past.zombie {
        Some((known, parent)) if known == id(zombie) => parent,
        _ => processes::stat(zombie).ok().map(|process| process.ppid),
    }
}

/// FNV-1a, the same with each call: not a hash of the standard library's, whose keys may differ.
fn spread(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
