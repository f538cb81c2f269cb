//! A host made of plain values, for testing collectors natively.
//!
//! [`Host`] has one public field per interface; a test sets what the host shall answer, lets the
//! collector run against it, and looks at what came of it:
//!
//! ```
//! # use ghostd_sdk::{Collector, Descriptor, Error, Failure, Invocation, Section, fake, host};
//! # struct Count;
//! # impl Collector for Count {
//! #     type Config = serde_json::Value;
//! #     fn describe() -> Descriptor { Descriptor::new("count", "0.1.0", "Counts its calls.").section("count") }
//! #     fn collect(_: &Invocation, _: Self::Config) -> Result<Vec<Section>, Failure> {
//! #         let calls = host::state::load::<u64>("calls").unwrap_or(0) + 1;
//! #         host::state::store("calls", &calls)?;
//! #         host::system::memory()?;
//! #         Ok(vec![Section::new("count", "count/1").body(&serde_json::json!({"calls": calls}))?])
//! #     }
//! # }
//! let mut host = fake::Host::new();
//! host.state.set("calls", "41");
//! host.system.memory = Ok(host::system::MemoryState { total: 1 << 30, ..Default::default() });
//! host.files.write("logs", "app/app.log", b"started\n");
//!
//! let sections = host.collect::<Count>(&fake::invocation(&["count"]), "{}").unwrap();
//! assert_eq!(sections[0].body, r#"{"calls":42}"#);
//!
//! // What a call stored counts only when it succeeds, as with the real host.
//! host.system.memory = Err(Error::Io("no".to_owned()));
//! host.collect::<Count>(&fake::invocation(&["count"]), "{}").unwrap_err();
//! assert_eq!(host.state.get("calls"), Some("42"));
//! ```
//!
//! What is not set answers `unavailable`, with a text that names the field to set.

pub(crate) mod answers;
mod contract;
mod files;
mod state;

use std::cell::RefCell;
use std::collections::BTreeMap;

pub use files::Files;
pub use state::State;

use crate::host::{clock, commands, journal, log, probe, processes, sockets, system, units};
use crate::{Collector, Error, Failure, Invocation, Section, glue};

/// What a function of the host answers. Until a test sets it, that is `unavailable`.
pub type Answer<T> = Result<T, Error>;

/// Everything that a collector sees of the outside.
#[derive(Debug)]
pub struct Host {
    /// The lines that the collector logged, oldest first.
    pub log: Vec<(log::Level, String)>,
    /// What it stored.
    pub state: State,
    /// Texts that `redact` takes for secrets and replaces by `[REDACTED:fake]`.
    pub secrets: Vec<String>,
    /// The process table and the daemons.
    pub processes: Processes,
    /// The machine's figures.
    pub system: System,
    /// Roots with files.
    pub files: Files,
    /// What the prober observed.
    pub probe: Answer<Vec<probe::Observation>>,
    /// Clocks.
    pub clock: Clock,
    /// The journal's entries, in order; `cursor` is what [`crate::host::journal::read`] goes on after.
    pub journal: Answer<Vec<journal::Entry>>,
    /// Listening sockets.
    pub sockets: Answer<Vec<sockets::Listener>>,
    /// Units of the service manager.
    pub units: Answer<Vec<units::Unit>>,
    /// What commands answer, by name.
    pub commands: BTreeMap<String, Result<commands::Output, Error>>,
}

/// What [`crate::host::processes`] answers.
#[derive(Debug)]
pub struct Processes {
    /// The daemons of the configuration.
    pub watched: Answer<Vec<processes::Daemon>>,
    /// All processes; `stat` looks here too.
    pub table: Answer<processes::ProcessTable>,
    /// Details by process; one that is in the table only has an empty detail.
    pub details: BTreeMap<processes::Identity, Result<processes::ProcessDetail, Error>>,
    /// What `follow` answers; true to begin with.
    pub follow: Answer<bool>,
    /// What the collector asked to follow, in order.
    pub followed: Vec<(String, processes::Identity)>,
    /// The processes whose details the collector asked for, in order: each costs reads on a real host.
    pub detailed: Vec<processes::Identity>,
}

/// What [`crate::host::system`] answers.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is what the function of that name answers")]
pub struct System {
    pub cpu: Answer<system::CpuState>,
    pub memory: Answer<system::MemoryState>,
    pub filesystems: Answer<Vec<system::Filesystem>>,
    pub disks: Answer<Vec<system::Disk>>,
    pub network_interfaces: Answer<Vec<system::NetworkInterface>>,
    pub connections: Answer<system::ConnectionCounts>,
    pub pressure: Answer<Vec<system::PressureStall>>,
    pub file_handles: Answer<system::FileHandleCounts>,
}

/// What [`crate::host::clock`] answers.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is what the function of that name answers")]
pub struct Clock {
    pub now: clock::Clocks,
    pub discipline: Answer<clock::KernelDiscipline>,
    pub sntp: Answer<Vec<clock::SntpAnswer>>,
    pub chrony: Answer<clock::Tracking>,
    pub steps: (u64, Option<i64>),
}

/// A call for some sections: the first try, on schedule, at 2026-11-21T12:00:00Z, an hour after boot.
#[must_use]
pub fn invocation(due: &[&str]) -> Invocation {
    Invocation {
        id: "test".to_owned(),
        reason: "test".to_owned(),
        due: due.iter().map(|key| (*key).to_owned()).collect(),
        attempt: 1,
        now_ms: 1_795_262_400_000,
        monotonic_ns: 3_600_000_000_000,
        boot_id: "3f0e5f0e-0000-4000-8000-000000000001".to_owned(),
        budget_ms: 5_000,
        last_success_ms: None,
        attributes: vec![crate::Attribute::new("host.os", "linux")],
    }
}

impl Host {
    /// A host that has nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls a collector as ghostd would: the configuration is parsed, and what was stored counts only
    /// on success.
    ///
    /// # Errors
    /// The collector's failure.
    ///
    /// # Panics
    /// Where the result breaks the contract: a section that the descriptor does not name, a body that is
    /// no JSON object, a name or a text that ghostd would refuse.
    pub fn collect<C: Collector>(&mut self, call: &Invocation, config: &str) -> Result<Vec<Section>, Failure> {
        let before = self.state.clone();
        let result = self.run(|| glue::collect::<C>(call, config));
        match &result {
            Ok(sections) => contract::check(&C::describe(), sections),
            Err(_) => self.state = before,
        }
        result
    }

    /// Runs a function during which [`crate::host`] answers from this host, in this thread.
    pub fn run<T>(&mut self, function: impl FnOnce() -> T) -> T {
        /// Brings the host back also when the function panics.
        struct Installed<'a>(&'a mut Host);
        impl Drop for Installed<'_> {
            fn drop(&mut self) {
                if let Some(host) = CURRENT.take() {
                    *self.0 = host;
                }
            }
        }
        let host = std::mem::take(self);
        let _installed = Installed(self);
        CURRENT.set(Some(host));
        function()
    }
}

impl Default for Host {
    fn default() -> Self {
        Self {
            log: Vec::new(),
            state: State::default(),
            secrets: Vec::new(),
            processes: Processes::default(),
            system: System::default(),
            files: Files::default(),
            probe: unset("probe"),
            clock: Clock::default(),
            journal: unset("journal"),
            sockets: unset("sockets"),
            units: unset("units"),
            commands: BTreeMap::new(),
        }
    }
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            watched: unset("processes.watched"),
            table: unset("processes.table"),
            details: BTreeMap::new(),
            follow: Ok(true),
            followed: Vec::new(),
            detailed: Vec::new(),
        }
    }
}

impl Default for System {
    fn default() -> Self {
        Self {
            cpu: unset("system.cpu"),
            memory: unset("system.memory"),
            filesystems: unset("system.filesystems"),
            disks: unset("system.disks"),
            network_interfaces: unset("system.network_interfaces"),
            connections: unset("system.connections"),
            pressure: unset("system.pressure"),
            file_handles: unset("system.file_handles"),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            now: clock::Clocks::default(),
            discipline: unset("clock.discipline"),
            sntp: unset("clock.sntp"),
            chrony: unset("clock.chrony"),
            steps: (0, None),
        }
    }
}

fn unset<T>(field: &str) -> Answer<T> {
    Err(Error::Unavailable(format!("fake host has no `{field}`")))
}

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Asks the host of this thread.
#[expect(
    clippy::panic,
    reason = "a test that calls the host outside of `run` is wrong, and so is `describe` if it does"
)]
fn with<T>(ask: impl FnOnce(&mut Host) -> T) -> T {
    CURRENT.with_borrow_mut(|current| match current {
        Some(host) => ask(host),
        None => panic!("no host here: use `ghostd_sdk::fake::Host::collect` or `run` (`describe` has no host at all)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::state;
    use crate::{Descriptor, Metric};

    /// Returns what its configuration says.
    struct Says;

    impl Collector for Says {
        type Config = String;

        fn describe() -> Descriptor {
            Descriptor::new("says", "0.1.0", "For tests.").section("a")
        }

        fn collect(_: &Invocation, config: String) -> Result<Vec<Section>, Failure> {
            Ok(vec![match config.as_str() {
                "undeclared" => Section::new("b", "b/1"),
                "array" => Section::new("a", "a/1").body(&[1])?,
                "name" => Section::new("a", "a/1").metric(Metric::gauge("Upper", "1", 1.0)),
                "reserved" => Section::new("a", "a/1").attribute("ghost.x", 1_u64),
                _ => Section::new("a", "a/1"),
            }])
        }
    }

    fn collect(config: &str) {
        Host::new().collect::<Says>(&invocation(&["a"]), &format!("\"{config}\"")).unwrap();
    }

    #[test]
    fn a_good_section_passes() {
        collect("good");
    }

    #[test]
    #[should_panic(expected = "section `b` is not in the descriptor")]
    fn an_undeclared_section_is_refused() {
        collect("undeclared");
    }

    #[test]
    #[should_panic(expected = "the body of `a` is no JSON object")]
    fn a_body_that_is_no_object_is_refused() {
        collect("array");
    }

    #[test]
    #[should_panic(expected = "metric name `Upper`")]
    fn a_metric_name_in_capitals_is_refused() {
        collect("name");
    }

    #[test]
    #[should_panic(expected = "attribute name `ghost.x`")]
    fn a_name_of_the_hosts_is_refused() {
        collect("reserved");
    }

    #[test]
    fn the_host_comes_back_after_a_panic() {
        let mut host = Host::new();
        host.state.set("a", "1");
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            host.run(|| {
                state::store("b", &2).unwrap();
                panic!("as a collector may");
            });
        }));
        assert!(result.is_err());
        assert_eq!((host.state.get("a"), host.state.get("b")), (Some("1"), Some("2")));
    }

    #[test]
    fn state_has_a_quota_and_unreadable_values_are_told() {
        let mut host = Host::new();
        host.state.quota_bytes = 10;
        host.state.set("old", "[1]");
        host.run(|| {
            assert!(matches!(state::set("k", "\"123456789\""), Err(Error::Exhausted(_))));
            assert!(matches!(state::set("k", "nojson"), Err(Error::Invalid(_))));
            assert_eq!(state::load::<u64>("old"), None);
        });
        assert_eq!(host.log.len(), 1);
        assert!(host.log[0].1.contains("state `old` is not readable"), "{:?}", host.log);
    }
}
