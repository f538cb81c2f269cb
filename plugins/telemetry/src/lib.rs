//! The collector `telemetry`: the state files that other programs write.
//!
//! It looks at named JSON files below the roots that are lent to it
//! (`[collector.telemetry.files] telemetry = "/path"`) and reports their content within bounds, how old
//! they are and whether that is fresh or stale, and which are malformed, unreadable or gone.
//!
//! - `config`: which files, and what holds for each.
//! - `content`: from bytes to what is shown, and the time that it says. Pure.
//! - `judge`: status, findings, and the memory that they need. Pure.
//! - `report`: the section's body and metrics.

pub mod config;
pub mod content;
pub mod judge;
pub mod report;
#[path = "../../patch/src/time.rs"]
pub mod time;

use std::collections::BTreeMap;

use ghostd_sdk::host::files::{self, MAX_READ_BYTES};
use ghostd_sdk::{Collector, Descriptor, Error, Failure, Invocation, Section, host};

use config::{Config, Target};
use judge::{Known, Seen, Sighting, Status};
use report::Body;

/// The section's key.
pub const SECTION: &str = "telemetry";
/// A larger file is not read at all: one read of the host's.
pub const MAX_FILE_BYTES: u32 = MAX_READ_BYTES;

const STATE_KNOWN: &str = "known";

/// The collector.
#[derive(Debug)]
pub struct TelemetryCollector;

impl Collector for TelemetryCollector {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("telemetry", env!("CARGO_PKG_VERSION"), "JSON state files of other programs: content and age.")
            .section(SECTION)
            .config_schema(config::SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        if !call.is_due(SECTION) {
            return Ok(Vec::new());
        }
        let roots = files::roots();
        let targets = config.targets(&roots)?;
        // A list and not an object: a sanitizer goes by key names, and a file may be called `token_state`.
        let before: Vec<(String, Known)> = host::state::load(STATE_KNOWN).unwrap_or_default();
        let mut before: BTreeMap<_, _> = before.into_iter().collect();
        let (mut after, mut judged_files, mut findings, mut warnings) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let configured = targets.is_some();
        for target in targets.unwrap_or_default() {
            let mut known = before.remove(&target.name).unwrap_or_default();
            let judged = judge::judge(&mut known, &target, look(&target, &roots), call.now_ms);
            findings.extend(judge::findings(&mut known, &target, &judged, call.now_ms));
            if let (Status::Unreadable, Some(error)) = (judged.status, &judged.error) {
                warnings.push(format!("`{}` cannot be read: {error}", target.name));
            }
            after.push((target.name.clone(), known));
            judged_files.push((target, judged));
        }
        findings.extend(before.iter().filter_map(|(name, known)| judge::forget(known, name, call.now_ms)));
        host::state::store(STATE_KNOWN, &after)?;
        let body = if configured { Body::new(judged_files) } else { Body::not_configured() };
        let metrics = body.metrics();
        let section = Section::new(SECTION, report::SCHEMA).body(&body)?;
        Ok(vec![section.metrics(metrics).findings(findings).warnings(warnings)])
    }
}

ghostd_sdk::export!(TelemetryCollector);

/// Looks at one file. What is no JSON is read a second time: its writer may have been in the middle of it.
fn look(target: &Target, roots: &[String]) -> Sighting {
    if !roots.contains(&target.root) {
        let root = &target.root;
        return Sighting::Unreadable(format!("root `{root}` is not lent (add it to [collector.telemetry.files])"));
    }
    match look_once(target) {
        Ok(Sighting::Read(_, Err(_))) => look_once(target).unwrap_or_else(to_sighting),
        Ok(sighting) => sighting,
        Err(error) => to_sighting(error),
    }
}

fn look_once(target: &Target) -> Result<Sighting, Error> {
    let file = files::open(&target.root, &target.path)?;
    let bytes = file.read_at(0, MAX_FILE_BYTES)?;
    // Read after the content: what is written in between makes it look younger by a moment, never older.
    let metadata = file.metadata()?;
    let seen = Seen { size_bytes: metadata.size, modified_ms: metadata.modified_ns / 1_000_000 };
    if metadata.size > u64::from(MAX_FILE_BYTES) {
        return Ok(Sighting::TooLarge(seen, u64::from(MAX_FILE_BYTES)));
    }
    Ok(Sighting::Read(seen, content::read(&bytes, target.max_bytes)))
}

fn to_sighting(error: Error) -> Sighting {
    match error {
        Error::NotFound(_) => Sighting::NotThere,
        error => Sighting::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
