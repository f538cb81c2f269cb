//! What is remembered from look to look.
//!
//! Owns its form and its bounds. Two keys of the state hold it: what changes with every look is small
//! ([`Look`]), what is large seldom changes ([`Past`]), so that a beat writes little.

use std::collections::BTreeMap;

use ghostd_sdk::host::processes::{Exit, Identity, ProcessDetail};
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// The most daemons that are followed: so many fit into the state's quota of 512 KiB at their largest.
pub const MAX_DAEMONS: usize = 128;
/// The most processes that are remembered of a daemon, so that a pool of workers stays bounded.
pub const MAX_KNOWN: usize = 32;
/// The most restarts whose times are remembered: as many as flapping can be configured to need.
pub const MAX_RESTARTS: usize = 31;
/// The longest text of a detail that is remembered and shown, in bytes.
pub const MAX_TEXT_BYTES: usize = 512;

/// A process as it is remembered: pid and start time.
pub type Id = (u32, u64);

/// When the machine was last looked at, and what the figures were.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Look {
    /// The boot that it belongs to: monotonic times of another one mean nothing.
    pub boot: String,
    /// Wall-clock time of the look, milliseconds since the epoch.
    pub at_ms: i64,
    /// Nanoseconds since boot.
    pub at_ns: u64,
    /// Total memory in bytes, and when it was read.
    pub memory: Option<(u64, u64)>,
    /// Consumed processor time by daemon.
    pub cpu: Vec<(String, CpuSamples)>,
}

/// Two samples of what a process consumed, so that there is always one at least a second old.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct CpuSamples {
    /// The process that this is about.
    #[serde(rename = "i")]
    pub id: Id,
    /// Nanoseconds since boot and consumed milliseconds.
    #[serde(rename = "n")]
    pub newer: (u64, u64),
    /// The same, at least a second earlier.
    #[serde(rename = "o")]
    pub older: Option<(u64, u64)>,
}

/// What is remembered of one daemon.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Past {
    /// Its status at the last look, and since when (milliseconds since the epoch).
    pub status: Status,
    /// Since when it has had that status.
    pub since_ms: i64,
    /// Whether it was ever seen to run.
    pub seen: bool,
    /// Whether it was seen to run since the last boot.
    pub seen_since_boot: bool,
    /// The process that is followed.
    pub followed: Option<Id>,
    /// Processes of this boot that are no news: followed once, or running beside the followed one.
    pub known: Vec<Id>,
    /// Starts that were noticed after the first of each boot.
    pub restarts: u64,
    /// When the last of them were noticed, nanoseconds since boot; those in maintenance left out.
    pub restarts_ns: Vec<u64>,
    /// How the last restart went.
    pub last_restart: Option<Restart>,
    /// Ends that were noticed.
    pub exits: u64,
    /// How the last one went.
    pub last_exit: Option<End>,
    /// Times that it was found gone.
    pub failures: u64,
    /// Since when it has been stopped, nanoseconds since boot.
    pub paused_ns: Option<u64>,
    /// The zombie that was seen, and its parent.
    pub zombie: Option<(Id, Option<u32>)>,
    /// What systemd counted at the last look.
    pub unit_restarts: Option<u64>,
    /// What is dear to read.
    pub detail: Option<Details>,
    /// Findings that are open, with the time that each was first reported.
    pub open: BTreeMap<Trouble, i64>,
}

/// What can be wrong with a daemon.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It does not run.
    Failed,
    /// It restarts again and again.
    Flapping,
    /// It is stopped.
    Paused,
    /// It does not answer its ping.
    Unanswered,
    /// Its heartbeat file gives no sign of life.
    Stale,
}

/// A restart. The time at which the former process ended lies between two, which are equal where the
/// kernel told; all are milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Restart {
    /// When it was noticed.
    pub noticed_ms: i64,
    /// The same in nanoseconds since boot; none after a further boot.
    pub noticed_ns: Option<u64>,
    /// The former process ended after this.
    pub not_before_ms: Option<i64>,
    /// And before this.
    pub not_after_ms: i64,
    /// When the new process started.
    pub started_ms: i64,
    /// The former process.
    pub former_pid: Option<u32>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct End {
    /// The process.
    pub id: Id,
    /// It ended after this, in milliseconds since the epoch, where there was an earlier look.
    pub not_before_ms: Option<i64>,
    /// And before this: when its end was noticed.
    pub at_ms: i64,
    /// Its exit status, where the kernel told.
    pub code: Option<i32>,
    /// The signal that ended it, likewise.
    pub signal: Option<i32>,
}

/// What [`ProcessDetail`] said, and when.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Details {
    /// The process.
    pub id: Id,
    /// Its command name then: another one means that it executed another program.
    pub comm: String,
    /// When it was read, nanoseconds since boot.
    pub at_ns: u64,
    /// The command line.
    pub command_line: String,
    /// The path of the executable.
    pub executable: Option<String>,
    /// The control group.
    pub cgroup: Option<String>,
    /// The systemd unit.
    pub unit: Option<String>,
    /// Open files.
    pub open_files: Option<u32>,
    /// The user it runs as.
    pub uid: Option<u32>,
}

impl Look {
    /// The samples of a daemon's process.
    #[must_use]
    pub fn samples_of(&self, daemon: &str) -> Option<CpuSamples> {
        self.cpu.iter().find(|(name, _)| name == daemon).map(|&(_, samples)| samples)
    }
}

impl Past {
    /// What of it still holds after a boot: no process, and no time since boot.
    pub fn reboot(&mut self) {
        self.since_ms = 0;
        self.seen_since_boot = false;
        self.followed = None;
        self.known.clear();
        self.restarts_ns.clear();
        self.paused_ns = None;
        self.zombie = None;
        self.unit_restarts = None;
        self.detail = None;
        if let Some(restart) = &mut self.last_restart {
            restart.noticed_ns = None;
        }
    }

    /// Remembers a process, and forgets the oldest beyond [`MAX_KNOWN`].
    pub fn know(&mut self, id: Id) {
        if !self.known.contains(&id) {
            self.known.push(id);
            let beyond = self.known.len().saturating_sub(MAX_KNOWN);
            self.known.drain(..beyond);
        }
    }
}

impl Details {
    /// Keeps what is shown of a detail, within bounds.
    #[must_use]
    pub fn new(id: Id, comm: &str, at_ns: u64, detail: ProcessDetail) -> Self {
        let short = |text: Option<String>| text.map(|text| cut(text, MAX_TEXT_BYTES));
        Self {
            id,
            comm: comm.to_owned(),
            at_ns,
            command_line: cut(detail.command_line, MAX_TEXT_BYTES),
            executable: short(detail.executable),
            cgroup: short(detail.cgroup),
            unit: short(detail.unit),
            open_files: detail.open_files,
            uid: detail.uid,
        }
    }
}

/// A process as it is remembered.
#[must_use]
pub fn id(identity: Identity) -> Id {
    (identity.pid, identity.start)
}

/// A process as the host knows it.
#[must_use]
pub fn identity((pid, start): Id) -> Identity {
    Identity { pid, start }
}

/// How the host's word on an end is remembered. `to_ms` turns nanoseconds since boot into wall-clock time.
#[must_use]
pub fn end(exit: &Exit, to_ms: impl Fn(u64) -> i64) -> End {
    End {
        id: id(exit.identity),
        not_before_ms: Some(to_ms(exit.not_before_monotonic_ns)),
        at_ms: to_ms(exit.at_monotonic_ns),
        code: exit.code,
        signal: exit.signal,
    }
}

/// At most `limit` bytes of a text, cut at a character.
#[must_use]
pub fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_memory_fits_into_the_quota() {
        let text = "x".repeat(MAX_TEXT_BYTES);
        let identity = (u32::MAX, u64::MAX);
        let details = Details {
            id: identity,
            comm: text[..15].to_owned(),
            at_ns: u64::MAX,
            command_line: text.clone(),
            executable: Some(text.clone()),
            cgroup: Some(text.clone()),
            unit: Some(text[..255].to_owned()),
            open_files: Some(u32::MAX),
            uid: Some(u32::MAX),
        };
        let mut past =
            Past { detail: Some(details), restarts_ns: vec![u64::MAX >> 8; MAX_RESTARTS], ..Past::default() };
        for pid in 0..1000 {
            past.know((u32::MAX - pid, u64::MAX >> 24));
        }
        assert_eq!(past.known.len(), MAX_KNOWN);
        let bytes = serde_json::to_string(&past).unwrap().len();
        assert!(bytes * MAX_DAEMONS < 480 * 1024, "{bytes} bytes a daemon");
    }

    #[test]
    fn an_older_memory_without_a_field_is_readable() {
        let past: Past = serde_json::from_str(r#"{"seen":true}"#).unwrap();
        assert!(past.seen && past.known.is_empty());
    }

    #[test]
    fn a_boot_leaves_counts_and_no_process() {
        let mut past =
            Past { seen: true, seen_since_boot: true, followed: Some((1, 2)), restarts: 7, ..Past::default() };
        past.know((1, 2));
        past.reboot();
        assert_eq!((past.seen, past.seen_since_boot, past.followed, past.restarts), (true, false, None, 7));
        assert!(past.known.is_empty());
    }
}
