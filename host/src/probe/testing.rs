//! What the tests of `probe` share: moments, and a /proc of files in a temporary directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Moment, NS_PER_S};

/// The wall clock of tests that look at the real machine.
#[expect(clippy::disallowed_methods, reason = "tests stand for the caller, who lends the wall clock")]
pub(crate) fn wall() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

/// A moment `seconds` after boot; the machine booted at 1,000,000 s after the epoch.
pub(crate) fn at(seconds: f64) -> Moment {
    let ns = (seconds * NS_PER_S as f64) as u64;
    Moment { realtime_ns: 1_000_000 * NS_PER_S as i64 + ns as i64, monotonic_ns: ns, boottime_ns: ns }
}

/// Writes a file and the directories above it.
pub(crate) fn put(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's own file need not survive a crash")]
    fs::write(path, content).unwrap();
}

/// A process of a fake /proc.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) comm: String,
    pub(crate) state: char,
    pub(crate) flags: u32,
    pub(crate) threads: u32,
    pub(crate) start: u64,
    pub(crate) argv: Vec<String>,
    pub(crate) tgid: u32,
    pub(crate) cgroup: Option<String>,
}

impl Fake {
    pub(crate) fn new(pid: u32, start: u64, comm: &str, argv: &[&str]) -> Self {
        Self {
            pid,
            ppid: 1,
            comm: comm.chars().take(15).collect(),
            state: 'S',
            flags: 0x40_0000,
            threads: 1,
            start,
            argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
            tgid: pid,
            cgroup: None,
        }
    }
}

/// A /proc of files.
pub(crate) struct FakeProc {
    pub(crate) directory: tempfile::TempDir,
}

impl FakeProc {
    pub(crate) fn new() -> Self {
        let fake = Self { directory: tempfile::tempdir().unwrap() };
        fake.last_pid(0);
        fake
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Adds a process, or replaces it.
    pub(crate) fn add(&self, fake: &Fake) {
        let base = self.directory.path().join(fake.pid.to_string());
        let Fake { pid, ppid, comm, state, flags, threads, start, .. } = fake;
        put(
            &base.join("stat"),
            format!(
                "{pid} ({comm}) {state} {ppid} {pid} {pid} 0 -1 {flags} 10 0 0 0 150 50 7 8 20 0 {threads} 0 {start} \
                 4096000 300 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
            ),
        );
        let mut line = fake.argv.join("\0").into_bytes();
        if !line.is_empty() {
            line.push(0);
        }
        put(&base.join("cmdline"), line);
        put(&base.join("status"), format!("Name:\t{comm}\nTgid:\t{}\nPid:\t{pid}\nUid:\t7\t8\t9\t10\n", fake.tgid));
        if let Some(cgroup) = &fake.cgroup {
            put(&base.join("cgroup"), format!("0::{cgroup}\n"));
        }
    }

    pub(crate) fn remove(&self, pid: u32) {
        fs::remove_dir_all(self.directory.path().join(pid.to_string())).unwrap();
    }

    /// What the last field of loadavg says.
    pub(crate) fn last_pid(&self, pid: u32) {
        put(&self.directory.path().join("loadavg"), format!("0.10 0.20 0.30 1/100 {pid}\n"));
    }
}
