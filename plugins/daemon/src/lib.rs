//! The collector `daemon`: whether the daemons of the configuration run.
//!
//! The host finds the processes (`[[daemon]]` says how) and follows the one that this collector chooses;
//! the collector decides what each daemon *is*: running, failed, restarted, paused, or unknown where
//! there is nothing to judge yet. The truth table is `tests/fixtures/daemon/states.json`.
//!
//! A beat costs one `stat` a daemon. What is dearer (command line, control group, open files) is read at
//! first sight, when the command name changed, and then once a minute.
//!
//! - `config`: settings of findings and intervals.
//! - `served`: what the host's probers found out: pings and heartbeat files.
//! - `look`: what is asked of the host, and how often.
//! - `judge`: from what was seen and what is remembered to a status. Pure.
//! - `usage`: processor shares. Pure.
//! - `trouble`: findings. Pure.
//! - `memory`: what is remembered, and its bounds.
//! - `report`: the section's body and metrics.

pub mod config;
pub mod judge;
pub mod look;
pub mod memory;
pub mod report;
pub mod served;
pub mod status;
#[path = "../../patch/src/time.rs"]
pub mod time;
pub mod trouble;
pub mod usage;

use std::collections::BTreeMap;

use ghostd_sdk::host::processes::Daemon;
use ghostd_sdk::{Collector, Descriptor, Error, Failure, Finding, Invocation, Section, host};

use config::Config;
use judge::Now;
use memory::{Look, MAX_DAEMONS, Past, id};
use report::{Body, Entry, Summary};
use served::Served;
use usage::Usage;

/// The section's key.
pub const SECTION: &str = "daemon";

const STATE_LOOK: &str = "look";
const STATE_DAEMONS: &str = "daemons";
/// Memory is added to a machine that runs, though seldom.
const MEMORY_MAX_AGE_NS: u64 = 600 * 1_000_000_000;

/// The collector.
#[derive(Debug)]
pub struct DaemonCollector;

type Pasts = BTreeMap<String, Past>;

impl Collector for DaemonCollector {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("daemon", env!("CARGO_PKG_VERSION"), "Whether the daemons of the configuration run.")
            .section(SECTION)
            .config_schema(config::SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        if !call.is_due(SECTION) {
            return Ok(Vec::new());
        }
        let watched = host::processes::watched()?;
        let before = host::state::get(STATE_DAEMONS);
        let mut pasts: Pasts =
            host::state::load::<Vec<(String, Past)>>(STATE_DAEMONS).unwrap_or_default().into_iter().collect();
        let look: Look = host::state::load(STATE_LOOK).unwrap_or_default();
        let last_ms = (look.at_ms != 0).then_some(look.at_ms);
        let now = Now { ms: call.now_ms, ns: call.monotonic_ns, last_ms };
        let look = begin(look, call, &mut pasts);

        let (section, look, pasts) = look_at_all(&watched, pasts, look, &now, &config)?;
        host::state::store(STATE_LOOK, &look)?;
        store_pasts(before.as_deref(), pasts)?;
        Ok(vec![section])
    }
}

ghostd_sdk::export!(DaemonCollector);

/// A look of this boot: nothing that is measured since boot outlives it.
fn begin(before: Look, call: &Invocation, pasts: &mut Pasts) -> Look {
    let same_boot = before.boot == call.boot_id;
    if !same_boot {
        pasts.values_mut().for_each(Past::reboot);
    }
    let kept = if same_boot { before } else { Look::default() };
    Look { boot: call.boot_id.clone(), at_ms: call.now_ms, at_ns: call.monotonic_ns, ..kept }
}

fn look_at_all(
    watched: &[Daemon],
    mut pasts: Pasts,
    mut look: Look,
    now: &Now,
    config: &Config,
) -> Result<(Section, Look, Pasts), Failure> {
    let mut section = Section::new(SECTION, report::SCHEMA);
    look.memory = memory_total(look.memory, watched, now);
    let memory_total = look.memory.map(|(total, _)| total);
    let (mut entries, mut findings, mut after, mut cpu) = (Vec::new(), Vec::new(), Pasts::new(), Vec::new());
    let observations = served::observations();
    for watched in watched.iter().take(MAX_DAEMONS) {
        let mut past = pasts.remove(&watched.name).unwrap_or_default();
        let sighting = look::look(watched, &past, now, config);
        let verdict = judge::judge(&mut past, watched, &sighting, now, config);
        let usage = sample(look.samples_of(&watched.name), &sighting, now).and_then(|(samples, usage)| {
            cpu.push((watched.name.clone(), samples));
            usage
        });
        let served = Served::of(&watched.name, &observations);
        findings.extend(troubles(&mut past, watched, &verdict, &served, now, config));
        let entry = Entry::new(watched, &past, &verdict, &sighting, now);
        let entry = entry.with_figures(&sighting, usage, memory_total, now).with_served(served);
        if let Some(error) = &entry.error {
            section = section.warn(format!("daemon `{}`: {error}", watched.name));
        }
        entries.push(entry);
        after.insert(watched.name.clone(), past);
    }
    if watched.len() > MAX_DAEMONS {
        section =
            section.warn(format!("{} daemons are configured, the first {MAX_DAEMONS} are watched", watched.len()));
    }
    for (name, past) in pasts {
        findings.extend(trouble::forget(&past, &name, &slug(&name), now));
    }
    look.cpu = cpu;
    let summary = Summary::of(&entries);
    let metrics: Vec<_> = summary.metrics().into_iter().chain(entries.iter().flat_map(Entry::metrics)).collect();
    let body = Body { summary, previous_check: now.last_ms.map(time::rfc3339), daemons: entries };
    Ok((section.body(&body)?.metrics(metrics).findings(findings), look, after))
}

fn troubles(
    past: &mut Past,
    watched: &Daemon,
    verdict: &judge::Verdict,
    served: &Served,
    now: &Now,
    config: &Config,
) -> Vec<Finding> {
    let calm = past.open.is_empty() && past.restarts_ns.is_empty();
    let quiet = calm && verdict.status.is_up() && served.is_quiet();
    if quiet {
        return Vec::new();
    }
    let name = trouble::Named { name: &watched.name, slug: &slug(&watched.name), maintenance: watched.maintenance };
    trouble::findings(past, &name, verdict, served, now, config)
}

fn slug(name: &str) -> String {
    trouble::slug(&host::redact::text(name))
}

fn sample(
    before: Option<memory::CpuSamples>,
    sighting: &look::Sighting,
    now: &Now,
) -> Option<(memory::CpuSamples, Option<Usage>)> {
    let alive = sighting.alive.as_ref()?;
    let process = alive.process.as_ref()?;
    Some(usage::sample(before, id(alive.identity), now.ns, process.user_ms.saturating_add(process.system_ms)))
}

/// The machine's memory, for shares of it. Read once in ten minutes, and only where something runs.
fn memory_total(known: Option<(u64, u64)>, watched: &[Daemon], now: &Now) -> Option<(u64, u64)> {
    let fresh = known.is_some_and(|(_, at_ns)| now.ns.saturating_sub(at_ns) < MEMORY_MAX_AGE_NS);
    if fresh || watched.iter().all(|watched| watched.candidates.is_empty()) {
        return known;
    }
    match host::system::memory() {
        Ok(memory) => Some((memory.total, now.ns)),
        Err(error) => {
            host::log::debug(&format!("no shares of memory: {error}"));
            known
        }
    }
}

/// Writes what is remembered where it changed. Where it is too much, details are given up: they are read
/// again, counts cannot be.
fn store_pasts(before: Option<&str>, mut pasts: Pasts) -> Result<(), Failure> {
    // A list and not an object: a sanitizer goes by key names, and a daemon may be called `tokend`.
    let text = |pasts: &Pasts| {
        let list: Vec<_> = pasts.iter().collect();
        serde_json::to_string(&list).map_err(|error| Failure::Internal(error.to_string()))
    };
    let after = text(&pasts)?;
    if before == Some(after.as_str()) {
        return Ok(());
    }
    match host::state::set(STATE_DAEMONS, &after) {
        Err(Error::Exhausted(_)) => {
            pasts.values_mut().for_each(|past| past.detail = None);
            Ok(host::state::set(STATE_DAEMONS, &text(&pasts)?)?)
        }
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests;
