//! The collector `patch`: a queue directory whose states are folders.
//!
//! It looks at one root that is lent to it (`[collector.patch.files] queue = "/path"`) and reports how
//! many patches each folder holds, what was completed last, what has been executing for too long, what
//! failed and what is no patch. Of a patch it records id, version, phase and time, and nothing else of
//! its content. Patches are ordered by version, phase and time, never by the name of their file.
//!
//! - `config`: settings, and which folder stands for which state.
//! - `queue`: listing and reading, within bounds; what did not change is not read again.
//! - `facts`, `name`, `version`, `time`, `patch`: what one patch is, from its content and its name.
//! - `judge`: findings, and the memory that they need.
//! - `report`: the section's body and metrics.

pub mod config;
pub mod facts;
pub mod judge;
pub mod name;
pub mod patch;
pub mod queue;
pub mod report;
pub mod time;
pub mod version;

use ghostd_sdk::{Collector, Descriptor, Error, Failure, Invocation, Section, host};

use config::Config;
use judge::Memory;
use queue::{Budget, Cache};
use report::Body;

/// The section's key.
pub const SECTION: &str = "patch";
/// The root that is looked at where the configuration names none.
pub const DEFAULT_ROOT: &str = "queue";

const STATE_MEMORY: &str = "memory";
const STATE_CACHE: &str = "cache";

/// The collector.
#[derive(Debug)]
pub struct PatchCollector;

impl Collector for PatchCollector {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("patch", env!("CARGO_PKG_VERSION"), "A queue of patches: counts, history, what is stuck.")
            .section(SECTION)
            .config_schema(config::SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        if !call.is_due(SECTION) {
            return Ok(Vec::new());
        }
        let section = Section::new(SECTION, report::SCHEMA);
        let root = config.root.as_deref().unwrap_or(DEFAULT_ROOT);
        if !host::files::roots().iter().any(|lent| lent == root) {
            let section = section.body(&Body::not_configured())?;
            // Only where a root was asked for is its absence worth a word.
            return Ok(vec![match config.root {
                Some(_) => section.warn(format!("root `{root}` is not lent (add it to [collector.patch.files])")),
                None => section,
            }]);
        }
        let before = host::state::load::<Memory>(STATE_MEMORY);
        let before_cache = host::state::get(STATE_CACHE);
        let mut cache: Cache =
            before_cache.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let queue = match queue::look(root, &config.folders, &mut cache, Budget::of(call)) {
            Ok(queue) => queue,
            Err(error) => return Ok(vec![unseen(root, before.as_ref(), &error)?]),
        };
        let (memory, executing, findings) =
            judge::judge(before, root, &queue, &config, call.now_ms, host::redact::text);
        host::state::store(STATE_MEMORY, &memory)?;
        cache.shrink();
        // Without its cache the next call reads more than it must: no reason to lose this section.
        if let Err(error) = store_changed(STATE_CACHE, before_cache.as_deref(), &cache) {
            host::log::warn(&format!("cannot store what was read: {error}"));
        }
        let body = Body::new(root, &queue, &executing, &config, call.now_ms);
        let metrics = body.metrics(&executing);
        Ok(vec![section.body(&body)?.metrics(metrics).findings(findings).warnings(queue.warnings)])
    }
}

ghostd_sdk::export!(PatchCollector);

/// The section of a queue that could not be listed. Nothing is known to be over: what was open stays so.
fn unseen(root: &str, before: Option<&Memory>, error: &Error) -> Result<Section, Failure> {
    let open = before.map(Memory::still_open).unwrap_or_default();
    let section = Section::new(SECTION, report::SCHEMA).body(&Body::unseen(root))?.findings(open);
    Ok(section.warn(format!("cannot list the queue `{root}`: {error}")))
}

/// Writes what changed alone: most calls find the queue as it was.
fn store_changed(key: &str, before: Option<&str>, value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Internal(error.to_string()))?;
    if before != Some(text.as_str()) {
        host::state::set(key, &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
