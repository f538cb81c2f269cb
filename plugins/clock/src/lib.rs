//! ghostd's collector of clocks and what keeps them right: section `clock`.
//!
//! It reads the machine's clocks, hears several witnesses (own SNTP, chronyd, the kernel), and comes to
//! one verdict with its reason. Without any source it says `unknown`, which counts neither for nor
//! against the machine.

pub mod config;
pub mod history;
mod report;
pub mod trouble;
pub mod verdict;
pub mod witness;

use ghostd_sdk::host::{clock, state};
use ghostd_sdk::{Collector, Descriptor, Error, Failure, Invocation, Section, Value};
use serde::{Deserialize, Serialize};

use config::Config;
use history::{History, Slewing};
use report::Seen;
use trouble::Open;

/// The collector.
#[derive(Debug)]
pub struct Clock;

/// The key of its section.
pub const SECTION: &str = "clock";
/// The form of its body.
pub const SCHEMA: &str = "ghost.clock/1";
/// The key of its state.
const STATE_KEY: &str = "clock.1";

/// What is kept between calls.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Memory {
    history: History,
    open: Open,
}

impl Collector for Clock {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new(
            "clock",
            env!("CARGO_PKG_VERSION"),
            "Clocks, steps and drift, and whether the time is right, by several witnesses.",
        )
        .section(SECTION)
        .config_schema(config::SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        let config = config.checked()?;
        let mut memory: Memory = state::load(STATE_KEY).unwrap_or_default();
        let clocks = clock::now();
        let discipline = clock::discipline();
        let answers = clock::sntp();
        let tracking = clock::chrony();

        let change =
            memory.history.advance(&call.boot_id, &clocks, clock::steps(), discipline.as_ref().ok(), slewing(call));
        let step_age_ms = memory.history.step_age_ms(clocks.boottime_ns);
        let sntp = witness::sntp(&answers, step_age_ms);
        let witnesses = [
            sntp.witness.clone(),
            witness::chrony(&tracking),
            witness::kernel(&discipline, change.uncorrected_seconds, memory.history.was_synchronised()),
        ];
        let verdict = verdict::judge(&witnesses, &config, history::seconds(clocks.boottime_ns));
        let steps = memory.history.steps().clone();
        let findings = trouble::findings(&verdict, &steps, step_age_ms, sntp.disagreement_seconds);
        let findings = memory.open.settle(findings, call.now_ms);

        let warnings = [
            warning("kernel discipline", discipline.as_ref().err()),
            warning("SNTP", answers.as_ref().err()),
            warning("chronyd", tracking.as_ref().err()),
        ];
        let seen = Seen {
            clocks: &clocks,
            change: &change,
            steps: &steps,
            discipline: discipline.as_ref().ok(),
            servers: &sntp.servers,
            server_gap_seconds: sntp.disagreement_seconds,
            tracking: tracking.as_ref().ok(),
            witnesses: &witnesses,
            verdict: &verdict,
            config: &config,
        };
        let section = Section::new(SECTION, SCHEMA)
            .body(&report::body(&seen))?
            .metrics(report::metrics(&seen))
            .findings(findings)
            .warnings(warnings.into_iter().flatten());
        state::store(STATE_KEY, &memory)?;
        Ok(vec![section])
    }
}

/// Linux slews its monotonic clock with the wall clock; of others that is not known.
fn slewing(call: &Invocation) -> Slewing {
    match call.attribute("host.os") {
        Some(Value::S(os)) if os == "linux" => Slewing::Together,
        _ => Slewing::Apart,
    }
}

/// What is not there on this machine is told by its witness; only what should have worked is a warning.
fn warning(what: &str, error: Option<&Error>) -> Option<String> {
    match error? {
        Error::NotFound(_) | Error::Unavailable(_) | Error::Pending(_) => None,
        error => Some(format!("{what}: {error}")),
    }
}

ghostd_sdk::export!(Clock);

#[cfg(test)]
mod tests;
