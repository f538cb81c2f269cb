//! What is told about processes: one to one the records of `ghost:host/processes`.

/// A process, for as long as the machine runs. A pid alone is reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// When it started, in clock ticks since boot (field 22 of proc_pid_stat(5)); elsewhere microseconds since the
    /// epoch. First, so that identities sort by age.
    pub start: u64,
    /// The process id.
    pub pid: u32,
}

/// What the scheduler says a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Running or runnable.
    Running,
    /// In an interruptible sleep.
    Sleeping,
    /// In an uninterruptible sleep.
    DiskSleep,
    /// Stopped by a job-control signal.
    Stopped,
    /// Stopped by a tracer.
    Traced,
    /// Ended, and not yet collected by its parent.
    Zombie,
    /// Ended.
    Dead,
    /// An idle kernel thread.
    Idle,
    /// Another word of the kernel's.
    Other,
}

/// One process as the table shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Which one.
    pub identity: Identity,
    /// Its parent's id.
    pub ppid: u32,
    /// The command name, 15 bytes on Linux.
    pub name: String,
    /// What it is doing.
    pub state: RunState,
    /// True for a thread of the kernel itself.
    pub kernel: bool,
    /// Its threads.
    pub threads: u32,
    /// User time since its start, in milliseconds.
    pub user_ms: u64,
    /// System time, likewise.
    pub system_ms: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Virtual memory.
    pub virtual_bytes: u64,
    /// When it started, in milliseconds since the epoch by the clock as it stands now.
    pub started_ms: i64,
}

/// What costs further reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Cleaned of secrets by the caller's [`Scrub`], at most [`MAX_COMMAND_LINE_BYTES`].
    pub command_line: String,
    /// The path of the executable.
    pub executable: Option<String>,
    /// The control group.
    pub cgroup: Option<String>,
    /// The systemd unit that it names.
    pub unit: Option<String>,
    /// How many files it has open.
    pub open_files: Option<u32>,
    /// The effective user id.
    pub uid: Option<u32>,
}

/// How a process of a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Which one.
    pub identity: Identity,
    /// When it was noticed, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The same on CLOCK_MONOTONIC.
    pub at_monotonic_ns: u64,
    /// The earliest it can have been, on the same clock.
    pub not_before_monotonic_ns: u64,
    /// Its exit status, where the kernel tells.
    pub code: Option<i32>,
    /// The signal that ended it, likewise.
    pub signal: Option<i32>,
}

/// By what a process was found to be a daemon's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchedBy {
    /// The command name.
    Name,
    /// The executable's path or base name.
    Executable,
    /// The script that an interpreter runs.
    Script,
    /// The whole command line.
    CommandLine,
    /// A pid file.
    PidFile,
    /// The systemd unit.
    Unit,
}

impl MatchedBy {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Executable => "executable",
            Self::Script => "script",
            Self::CommandLine => "command-line",
            Self::PidFile => "pid-file",
            Self::Unit => "unit",
        }
    }
}

/// A process that fits a daemon's description, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which one.
    pub identity: Identity,
    /// By what.
    pub matched_by: MatchedBy,
}

/// A daemon that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its name there.
    pub name: String,
    /// How long after a restart it is reported as restarted.
    pub restarted_for_ms: u64,
    /// Whether it is in a maintenance window now.
    pub maintenance: bool,
    /// The processes that fit, oldest first, zombies left out, at most [`MAX_CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// How many fit in all.
    pub candidate_count: u32,
    /// A fitting process that has ended and was not collected.
    pub zombie: Option<Identity>,
    /// What ended since the mark that was asked for, oldest first, at most [`MAX_EXITS`].
    pub exits: Vec<Exit>,
    /// How many starts systemd counted; none until something asks systemd.
    pub unit_restarts: Option<u64>,
    /// What hinders looking.
    pub error: Option<String>,
}

/// What one look over the whole table found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The processes in the order of the kernel's listing, at most as many as asked for.
    pub processes: Vec<Process>,
    /// How many there are in all.
    pub total: u32,
    /// How many could not be read though they are there.
    pub unreadable: u32,
}

/// Makes a command line fit to be shown.
pub trait Scrub {
    /// Takes the arguments as the kernel has them, each ended by a zero byte, and gives them separated by spaces,
    /// quoted where they need it, and without secrets.
    fn argv(&self, arguments: &[u8]) -> String;
}

impl<F: Fn(&[u8]) -> String> Scrub for F {
    fn argv(&self, arguments: &[u8]) -> String {
        self(arguments)
    }
}

/// How many processes one table holds at most: a collector's answer must stay bounded on a machine that forks without
/// end.
pub const MAX_TABLE: u32 = 32_768;
/// How many fitting processes are told of each daemon (and followed). More than that is a rule that is too wide.
pub const MAX_CANDIDATES: usize = 64;
/// How many exits are remembered of each daemon, so that a crash loop does not eat memory.
pub const MAX_EXITS: usize = 64;
/// How much of a command line is told. Longer ones are cut at a character boundary.
pub const MAX_COMMAND_LINE_BYTES: usize = 4096;
