//! What belongs to one call: its WASI context, its limits, and what it was lent.
//!
//! Owns: [`CallState`], the `T` of every `Store`, and the accounting of memory. Must not know: how a call is run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Result};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::lend::fake::Fake;
use super::lend::files::FilesLent;
use super::lend::{CommandsLent, Services};
use super::stdio::LogBuffer;

/// Core instances, memories and tables that one call may have. Components made by ordinary toolchains have a
/// handful; a component that makes thousands wants to exhaust the host's own tables.
const MAX_INSTANCES: usize = 128;

/// Elements of all tables of a call together.
const MAX_TABLE_ELEMENTS: usize = 200_000;

/// Resources (open files, streams) that a call may hold at a time.
pub const MAX_RESOURCES: usize = 1024;

/// What one call of a collector may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time.
    pub wall: std::time::Duration,
    /// All memories together, in bytes.
    pub memory_bytes: u64,
    /// What the guest may hand to the host in one call (arguments or result), in bytes.
    pub result_bytes: u64,
    /// Keys and values of its state, in bytes.
    pub state_bytes: u64,
    /// Log lines, standard output and standard error together.
    pub log_lines: u32,
    /// Bytes of one log line; the rest is cut.
    pub log_line_bytes: usize,
    /// Calls of host functions, the log apart, which has a quota of its own.
    pub host_calls: u64,
    /// Handles of resources that it may hold at a time, its own included.
    pub handles: usize,
}

/// A limit that a guest ran into. The text says which, its value and what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LimitReached(pub String);

/// A guest that was still running at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct DeadlinePassed;

/// A host function that was called without a right to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotGranted(pub String);

/// Sums over all memories and tables of a call: a limit per memory would be doubled by a second one.
#[derive(Debug)]
pub struct MemoryAccount {
    limit: u64,
    used: u64,
    /// The most that was used at a time, in bytes.
    pub peak: u64,
    table_elements: usize,
}

impl MemoryAccount {
    /// An account with `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit, used: 0, peak: 0, table_elements: 0 }
    }
}

impl ResourceLimiter for MemoryAccount {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let wanted = self.used + desired.saturating_sub(current) as u64;
        if wanted > self.limit {
            return Err(LimitReached(format!(
                "memory limit of {} exceeded: {} wanted (raise `limits.memory`)",
                mib(self.limit),
                mib(wanted)
            ))
            .into());
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let wanted = self.table_elements + desired.saturating_sub(current);
        if wanted > MAX_TABLE_ELEMENTS {
            return Err(LimitReached(format!(
                "table limit of {MAX_TABLE_ELEMENTS} elements exceeded: {wanted} wanted"
            ))
            .into());
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Whether host functions may be used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `describe` runs: nothing but the log is lent.
    Describe,
    /// `collect` runs.
    Collect,
}

/// What was lent for one call, and what became of it.
pub struct Lent {
    /// The collector's name in the configuration.
    pub collector: Arc<str>,
    /// What is running.
    pub phase: Phase,
    /// Its log.
    pub log: LogBuffer,
    /// Its state, with what this call has set.
    pub state: BTreeMap<String, String>,
    /// Whether this call has set or removed something.
    pub state_changed: bool,
    /// The quota of the state in bytes.
    pub state_bytes: u64,
    /// Its files.
    pub files: Arc<FilesLent>,
    /// Its commands.
    pub commands: Arc<CommandsLent>,
    /// What the host lends to all.
    pub services: Arc<Services>,
    /// What is answered instead, in a test of the collector.
    pub fake: Option<Arc<Fake>>,
    /// Whether the bytes of all answers are counted, which costs writing each out once more.
    pub metered: bool,
    /// Bytes of answers: of files always, of all others where they are metered (as JSON).
    pub bytes_lent: u64,
    /// When the call has to be over.
    pub deadline: Instant,
    /// Host calls that were refused.
    pub denied: u64,
    /// Host calls that were made.
    pub host_calls: u64,
    /// How many may be made.
    pub max_host_calls: u64,
}

impl Lent {
    /// Every host function but the log begins with this: it traps unless `collect` is running, and when a guest
    /// calls the host more often than it may.
    pub fn collecting(&mut self) -> Result<()> {
        if self.phase == Phase::Collect {
            self.host_calls += 1;
            if self.host_calls > self.max_host_calls {
                return Err(LimitReached(format!(
                    "limit of {} host calls exceeded (raise `limits.host_calls`)",
                    self.max_host_calls
                ))
                .into());
            }
            return Ok(());
        }
        self.denied += 1;
        Err(NotGranted("host functions are not lent while `describe` runs, only while `collect` does".to_owned())
            .into())
    }
}

/// The `T` of every `Store`.
pub struct CallState {
    wasi: WasiCtx,
    table: ResourceTable,
    /// The memory of this call.
    pub memory: MemoryAccount,
    /// What was lent.
    pub lent: Lent,
}

impl CallState {
    /// A state for one call.
    pub fn new(wasi: WasiCtx, memory: MemoryAccount, lent: Lent) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self { wasi, table, memory, lent }
    }

    /// The table of resources, for the capabilities that hand some out.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl std::fmt::Debug for CallState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallState").field("collector", &self.lent.collector).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn memories_are_summed_so_that_a_second_one_does_not_double_the_limit() {
        let mut account = MemoryAccount::new(4 << 20);
        // Two memories of one and two, the first of which grows to two.
        for (current, desired) in [(0, MIB), (0, 2 * MIB), (MIB, 2 * MIB)] {
            assert!(account.memory_growing(current, desired, None).unwrap());
        }
        assert_eq!(account.peak, 4 << 20);
        let refused = account.memory_growing(0, MIB, None).unwrap_err();
        let reached = refused.downcast_ref::<LimitReached>().expect("a limit is told from a trap");
        assert_eq!(reached.0, "memory limit of 4.0 MiB exceeded: 5.0 MiB wanted (raise `limits.memory`)");
        assert_eq!(account.peak, 4 << 20, "what was refused was never used");
    }

    #[test]
    fn elements_of_tables_are_summed_too() {
        let mut account = MemoryAccount::new(0);
        assert!(account.table_growing(0, MAX_TABLE_ELEMENTS / 2, None).unwrap());
        assert!(account.table_growing(0, MAX_TABLE_ELEMENTS / 2, None).unwrap());
        assert!(account.table_growing(0, 1, None).is_err());
    }
}
