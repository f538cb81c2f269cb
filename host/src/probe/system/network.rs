//! Interfaces and sockets, as /proc/net tells them (proc_pid_net(5)).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::time::{Duration, Instant};

use super::sock_diag;
use super::types::{MAX_INTERFACES, NetworkInterface};

/// TCP states by the number that the kernel writes (include/net/tcp_states.h).
const STATES: [&str; sock_diag::STATES] = [
    "",
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "new-syn-recv",
];
/// How long sockets are counted one by one before the kernel's own sums have to do.
const DEADLINE: Duration = Duration::from_millis(200);
/// How much of /proc/net/unix is counted: 100 bytes a socket.
const MAX_UNIX_BYTES: u64 = 16 * 1024 * 1024;

/// The interfaces of /proc/net/dev. `state` gives the state of one.
pub(super) fn interfaces(dev: &str, state: impl Fn(&str) -> String) -> Vec<NetworkInterface> {
    dev.lines()
        .skip(2)
        .filter_map(|line| {
            let (name, figures) = line.rsplit_once(':')?;
            let name = name.trim();
            let figures: Vec<u64> = figures.split_whitespace().map_while(|figure| figure.parse().ok()).collect();
            let [received_bytes, received_packets, received_errors, received_drops, ..] = figures[..] else {
                return None;
            };
            let [sent_bytes, sent_packets, sent_errors, sent_drops, ..] = *figures.get(8..)? else { return None };
            Some(NetworkInterface {
                state: state(name),
                name: name.to_owned(),
                received_bytes,
                received_packets,
                received_errors,
                received_drops,
                sent_bytes,
                sent_packets,
                sent_errors,
                sent_drops,
            })
        })
        .take(MAX_INTERFACES)
        .collect()
}

/// The kernel's own sums, of /proc/net/sockstat and sockstat6.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    tcp_in_use: u64,
    tcp_orphan: u64,
    tcp_time_wait: u64,
    udp: u64,
}

impl Sums {
    pub(super) fn parse(sockstat: &str, sockstat6: Option<&str>) -> Self {
        let of = |text: &str, protocol: &str, word: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
            let mut words = line.unwrap_or_default().split_whitespace();
            words.find(|found| *found == word).and_then(|_| words.next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let six = sockstat6.unwrap_or_default();
        Self {
            tcp_in_use: of(sockstat, "TCP", "inuse") + of(six, "TCP6", "inuse"),
            tcp_orphan: of(sockstat, "TCP", "orphan"),
            tcp_time_wait: of(sockstat, "TCP", "tw"),
            udp: of(sockstat, "UDP", "inuse") + of(six, "UDP6", "inuse"),
        }
    }

    /// How many sockets a listing of all would show.
    pub(super) fn tcp_listed(&self) -> u64 {
        self.tcp_in_use + self.tcp_time_wait
    }

    pub(super) fn tcp(&self) -> Vec<(String, u64)> {
        [("in-use", self.tcp_in_use), ("orphan", self.tcp_orphan), ("time-wait", self.tcp_time_wait)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| (word.to_owned(), count))
            .collect()
    }

    pub(super) fn udp(&self) -> u64 {
        self.udp
    }
}

/// TCP sockets by state. None where counting takes too long, or nothing is to be read.
pub(super) fn tcp_states(files: [Option<File>; 2]) -> Option<Vec<(String, u64)>> {
    let end = Instant::now() + DEADLINE;
    let mut counts = [0u64; STATES.len()];
    let mut read = false;
    for file in files.into_iter().flatten() {
        read = true;
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        let mut line = Vec::new();
        for number in 0u64.. {
            line.clear();
            if reader.read_until(b'\n', &mut line).ok()? == 0 {
                break;
            }
            if number % 1024 == 1023 && Instant::now() > end {
                return None;
            }
            if let Some(count) = state_of(&line).and_then(|state| counts.get_mut(state)) {
                *count += 1;
            }
        }
    }
    read.then(|| named(&counts))
}

/// The states that any socket is in, with their names.
pub(super) fn named(counts: &[u64; sock_diag::STATES]) -> Vec<(String, u64)> {
    let told = STATES.iter().zip(counts).skip(1).filter(|(_, count)| **count > 0);
    told.map(|(state, count)| ((*state).to_owned(), *count)).collect()
}

/// The fourth field, in hexadecimal. The heading has none.
fn state_of(line: &[u8]) -> Option<usize> {
    let field = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).nth(3)?;
    usize::from_str_radix(std::str::from_utf8(field).ok()?, 16).ok()
}

/// Unix sockets of this namespace, by the table of protocols.
pub(super) fn unix_sockets(protocols: &str) -> Option<u64> {
    let rows = protocols.lines().filter(|line| line.starts_with("UNIX"));
    let counts: Vec<u64> = rows.filter_map(|row| row.split_whitespace().nth(2)?.parse().ok()).collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// Lines below the heading.
pub(super) fn count_lines(file: File) -> Option<u64> {
    let mut reader = BufReader::new(file.take(MAX_UNIX_BYTES));
    let mut lines = 0u64;
    loop {
        let buffer = reader.fill_buf().ok()?;
        if buffer.is_empty() {
            return Some(lines.saturating_sub(1));
        }
        lines += buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = buffer.len();
        reader.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::put;
    use super::*;

    #[test]
    fn interfaces_with_odd_names_are_read() {
        let dev = "Inter-|   Receive   |  Transmit\n face |bytes packets\n    lo: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n\
                   veth0@if3:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nbad: 1 2\n";
        let seen = interfaces(dev, |name| format!("state of {name}"));
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].name.as_str(), seen[0].received_bytes, seen[0].sent_packets), ("lo", 10, 2));
        let veth = &seen[1];
        assert_eq!((veth.name.as_str(), veth.received_bytes), ("veth0@if3", u64::MAX));
        assert_eq!((veth.received_errors, veth.received_drops, veth.sent_errors, veth.sent_drops), (3, 4, 11, 12));
        assert_eq!(veth.state, "state of veth0@if3");
    }

    #[test]
    fn the_kernels_sums_are_found_by_their_words() {
        let sums = Sums::parse(
            "sockets: used 200\nTCP: inuse 5 orphan 1 tw 7 alloc 20 mem 3\nUDP: inuse 4 mem 1\nUDPLITE: inuse 9\n",
            Some("TCP6: inuse 2\nUDP6: inuse 1\n"),
        );
        assert_eq!(sums, Sums { tcp_in_use: 7, tcp_orphan: 1, tcp_time_wait: 7, udp: 5 });
        assert_eq!(sums.tcp_listed(), 14);
        assert_eq!(Sums::parse("", None), Sums::default());
    }

    #[test]
    fn sockets_are_counted_by_state() {
        let directory = tempfile::tempdir().unwrap();
        let line = |state: &str| format!("   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:0 0 0\n");
        let heading = "  sl  local_address rem_address   st tx_queue\n";
        put(&directory.path().join("tcp"), format!("{heading}{}{}{}", line("0A"), line("01"), line("01")));
        put(&directory.path().join("tcp6"), format!("{heading}{}{}", line("06"), line("FF")));
        let open = |name: &str| File::open(directory.path().join(name)).ok();
        let count = |state: &str, count: u64| (state.to_owned(), count);
        assert_eq!(
            tcp_states([open("tcp"), open("tcp6")]).unwrap(),
            [count("established", 2), count("time-wait", 1), count("listen", 1)]
        );
        assert_eq!(tcp_states([None, None]), None);
        put(&directory.path().join("unix"), "Num RefCount\n1\n2\n3\n");
        assert_eq!(count_lines(open("unix").unwrap()), Some(3));
    }

    #[test]
    fn both_kinds_of_unix_sockets_are_summed() {
        let table = "protocol  size sockets  memory\nUNIX-STREAM 1024 30 -1\nUNIX 1024 12 -1\nTCP 2048 5 1\n";
        assert_eq!(unix_sockets(table), Some(42));
        assert_eq!(unix_sockets("TCP 2048 5 1\n"), None);
    }
}
