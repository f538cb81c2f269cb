//! A machine made of a JSON document, for testing a collector without one: what each host function answers.
//!
//! The names are those of `wit/`, with underscores; enums and errors as `"Sleeping"` and `{"Err": {"NotFound": "..."}}`.
//! What a fixture leaves out answers `unavailable`, with a text that names the key to add. Files are not here: a test
//! lends directories of real ones.
//!
//! Owns the form of `host.json`. Must not know: any collector, any file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::bindings::ghost::host as wit;
use super::super::bindings::ghost::host::types::Error;

/// The machine that a test has where it brings none of its own.
pub const DEFAULT: &str = include_str!("fake.json");

/// What a function answers; none where the fixture says nothing.
type Given<T> = Option<Result<T, Error>>;

/// A machine.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fake {
    /// When the calls are made.
    pub now: Now,
    pub(super) processes: Processes,
    pub(super) system: System,
    #[serde(deserialize_with = "plain")]
    pub(super) probe: Given<Vec<wit::probe::Observation>>,
    pub(super) clock: Clock,
    #[serde(deserialize_with = "plain")]
    journal: Given<Vec<wit::journal::Entry>>,
    #[serde(deserialize_with = "plain")]
    pub(super) sockets: Given<Vec<wit::sockets::Listener>>,
    #[serde(deserialize_with = "plain")]
    pub(super) units: Given<Vec<wit::units::Unit>>,
    /// What commands answer, by name.
    pub(super) commands: BTreeMap<String, wit::commands::Output>,
}

/// The time of the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Now {
    /// Milliseconds since the Unix epoch.
    pub epoch_ms: i64,
    /// Nanoseconds since boot.
    pub monotonic_ns: u64,
}

impl Default for Now {
    /// 2026-11-21T12:00:00Z, an hour after boot.
    fn default() -> Self {
        Self { epoch_ms: 1_795_262_400_000, monotonic_ns: 3_600_000_000_000 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Processes {
    #[serde(deserialize_with = "plain")]
    pub(super) watched: Given<Vec<wit::processes::Daemon>>,
    #[serde(deserialize_with = "plain")]
    table: Given<wit::processes::ProcessTable>,
    /// By process id. One that is in the table only has an empty detail.
    details: BTreeMap<u32, wit::processes::ProcessDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct System {
    #[serde(deserialize_with = "plain")]
    pub(super) cpu: Given<wit::system::CpuState>,
    #[serde(deserialize_with = "plain")]
    pub(super) memory: Given<wit::system::MemoryState>,
    #[serde(deserialize_with = "plain")]
    pub(super) filesystems: Given<Vec<wit::system::Filesystem>>,
    #[serde(deserialize_with = "plain")]
    pub(super) disks: Given<Vec<wit::system::Disk>>,
    #[serde(deserialize_with = "plain")]
    pub(super) network_interfaces: Given<Vec<wit::system::NetworkInterface>>,
    #[serde(deserialize_with = "plain")]
    pub(super) connections: Given<wit::system::ConnectionCounts>,
    #[serde(deserialize_with = "plain")]
    pub(super) pressure: Given<Vec<wit::system::PressureStall>>,
    #[serde(deserialize_with = "plain")]
    pub(super) file_handles: Given<wit::system::FileHandleCounts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Clock {
    now: Option<wit::clock::Clocks>,
    #[serde(deserialize_with = "plain")]
    pub(super) discipline: Given<wit::clock::KernelDiscipline>,
    #[serde(deserialize_with = "plain")]
    pub(super) sntp: Given<Vec<wit::clock::SntpAnswer>>,
    #[serde(deserialize_with = "plain")]
    pub(super) chrony: Given<wit::clock::Tracking>,
    pub(super) steps: (u64, Option<i64>),
}

impl Fake {
    /// Reads one. The message says what is wrong and where.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    pub(super) fn clocks(&self) -> wit::clock::Clocks {
        self.clock.now.unwrap_or(wit::clock::Clocks {
            realtime_ns: self.now.epoch_ms.saturating_mul(1_000_000),
            monotonic_ns: self.now.monotonic_ns,
            monotonic_raw_ns: self.now.monotonic_ns,
            boottime_ns: self.now.monotonic_ns,
            read_ns: 100,
        })
    }

    pub(super) fn table(&self, limit: u32) -> Result<wit::processes::ProcessTable, Error> {
        let mut table = given("processes.table", &self.processes.table)?;
        table.processes.truncate(limit as usize);
        Ok(table)
    }

    pub(super) fn stat(&self, wanted: wit::processes::Identity) -> Result<wit::processes::Process, Error> {
        let table = given("processes.table", &self.processes.table)?;
        let same = |one: &wit::processes::Identity| one.pid == wanted.pid && one.start == wanted.start;
        let found = table.processes.into_iter().find(|process| same(&process.identity));
        found.ok_or_else(|| Error::NotFound(format!("process {}", wanted.pid)))
    }

    pub(super) fn detail(&self, wanted: wit::processes::Identity) -> Result<wit::processes::ProcessDetail, Error> {
        self.stat(wanted)?;
        Ok(self.processes.details.get(&wanted.pid).cloned().unwrap_or(wit::processes::ProcessDetail {
            command_line: String::new(),
            executable: None,
            cgroup: None,
            unit: None,
            open_files: None,
            uid: None,
        }))
    }

    /// As the real one: after a cursor, or the newest alone.
    pub(super) fn journal(&self, after: Option<&str>, limit: u32) -> Result<Vec<wit::journal::Entry>, Error> {
        let entries = given("journal", &self.journal)?;
        let start = match after {
            None => entries.len().saturating_sub(1),
            Some(cursor) => match entries.iter().position(|entry| entry.cursor == cursor) {
                Some(at) => at + 1,
                None => return Err(Error::NotFound(format!("no entry has the cursor `{cursor}`"))),
            },
        };
        Ok(entries.into_iter().skip(start).take(limit as usize).collect())
    }

    pub(super) fn command(&self, name: &str) -> Result<wit::commands::Output, Error> {
        self.commands
            .get(name)
            .cloned()
            .ok_or_else(|| Error::Denied(format!("the fixtures have no `commands.{name}` (add it to host.json)")))
    }
}

/// What the fixture says under this key.
pub(super) fn given<T: Clone>(key: &str, value: &Given<T>) -> Result<T, Error> {
    match value {
        Some(answer) => answer.clone(),
        None => Err(Error::Unavailable(format!("the fixtures have no `{key}` (add it to host.json)"))),
    }
}

/// A value as it is, or `{"Err": ...}`: an answer that is good needs no wrapping.
fn plain<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Given<T>, D::Error> {
    use serde::de::Error as _;
    let value = serde_json::Value::deserialize(deserializer)?;
    if let Some(error) = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("Err")) {
        return Error::deserialize(error).map(|error| Some(Err(error))).map_err(D::Error::custom);
    }
    T::deserialize(value).map(|value| Some(Ok(value))).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_machine_has_an_answer_for_everything() {
        let fake = Fake::parse(DEFAULT).unwrap();
        assert!(fake.table(10).unwrap().processes.len() > 3);
        assert!(given("system.cpu", &fake.system.cpu).is_ok());
        assert!(given("system.filesystems", &fake.system.filesystems).is_ok());
        assert!(given("units", &fake.units).is_ok() && given("sockets", &fake.sockets).is_ok());
        assert!(given("clock.discipline", &fake.clock.discipline).is_ok());
        assert_eq!(fake.journal(None, 10).unwrap().len(), 1);
    }

    #[test]
    fn an_error_is_an_answer_and_a_gap_names_its_key() {
        let fake = Fake::parse(r#"{"units": {"Err": {"Forbidden": "no"}}}"#).unwrap();
        assert!(matches!(given("units", &fake.units), Err(Error::Forbidden(text)) if text == "no"));
        assert!(matches!(given("sockets", &fake.sockets), Err(Error::Unavailable(text)) if text.contains("`sockets`")));
        let error = Fake::parse(r#"{"unit": []}"#).unwrap_err();
        assert!(error.contains("unknown field `unit`"), "{error}");
    }
}
