//! ghostd's collector of the machine's figures: section `metric` (processors, memory, file systems,
//! disks, network, pressure, open files) and section `processes` (how many in which state, and the
//! dearest of them).
//!
//! Counters come from the host as they are; rates are reckoned here, from the base that the last call
//! left in this collector's state, and say over which time. There are none across a reboot.

pub mod config;
mod cpu;
mod disk;
mod filesystem;
mod kernel;
mod machine;
mod memory;
mod network;
mod processes;
mod rate;
mod usage;

use ghostd_sdk::{Collector, Descriptor, Failure, Invocation, Section};

use config::Config;

/// The collector.
#[derive(Debug)]
pub struct Metrics;

impl Collector for Metrics {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new(
            "metric",
            env!("CARGO_PKG_VERSION"),
            "Processors, memory, file systems, network, pressure, and the dearest processes.",
        )
        .section(machine::SECTION)
        .section(processes::SECTION)
        .config_schema(config::SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        let config = config.checked()?;
        let mut sections = Vec::new();
        if call.is_due(machine::SECTION) {
            sections.push(machine::collect(call)?);
        }
        if call.is_due(processes::SECTION) {
            match processes::collect(call, &config) {
                Ok(section) => sections.push(section),
                // Alone it is a failure, and ghostd carries the last good section on. Beside another
                // section it must not take that one with it.
                Err(failure) if sections.is_empty() => return Err(failure),
                Err(failure) => sections.push(processes::missing(&failure)),
            }
        }
        Ok(sections)
    }
}

ghostd_sdk::export!(Metrics);

#[cfg(test)]
mod tests;
