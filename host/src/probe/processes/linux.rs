//! A /proc, read relative to a descriptor of its directory.
//!
//! Owns the reading; must not know what is looked for. One open and one read per file, no path resolution above the
//! root, no allocation but for what is returned.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::super::units::Units;
use super::super::{Error, Moment, Result};
use super::stat::parse;
use super::types::{Detail, Identity, MAX_COMMAND_LINE_BYTES, MAX_TABLE, Process, Scrub, Table};
use super::{cut, unit_of_cgroup};

/// As much of a command line as the rules look at: a longer one is a list of files, and its script stands before it.
const MAX_ARGV_BYTES: usize = 32 * 1024;
/// More than the longest line of /proc/PID/stat: 52 numbers of at most 20 digits.
const STAT_BYTES: usize = 1200;
/// For status, cgroup, loadavg and the like.
const SMALL_FILE_BYTES: usize = 8192;
/// How many open files are counted one by one on kernels that do not tell their number.
const MAX_COUNTED_FILES: u32 = 65_536;

/// A /proc: the machine's own, or a fake one, or the machine's as a container sees it mounted.
#[derive(Debug)]
pub struct ProcRoot {
    path: PathBuf,
    directory: OwnedFd,
    units: Units,
    genuine: bool,
    own: Option<u32>,
    /// Its pids are those of our own namespace.
    same_pids: bool,
}

impl ProcRoot {
    /// Opens it. Everything is read through the descriptor from then on.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let what = format!("`{}`", path.display());
        let directory = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Error::from_errno(&what, errno))?;
        let genuine = rustix::fs::fstatfs(&directory).is_ok_and(|fs| fs.f_type as u64 == PROC_SUPER_MAGIC);
        let own: Option<u32> = rustix::fs::readlinkat(&directory, c"self", Vec::new())
            .ok()
            .and_then(|target| target.to_str().ok()?.parse().ok());
        let same_pids = own == Some(std::process::id());
        Ok(Self { path, directory, units: Units::of_this_machine(), genuine, own, same_pids })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One process as it is now; not found when it has ended, whoever has its pid since.
    pub fn stat(&self, identity: Identity, now: Moment) -> Result<Process> {
        let process = self.process(identity.pid, now)?;
        if process.identity == identity { Ok(process) } else { Err(ended(identity.pid)) }
    }

    /// More about one process. What may not be read is absent.
    pub fn detail(&self, identity: Identity, scrub: &dyn Scrub, now: Moment) -> Result<Detail> {
        let pid = identity.pid;
        let mut argv = Vec::new();
        // Absent when refused: hidepid=1 and a few hardened kernels keep command lines to their owners.
        let readable = self.command_line(pid, &mut argv).is_ok();
        let cgroup = self.cgroup(pid);
        let detail = Detail {
            command_line: if readable && !argv.is_empty() {
                cut(scrub.argv(&argv), MAX_COMMAND_LINE_BYTES)
            } else {
                String::new()
            },
            executable: self.executable(pid),
            unit: cgroup.as_deref().and_then(unit_of_cgroup),
            cgroup,
            open_files: self.open_files(pid),
            uid: self.status_field(pid, "Uid:").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok()),
        };
        // Asked last: if the pid is still this process, all of the above was its own.
        self.stat(identity, now)?;
        Ok(detail)
    }

    /// All processes, at most `limit` of them.
    pub fn table(&self, limit: u32, now: Moment) -> Result<Table> {
        let limit = limit.min(MAX_TABLE) as usize;
        let mut table = Table::default();
        self.each(now, &mut |seen| match seen {
            Ok(process) => {
                table.total += 1;
                if table.processes.len() < limit {
                    table.processes.push(process);
                }
            }
            Err(_) => {
                table.total += 1;
                table.unreadable += 1;
            }
        })?;
        Ok(table)
    }

    /// What hinders seeing all processes: hidepid, which shows by init being hidden.
    pub fn hindrance(&self) -> Option<String> {
        if !self.genuine {
            return None;
        }
        match rustix::fs::openat(&self.directory, c"1/stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT | Errno::ACCESS | Errno::PERM) => Some(format!(
                "processes of other users are hidden below `{}` (mounted with hidepid; run ghostd as root or in the \
                 group that its gid= names)",
                self.path.display()
            )),
            _ => None,
        }
    }

    /// Our own pid as this /proc numbers it.
    pub(super) fn own_pid(&self) -> Option<u32> {
        self.own
    }

    /// Lets a test stand for somebody else than ghostd, whose children are nobody's daemons.
    #[cfg(test)]
    pub(super) fn disown(&mut self) {
        self.own = None;
    }

    /// Whether its pids are those of our own namespace, so that system calls mean the same processes.
    pub(super) fn is_own_namespace(&self) -> bool {
        self.genuine && self.same_pids
    }

    /// The process with this pid.
    pub(super) fn process(&self, pid: u32, now: Moment) -> Result<Process> {
        let mut buffer = [0; STAT_BYTES];
        let line = self.read(pid, "stat", &mut buffer).map_err(|errno| process_error(pid, errno))?;
        parse(line, self.units, now).ok_or_else(|| Error::Io(format!("stat of process `{pid}` is malformed")))
    }

    /// Calls `visit` with every process, and with an error for each that is there and cannot be read.
    pub(super) fn each(&self, now: Moment, visit: &mut dyn FnMut(Result<Process>)) -> Result<()> {
        self.each_pid(&mut |pid| match self.process(pid, now) {
            Err(Error::NotFound(_)) => {}
            seen => visit(seen),
        })
    }

    /// Calls `visit` with every pid of the listing, threads left out.
    pub(super) fn each_pid(&self, visit: &mut dyn FnMut(u32)) -> Result<()> {
        let failed = |errno| Error::from_errno(&format!("the listing of `{}`", self.path.display()), errno);
        // Opened anew: the position of a shared descriptor would be shared too.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = rustix::fs::openat(&self.directory, c".", flags, Mode::empty()).map_err(failed)?;
        let mut buffer = [const { MaybeUninit::uninit() }; 16 * 1024];
        let mut entries = RawDir::new(&listing, &mut buffer);
        while let Some(entry) = entries.next() {
            if let Some(pid) = parse_pid(entry.map_err(failed)?.file_name().to_bytes()) {
                visit(pid);
            }
        }
        Ok(())
    }

    /// The arguments of a process, each ended by a zero byte, at most [`MAX_ARGV_BYTES`] of them.
    pub(super) fn command_line(&self, pid: u32, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        into.reserve(MAX_ARGV_BYTES);
        let name = Name::new(pid, "cmdline");
        let mut read = || {
            let path = name.as_c_str().ok_or(Errno::NAMETOOLONG)?;
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&self.directory, path, flags, Mode::empty())?;
            rustix::io::retry_on_intr(|| rustix::io::read(&file, spare_capacity(into)))
        };
        read().map(drop).map_err(|errno| process_error(pid, errno))
    }

    /// The pid that was given out last, where this /proc tells of our own namespace.
    pub(super) fn last_pid(&self) -> Option<u32> {
        // A loadavg that is seen through another namespace's /proc tells the reader's own last pid.
        if self.genuine && !self.is_own_namespace() {
            return None;
        }
        let mut buffer = [0; 128];
        let line = self.read_at(c"loadavg", &mut buffer).ok()?;
        std::str::from_utf8(line).ok()?.split_whitespace().last()?.parse().ok()
    }

    /// Whether the pid is a process and not one of its further threads, which have entries of their own.
    pub(super) fn is_leader(&self, pid: u32) -> bool {
        self.status_field(pid, "Tgid:").is_none_or(|group| group.trim() == pid.to_string())
    }

    /// The path of the executable, where it may be read.
    pub(super) fn executable(&self, pid: u32) -> Option<String> {
        let target = rustix::fs::readlinkat(&self.directory, Name::new(pid, "exe").as_c_str()?, Vec::new()).ok()?;
        let target = target.to_string_lossy();
        // The kernel says so of a binary that was replaced by an update.
        Some(target.strip_suffix(" (deleted)").unwrap_or(&target).to_owned())
    }

    /// The control group: version 2, else that of the systemd hierarchy.
    pub(super) fn cgroup(&self, pid: u32) -> Option<String> {
        let mut buffer = [0; SMALL_FILE_BYTES];
        let text = String::from_utf8_lossy(self.read(pid, "cgroup", &mut buffer).ok()?).into_owned();
        let of = |hierarchy: &str| text.lines().find_map(|line| line.split_once(hierarchy).map(|(_, path)| path));
        let unified = text.lines().find_map(|line| line.strip_prefix("0::"));
        unified.filter(|path| *path != "/").or_else(|| of(":name=systemd:")).or(unified).map(str::to_owned)
    }

    fn open_files(&self, pid: u32) -> Option<u32> {
        let name = Name::new(pid, "fd");
        let name = name.as_c_str()?;
        let size = rustix::fs::statat(&self.directory, name, AtFlags::empty()).ok()?.st_size;
        // Kernels from 6.2 on give the number as the size; a directory of 0 may also be an older kernel's.
        if size > 0 && self.genuine {
            return u32::try_from(size).ok();
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = rustix::fs::openat(&self.directory, name, flags, Mode::empty()).ok()?;
        let mut buffer = [const { MaybeUninit::uninit() }; 8 * 1024];
        let mut entries = RawDir::new(&listing, &mut buffer);
        let mut count = 0;
        while let Some(entry) = entries.next() {
            count += u32::from(entry.ok()?.file_name().to_bytes()[0] != b'.');
            if count == MAX_COUNTED_FILES {
                break;
            }
        }
        Some(count)
    }

    fn status_field(&self, pid: u32, label: &str) -> Option<String> {
        let mut buffer = [0; SMALL_FILE_BYTES];
        let text = String::from_utf8_lossy(self.read(pid, "status", &mut buffer).ok()?).into_owned();
        text.lines().find_map(|line| line.strip_prefix(label)).map(str::to_owned)
    }

    fn read<'a>(&self, pid: u32, file: &str, buffer: &'a mut [u8]) -> rustix::io::Result<&'a [u8]> {
        let name = Name::new(pid, file);
        self.read_at(name.as_c_str().ok_or(Errno::NAMETOOLONG)?, buffer)
    }

    fn read_at<'a>(&self, path: &CStr, buffer: &'a mut [u8]) -> rustix::io::Result<&'a [u8]> {
        let file = rustix::fs::openat(&self.directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let length = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut *buffer))?;
        Ok(&buffer[..length])
    }
}

/// The magic number of procfs (statfs(2)).
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// `PID/FILE` with the zero byte that the kernel wants, on the stack.
struct Name {
    bytes: [u8; 32],
    length: usize,
}

impl Name {
    fn new(pid: u32, file: &str) -> Self {
        let mut name = Self { bytes: [0; 32], length: 0 };
        // What does not fit leaves no room for the zero byte, and `as_c_str` says so.
        if write!(name, "{pid}/{file}").is_err() {
            name.length = name.bytes.len();
        }
        name
    }

    fn as_c_str(&self) -> Option<&CStr> {
        CStr::from_bytes_with_nul(self.bytes.get(..=self.length)?).ok()
    }
}

impl std::fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl ProcRoot {
    /// How old a process is, in nanoseconds.
    pub(super) fn age_ns(&self, process: &Process, now: Moment) -> u64 {
        let start = self.units.ticks_ns(process.identity.start);
        now.boottime_ns.saturating_sub(start)
    }
}

fn parse_pid(name: &[u8]) -> Option<u32> {
    if !name.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

fn ended(pid: u32) -> Error {
    Error::NotFound(format!("process `{pid}` has ended"))
}

fn process_error(pid: u32, errno: Errno) -> Error {
    match errno {
        Errno::NOENT | Errno::SRCH => ended(pid),
        _ => Error::from_errno(&format!("process `{pid}`"), errno),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Fake, FakeProc, at, put, wall};
    use super::*;

    fn plain(arguments: &[u8]) -> String {
        String::from_utf8_lossy(arguments).trim_end_matches('\0').replace('\0', " ")
    }

    fn id(pid: u32, start: u64) -> Identity {
        Identity { start, pid }
    }

    #[test]
    fn a_pid_that_is_another_process_now_is_not_found() {
        let fake = FakeProc::new();
        fake.add(&Fake::new(7, 100, "x", &["x"]));
        let root = ProcRoot::open(fake.path()).unwrap();
        assert_eq!(root.stat(id(7, 100), at(5.0)).unwrap().name, "x");
        assert!(root.stat(id(7, 101), at(5.0)).unwrap_err().is_not_found());
        assert!(root.stat(id(8, 100), at(5.0)).unwrap_err().is_not_found());
        assert!(root.detail(id(7, 101), &plain, at(5.0)).unwrap_err().is_not_found());
    }

    #[test]
    fn detail_tells_what_may_be_read() {
        let fake = FakeProc::new();
        let mut process = Fake::new(7, 100, "node", &["node", "a b.js", "--password=x"]);
        process.cgroup = Some("/system.slice/relay.service".to_owned());
        fake.add(&process);
        let base = fake.path().join("7");
        std::os::unix::fs::symlink("/usr/bin/node (deleted)", base.join("exe")).unwrap();
        for descriptor in 0..5 {
            put(&base.join("fd").join(descriptor.to_string()), "");
        }
        let root = ProcRoot::open(fake.path()).unwrap();
        let detail = root.detail(id(7, 100), &|_: &[u8]| "clean".to_owned(), at(5.0)).unwrap();
        assert_eq!(
            detail,
            Detail {
                command_line: "clean".into(),
                executable: Some("/usr/bin/node".into()),
                cgroup: Some("/system.slice/relay.service".into()),
                unit: Some("relay.service".into()),
                open_files: Some(5),
                uid: Some(8),
            }
        );
    }

    #[test]
    fn hybrid_control_groups_are_those_of_systemd() {
        let fake = FakeProc::new();
        fake.add(&Fake::new(7, 100, "x", &["x"]));
        let root = ProcRoot::open(fake.path()).unwrap();
        for (text, expected) in [
            ("0::/a.service\n", Some("/a.service")),
            ("5:cpu:/x\n1:name=systemd:/b.service\n0::/\n", Some("/b.service")),
            ("1:name=systemd:/b.service\n0::/c.service\n", Some("/c.service")),
            ("0::/\n", Some("/")),
            ("5:cpu:/x\n", None),
        ] {
            put(&fake.path().join("7/cgroup"), text);
            assert_eq!(root.cgroup(7).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_table_is_limited_counts_the_rest_and_tells_what_could_not_be_read() {
        let fake = FakeProc::new();
        for pid in 1..=10 {
            fake.add(&Fake::new(pid, 100, "x", &["x"]));
        }
        put(&fake.path().join("11/stat"), "garbage");
        std::fs::create_dir(fake.path().join("12")).unwrap();
        put(&fake.path().join("13x/stat"), "no process");
        let table = ProcRoot::open(fake.path()).unwrap().table(4, at(5.0)).unwrap();
        assert_eq!((table.processes.len(), table.total, table.unreadable), (4, 11, 1));
    }

    #[test]
    fn a_long_command_line_is_cut_after_it_was_cleaned() {
        let fake = FakeProc::new();
        let long = "ä".repeat(5_000);
        fake.add(&Fake::new(7, 100, "x", &["x", &long]));
        let root = ProcRoot::open(fake.path()).unwrap();
        let line = root.detail(id(7, 100), &plain, at(5.0)).unwrap().command_line;
        assert_eq!(line.len(), MAX_COMMAND_LINE_BYTES);
    }

    #[test]
    fn the_real_table_holds_this_process_and_its_child() {
        let root = ProcRoot::open("/proc").unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let now = Moment::now(wall);
        let table = root.table(MAX_TABLE, now).unwrap();
        let own = table.processes.iter().find(|process| process.identity.pid == std::process::id()).unwrap();
        assert!(own.resident_bytes > 100_000 && own.virtual_bytes >= own.resident_bytes && own.threads >= 2);
        let seen = table.processes.iter().find(|process| process.identity.pid == child.id()).unwrap().clone();
        assert_eq!(seen.ppid, std::process::id());
        let age_ms = now.realtime_ns / 1_000_000 - seen.started_ms;
        assert!((-20..10_000).contains(&age_ms), "{age_ms}");
        let detail = root.detail(own.identity, &plain, now).unwrap();
        assert_eq!(detail.executable.as_deref().map(std::path::Path::new), std::env::current_exe().ok().as_deref());
        assert!(detail.open_files.unwrap() >= 3 && detail.uid.is_some() && !detail.command_line.is_empty());
        child.kill().unwrap();
        // Not collected yet: a zombie.
        let zombie = loop {
            let process = root.stat(seen.identity, now).unwrap();
            if process.state == super::super::RunState::Zombie {
                break process;
            }
        };
        assert_eq!(root.detail(zombie.identity, &plain, now).unwrap().command_line, "");
        child.wait().unwrap();
        assert!(root.stat(seen.identity, now).unwrap_err().is_not_found());
    }
}
