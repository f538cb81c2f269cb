//! What a snapshot says of the machine itself, and what configured commands answered at start.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::model::{HostInfo, Moment};

/// How long a command of `[host.versions]` may take.
const VERSION_DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of a command's answer that are kept.
const MAX_VERSION_BYTES: usize = 256;

/// What does not change while ghostd runs.
#[derive(Debug, Clone)]
pub struct HostFacts {
    id: String,
    hostname: String,
    os: String,
    kernel: String,
    versions: BTreeMap<String, String>,
}

impl HostFacts {
    /// The machine's name.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Looks at the machine whose root directory this is.
    pub fn gather(root: &Path) -> Self {
        let kernel = rustix::system::uname();
        let os = os_name(root).or_else(|| sysinfo::System::long_os_version().ok());
        Self {
            id: host_id(root),
            hostname: kernel.nodename().to_string_lossy().into_owned(),
            os: os.unwrap_or_else(|| kernel.sysname().to_string_lossy().into_owned()),
            kernel: kernel.release().to_string_lossy().into_owned(),
            versions: BTreeMap::new(),
        }
    }

    /// The same with the answers of configured commands.
    pub fn with_versions(self, versions: BTreeMap<String, String>) -> Self {
        Self { versions, ..self }
    }

    /// What a snapshot says, now, with the load average over 1, 5 and 15 minutes.
    pub fn at(&self, now: &Moment, load: (f64, f64, f64)) -> HostInfo {
        HostInfo {
            id: self.id.clone(),
            hostname: self.hostname.clone(),
            platform: std::env::consts::OS.to_owned(),
            os: self.os.clone(),
            kernel: self.kernel.clone(),
            arch: std::env::consts::ARCH.to_owned(),
            boot_id: now.boot_id.to_string(),
            uptime_seconds: (now.boottime_ns / 1_000_000) as f64 / 1e3,
            load_average: [load.0, load.1, load.2],
            ghostd_version: env!("CARGO_PKG_VERSION").to_owned(),
            versions: self.versions.clone(),
        }
    }
}

fn os_name(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join("etc/os-release")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches('"').to_owned())
}

/// Stable for an installation of the operating system, and not the machine id itself, which other programs use as a
/// secret of sorts (machine-id(5) asks for exactly this).
fn host_id(root: &Path) -> String {
    let machine_id = ["etc/machine-id", "var/lib/dbus/machine-id"]
        .iter()
        .find_map(|path| std::fs::read_to_string(root.join(path)).ok())
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    let mut hasher = Sha256::new();
    hasher.update(b"ghostd host id, version 1\n");
    hasher.update(machine_id.as_bytes());
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the commands of `[host.versions]`, all at once, and keeps the first line of each answer. One that fails or
/// takes too long has its reason in place of an answer.
pub fn versions(commands: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, String> {
    std::thread::scope(|scope| {
        let running: Vec<_> =
            commands.iter().map(|(name, argv)| (name.clone(), scope.spawn(move || version(argv)))).collect();
        running
            .into_iter()
            .map(|(name, thread)| (name, thread.join().unwrap_or_else(|_| "(failed)".to_owned())))
            .collect()
    })
}

fn version(argv: &[String]) -> String {
    let Some((program, arguments)) = argv.split_first() else { return "(no command)".to_owned() };
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return format!("(cannot run: {error})"),
    };
    let deadline = Instant::now() + VERSION_DEADLINE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return format!("(no answer within {} s)", VERSION_DEADLINE.as_secs());
            }
        }
    };
    // Some programs tell their version on standard error.
    let answer = first_bytes(child.stdout.take()).or_else(|| first_bytes(child.stderr.take())).unwrap_or_default();
    let text = String::from_utf8_lossy(&answer);
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => line.chars().filter(|c| !c.is_control()).collect(),
        None => format!("({status})"),
    }
}

/// What a child that has ended left in a pipe. Not waited for: a grandchild may hold the other end for ever.
fn first_bytes(pipe: Option<impl Read + std::os::fd::AsFd>) -> Option<Vec<u8>> {
    let mut pipe = pipe?;
    rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::NONBLOCK).ok()?;
    let mut bytes = vec![0; MAX_VERSION_BYTES];
    let read = pipe.read(&mut bytes).ok().filter(|read| *read > 0)?;
    bytes.truncate(read);
    Some(bytes)
}

/// Where Unix keeps the names of groups.
const GROUPS: &str = "/etc/group";

/// The number of a group that is named, or given as a number. An error says that there is none.
pub fn group_id(group: &str) -> Result<u32, String> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let groups = std::fs::read_to_string(GROUPS).map_err(|error| format!("`{GROUPS}` cannot be read: {error}"))?;
    // `name:password:gid:members`, group(5).
    let number = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then(|| fields.nth(1)?.parse().ok())?
    });
    number.ok_or_else(|| format!("there is no group `{group}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_first_lines_and_failures_say_so() {
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(version(&argv(&["sh", "-c", "echo v1.2; echo more"])), "v1.2");
        assert_eq!(version(&argv(&["sh", "-c", "echo on stderr >&2"])), "on stderr");
        assert!(version(&argv(&["/no/such/program"])).starts_with("(cannot run"));
        assert!(version(&argv(&["sh", "-c", "exit 3"])).contains('3'));
    }

    #[test]
    fn the_host_id_is_stable_and_not_the_machine_id() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a fixture")]
        std::fs::write(dir.path().join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        let id = host_id(dir.path());
        assert_eq!(id, host_id(dir.path()));
        assert_eq!(id.len(), 32);
        assert_ne!(id, "0123456789abcdef0123456789abcdef");
    }
}
