//! The collector `anomaly` as a component: the sandbox's files, state and sanitizer on one side, [`crate::engine`]
//! on the other, and nothing decided in between.

mod files;
#[cfg(feature = "journal")]
mod journal;
mod report;
#[cfg(test)]
mod tests;

use crate::config::{Config, SCHEMA as CONFIG_SCHEMA};
use crate::engine::{Call, Engine};
use files::HostFiles;
use ghostd_sdk::host::{files as host_files, log, redact, state};
use ghostd_sdk::{Collector, Descriptor, Failure, Invocation, Section};
use std::time::{Duration, Instant};

/// The collector.
#[derive(Debug)]
pub struct Anomaly;

/// The key of its section.
pub const SECTION: &str = "anomaly";
/// The form of its body.
pub const SCHEMA: &str = "ghost.anomaly/1";
/// The key of its state.
const STATE_KEY: &str = "anomaly.1";
/// The state stays well below the quota (512 KiB by default): the sanitizer may make it longer.
const STATE_BYTES: usize = 400 * 1024;
/// Reading ends at this share of the call's time, so that the rest is enough to say what was found.
const READING_SHARE: f64 = 0.6;

impl Collector for Anomaly {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("anomaly", env!("CARGO_PKG_VERSION"), "Errors in logs, grouped, with their history.")
            .section(SECTION)
            .config_schema(CONFIG_SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        let started = Instant::now();
        let reading = Duration::from_millis(call.budget_ms).mul_f64(READING_SHARE);
        let roots = host_files::roots();
        let (mut engine, warning) = Engine::new(config, state::get(STATE_KEY).as_deref());
        if let Some(warning) = &warning {
            log::warn(warning);
        }
        let conditions = Call {
            now_ms: call.now_ms,
            attempt: call.attempt,
            roots: &roots,
            expired: &|| started.elapsed() >= reading,
        };
        let mut clean = |text: &str| redact::text(text);
        let mut report = engine.capture(&mut HostFiles, &conditions, &mut clean);
        #[cfg(feature = "journal")]
        journal::read(&mut engine, &mut report, &conditions, &mut clean);
        engine.settle(&mut report);
        let section = report::section(&engine, &report, warning)?;
        state::set(STATE_KEY, &engine.save(STATE_BYTES))?;
        Ok(vec![section])
    }
}
