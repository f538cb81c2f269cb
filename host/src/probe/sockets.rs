//! Who listens: the kernel's tables of sockets (proc_net(5)), and the processes that hold them by their open files.
//!
//! Owns the tables' format and the bounds of the search for owners. A socket's owner is found by looking at the open
//! files of every process, which takes root (or being that user) and time: it stops as soon as all are found, or at
//! its deadline, and what was not found has no owner.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Error, Result};

/// Listeners in one answer.
pub const MAX_LISTENERS: usize = 4096;

/// Bytes of one table that are read: 150 a socket, so some 400,000 sockets.
const MAX_TABLE_BYTES: u64 = 64 << 20;

/// How long owners are looked for.
const OWNERS_DEADLINE: Duration = Duration::from_millis(500);

/// TCP_LISTEN and TCP_CLOSE in include/net/tcp_states.h; a UDP socket without a peer is in the latter.
const LISTEN: &str = "0A";
const UNCONNECTED: &str = "07";

/// One that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `tcp`, `tcp6`, `udp`, `udp6`, `unix`.
    pub protocol: String,
    /// The local address, or a path.
    pub address: String,
    /// The process that holds it; of several the lowest.
    pub pid: Option<u32>,
    /// The name of that process.
    pub process: Option<String>,
    /// The user that made it, where the table says so.
    pub uid: Option<u32>,
}

/// All that listen in the network namespace of this process, or in that of `<proc>/1` where `proc` is another
/// machine's.
pub fn listening(proc: &Path) -> Result<Vec<Listener>> {
    let init = proc.join("1/net");
    let net = if proc != Path::new("/proc") && init.exists() { init } else { proc.join("net") };
    let mut found = Vec::new();
    let mut readable = false;
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        let state = if protocol.starts_with("tcp") { LISTEN } else { UNCONNECTED };
        readable |= each_line(&net.join(protocol), |line| {
            found.extend(internet(line, protocol, state));
            found.len() < MAX_LISTENERS
        })?;
    }
    readable |= each_line(&net.join("unix"), |line| {
        found.extend(unix(line));
        found.len() < MAX_LISTENERS
    })?;
    if !readable {
        return Err(Error::Unavailable(format!("`{}` tells of no sockets", net.display())));
    }
    find_owners(proc, &mut found);
    let mut listeners: Vec<Listener> = found.into_iter().map(|(listener, _)| listener).collect();
    listeners.sort_by(|a, b| (&a.protocol, &a.address, a.pid).cmp(&(&b.protocol, &b.address, b.pid)));
    Ok(listeners)
}

type Found = (Listener, u64);

/// Gives the lines of a table without its heading. False where there is no such table: IPv6 can be switched off.
fn each_line(path: &Path, mut take: impl FnMut(&str) -> bool) -> Result<bool> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::from_io(&path.display().to_string(), &error)),
    };
    let mut reader = BufReader::with_capacity(64 << 10, file.take(MAX_TABLE_BYTES));
    let mut line = Vec::new();
    let mut heading = true;
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(true),
            Ok(_) if std::mem::take(&mut heading) => {}
            // A path in the table of Unix sockets can hold any bytes.
            Ok(_) if !take(&String::from_utf8_lossy(&line)) => return Ok(true),
            Ok(_) => {}
            Err(error) => return Err(Error::from_io(&path.display().to_string(), &error)),
        }
    }
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`.
fn internet(line: &str, protocol: &str, state: &str) -> Option<Found> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != state {
        return None;
    }
    let address = address(fields[1])?;
    // Port 0 is a socket that was made and not bound.
    if address.port() == 0 {
        return None;
    }
    let listener = Listener {
        protocol: protocol.to_owned(),
        address: address.to_string(),
        pid: None,
        process: None,
        uid: fields.get(7)?.parse().ok(),
    };
    Some((listener, fields.get(9)?.parse().ok()?))
}

/// Words of 32 bits in the machine's own byte order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match host.len() {
        8 => Some((Ipv4Addr::from(word(0)?), port).into()),
        32 => {
            let mut bytes = [0; 16];
            for (n, quarter) in bytes.chunks_exact_mut(4).enumerate() {
                quarter.copy_from_slice(&word(n * 8)?);
            }
            Some((Ipv6Addr::from(bytes), port).into())
        }
        _ => None,
    }
}

/// `Num: RefCount Protocol Flags Type St Inode Path`. __SO_ACCEPTCON is 0x10000.
fn unix(line: &str) -> Option<Found> {
    let fields: Vec<&str> = line.trim_end_matches('\n').splitn(8, ' ').filter(|field| !field.is_empty()).collect();
    let [_, _, _, flags, _, _, rest @ ..] = fields.as_slice() else { return None };
    if u32::from_str_radix(flags, 16).ok()? & 0x1_0000 == 0 {
        return None;
    }
    // The inode is padded to a width of its own, so that splitting at single spaces may have left it with the path.
    let rest = rest.join(" ");
    let (inode, path) = rest.trim_start().split_once(' ')?;
    let address: String = path.chars().take(256).collect();
    let listener = Listener { protocol: "unix".to_owned(), address, pid: None, process: None, uid: None };
    Some((listener, inode.parse().ok()?))
}

fn find_owners(proc: &Path, found: &mut [Found]) {
    let mut wanted: HashMap<u64, Vec<usize>> = HashMap::new();
    for (n, (_, inode)) in found.iter().enumerate() {
        // 0 is a socket without a file, such as those of the kernel.
        if *inode != 0 {
            wanted.entry(*inode).or_default().push(n);
        }
    }
    let deadline = Instant::now() + OWNERS_DEADLINE;
    let Ok(entries) = fs::read_dir(proc) else { return };
    let mut pids: Vec<u32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    for pid in pids {
        if wanted.is_empty() || Instant::now() >= deadline {
            return;
        }
        let process: PathBuf = proc.join(pid.to_string());
        let Ok(files) = fs::read_dir(process.join("fd")) else { continue };
        let mut name = None;
        for file in files.flatten() {
            let Some(inode) = fs::read_link(file.path()).ok().and_then(|link| socket_inode(link.to_str()?)) else {
                continue;
            };
            let Some(places) = wanted.remove(&inode) else { continue };
            let name = name.get_or_insert_with(|| {
                fs::read_to_string(process.join("comm")).ok().map(|comm| comm.trim_end_matches('\n').to_owned())
            });
            for place in places {
                found[place].0.pid = Some(pid);
                found[place].0.process.clone_from(name);
            }
        }
    }
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::testing::put;

    #[test]
    fn the_tables_of_a_machine() {
        let dir = tempfile::tempdir().unwrap();
        let proc = dir.path();
        put(
            &proc.join("1/net/tcp"),
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   106        0 21 1 f 100 0 0 10 0\n   \
             1: 0100007F:0CEA 0100007F:9999 01 00000000:00000000 00:00000000 00000000   106        0 22 1 f 100 0 0 10 0\n",
        );
        put(
            &proc.join("1/net/tcp6"),
            "heading\n   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 23 1 f\n",
        );
        put(&proc.join("1/net/udp"), "heading\n 1: 00000000:0044 00000000:0000 07 0:0 0:0 0 0 0 24 2 f 0\n");
        put(
            &proc.join("1/net/unix"),
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             f: 00000002 00000000 00010000 0001 01 25 /run/a b.sock\n\
             f: 00000002 00000000 00010000 0001 01   260 @abstract\n\
             f: 00000003 00000000 00000000 0001 03 26 /run/connected\n",
        );
        put(&proc.join("77/comm"), "mysqld\n");
        std::fs::create_dir(proc.join("77/fd")).unwrap();
        std::os::unix::fs::symlink("socket:[21]", proc.join("77/fd/3")).unwrap();
        std::os::unix::fs::symlink("/dev/null", proc.join("77/fd/0")).unwrap();

        let found = listening(proc).unwrap();
        let shown: Vec<String> = found.iter().map(|one| format!("{} {}", one.protocol, one.address)).collect();
        assert_eq!(
            shown,
            ["tcp 127.0.0.1:3306", "tcp6 [::1]:22", "udp 0.0.0.0:68", "unix /run/a b.sock", "unix @abstract"]
        );
        assert_eq!((found[0].pid, found[0].process.as_deref(), found[0].uid), (Some(77), Some("mysqld"), Some(106)));
        assert_eq!(found[1].pid, None);
    }

    #[test]
    fn this_machine_shows_a_listener_of_ours_with_its_owner() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let found = listening(Path::new("/proc")).unwrap();
        let ours = found.iter().find(|one| one.address == address).expect("it listens");
        assert_eq!(ours.pid, Some(std::process::id()));
    }

    #[test]
    fn a_machine_without_tables_cannot_tell() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(listening(dir.path()), Err(Error::Unavailable(_))));
    }
}
