//! The machine's own figures: one to one the records of `ghost:host/system`.

use super::super::Error;

/// Time since boot that processors spent. What a platform does not tell is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the words of proc_stat(5), in milliseconds")]
pub struct CpuTimes {
    pub user_ms: u64,
    pub nice_ms: u64,
    pub system_ms: u64,
    pub idle_ms: u64,
    pub iowait_ms: u64,
    pub irq_ms: u64,
    pub softirq_ms: u64,
    pub steal_ms: u64,
}

/// The processors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cpu {
    /// All of them together.
    pub total: CpuTimes,
    /// Each online processor with its number, at most [`MAX_CPUS`].
    pub per_cpu: Vec<(u32, CpuTimes)>,
    /// Online processors.
    pub count: u32,
    /// The load average over 1, 5 and 15 minutes.
    pub load: (f64, f64, f64),
    /// Since boot.
    pub context_switches: Option<u64>,
    /// Since boot.
    pub forks: Option<u64>,
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// Used for nothing.
    pub free: u64,
    /// What could be given to a new program without swapping.
    pub available: u64,
    /// Page cache and reclaimable slabs.
    pub cached: u64,
    /// Block device buffers.
    pub buffers: u64,
    /// Waiting to be written.
    pub dirty: u64,
    /// All swap.
    pub swap_total: u64,
    /// Unused swap.
    pub swap_free: u64,
    /// The smallest limit among our control group and those above it.
    pub cgroup_limit: Option<u64>,
    /// What the group with that limit uses; without a limit, our own group.
    pub cgroup_used: Option<u64>,
    /// Processes that the kernel killed for want of memory since boot.
    pub oom_kills: Option<u64>,
}

/// Space and inodes of one file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// All of it.
    pub total_bytes: u64,
    /// Unused.
    pub free_bytes: u64,
    /// What an unprivileged user may still take.
    pub available_bytes: u64,
    /// All inodes; 0 where the file system makes them as needed.
    pub inodes: u64,
    /// Unused.
    pub inodes_free: u64,
}

/// A mounted file system that stands on a device or holds data of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// What is mounted there.
    pub device: String,
    /// Its type.
    pub fs_type: String,
    /// By its own options or those of the mount.
    pub read_only: bool,
    /// The block device under it as [`Disk::name`] has it.
    pub disk: Option<String>,
    /// Pending for a mount that does not answer.
    pub usage: Result<Usage, Error>,
}

/// What a block device did since boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the figures of Documentation/admin-guide/iostats.rst under their own names")]
pub struct Disk {
    pub name: String,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub reads: u64,
    pub writes: u64,
    /// Time during which it had something to do.
    pub busy_ms: u64,
}

/// What a network interface did since it came up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the figures of proc_pid_net(5) under their own names")]
pub struct NetworkInterface {
    pub name: String,
    /// The word of RFC 2863.
    pub state: String,
    pub received_bytes: u64,
    pub received_packets: u64,
    pub received_errors: u64,
    pub received_drops: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub sent_errors: u64,
    pub sent_drops: u64,
}

/// Sockets of the network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connections {
    /// TCP sockets by state. Beyond [`MAX_SOCKETS_LISTED`] of them the kernel's own sums instead: `in-use`, `orphan`,
    /// `time-wait`.
    pub tcp: Vec<(String, u64)>,
    /// UDP sockets.
    pub udp: u64,
    /// Unix sockets.
    pub unix: u64,
}

/// Pressure stall information of one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Pressure {
    /// `cpu`, `memory`, `io`, `irq`.
    pub resource: String,
    /// Shares of time, 0 to 100, in which at least one task waited, over 10, 60 and 300 seconds.
    pub some_avg: (f64, f64, f64),
    /// Since boot, in microseconds.
    pub some_total_us: u64,
    /// In which all tasks waited.
    pub full_avg: Option<(f64, f64, f64)>,
    /// Since boot, in microseconds.
    pub full_total_us: Option<u64>,
}

/// Open files of the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHandles {
    /// Open now.
    pub allocated: u64,
    /// As many as there may be.
    pub maximum: u64,
}

/// How many processors are told one by one.
pub const MAX_CPUS: usize = 1024;
/// How many file systems, block devices and interfaces are told: a container host has thousands of each, and a
/// collector's answer must stay bounded.
pub const MAX_FILESYSTEMS: usize = 256;
/// See [`MAX_FILESYSTEMS`].
pub const MAX_DISKS: usize = 256;
/// See [`MAX_FILESYSTEMS`].
pub const MAX_INTERFACES: usize = 256;
/// How many TCP sockets are counted by state: the kernel writes a line of text for each, at about a microsecond.
pub const MAX_SOCKETS_LISTED: u64 = 50_000;
