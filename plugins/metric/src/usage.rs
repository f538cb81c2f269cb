//! How much CPU each process had used at an earlier call, in little room.
//!
//! A process that is not in the base had used nothing then, or did not exist: its base is exactly 0. So
//! the many that never ran a whole tick cost nothing. Where the base was full, the rest had used at most
//! `floor`.
//!
//! As text `pid,start,milliseconds` in decimal, separated by spaces: a tenth of the JSON of the same,
//! and nothing that a search for secrets could take for one.

use std::collections::HashMap;

use ghostd_sdk::host::processes::{Identity, Process};

use crate::rate::Moment;

/// The most processes in a base: the worst case of 8,192 times 53 bytes stays below the 512 KiB that a
/// collector may store.
pub(crate) const MAX_ENTRIES: usize = 8_192;

/// CPU used by process until a moment.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// When it was taken.
    pub(crate) moment: Moment,
    used_ms: HashMap<Identity, u64>,
    /// What a process that is not in a full base can have used at most.
    floor_ms: u64,
    /// The newest start among all processes of then: whoever started later had used nothing.
    newest_start: u64,
}

impl Usage {
    /// Of a table read now, as the text to store. Of too many processes those that used least go.
    #[must_use]
    pub(crate) fn encode(moment: &Moment, processes: &[Process]) -> String {
        let newest_start = processes.iter().map(|process| process.identity.start).max().unwrap_or(0);
        let mut used: Vec<(u64, Identity)> = processes
            .iter()
            .map(|process| (cpu_ms(process), process.identity))
            .filter(|(used_ms, _)| *used_ms > 0)
            .collect();
        let mut floor_ms = 0;
        if used.len() > MAX_ENTRIES {
            used.select_nth_unstable_by(MAX_ENTRIES, |a, b| b.cmp(a));
            floor_ms = used.get(MAX_ENTRIES).map_or(0, |(used_ms, _)| *used_ms);
            used.truncate(MAX_ENTRIES);
        }
        let mut text = format!("{} {} {newest_start} {floor_ms}", moment.boot_id, moment.boottime_ns);
        for (used_ms, Identity { pid, start }) in used {
            text.push_str(&format!(" {pid},{start},{used_ms}"));
        }
        text
    }

    /// From the text that was stored. None where it is not such a text, in whole or in part: a wrong base
    /// would make a wrong rate.
    #[must_use]
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let moment = Moment { boot_id: words.next()?.to_owned(), boottime_ns: words.next()?.parse().ok()? };
        let newest_start = words.next()?.parse().ok()?;
        let floor_ms = words.next()?.parse().ok()?;
        let used_ms = words.map(decode_entry).collect::<Option<HashMap<_, _>>>()?;
        Some(Self { moment, used_ms, floor_ms, newest_start })
    }

    /// What a process has used since; where the base was full, at least.
    #[must_use]
    pub(crate) fn since(&self, process: &Process) -> u64 {
        let base_ms = match self.used_ms.get(&process.identity) {
            Some(used_ms) => *used_ms,
            None if process.identity.start <= self.newest_start => self.floor_ms,
            None => 0,
        };
        cpu_ms(process).saturating_sub(base_ms)
    }
}

/// User and system time of a process since its start, in milliseconds.
#[must_use]
pub(crate) fn cpu_ms(process: &Process) -> u64 {
    process.user_ms.saturating_add(process.system_ms)
}

fn decode_entry(word: &str) -> Option<(Identity, u64)> {
    let mut parts = word.split(',');
    let identity = Identity { pid: parts.next()?.parse().ok()?, start: parts.next()?.parse().ok()? };
    let used_ms = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((identity, used_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::tests::process;

    fn moment() -> Moment {
        Moment { boot_id: "boot".to_owned(), boottime_ns: 77 }
    }

    fn round_trip(processes: &[Process]) -> Usage {
        Usage::decode(&Usage::encode(&moment(), processes)).unwrap()
    }

    #[test]
    fn what_is_not_in_the_base_had_used_nothing() {
        let usage = round_trip(&[process(1, 10, 5_000), process(2, 20, 0)]);
        assert_eq!(usage.moment, moment());
        assert_eq!(usage.since(&process(1, 10, 5_300)), 300);
        assert_eq!(usage.since(&process(2, 20, 40)), 40, "idle until then");
        assert_eq!(usage.since(&process(3, 30, 50)), 50, "newer");
        assert_eq!(usage.since(&process(1, 99, 60)), 60, "another process with the pid of one that ended");
        assert_eq!(usage.since(&process(1, 10, 4_000)), 0, "backwards");
    }

    #[test]
    fn a_full_base_never_makes_too_much_of_a_process() {
        let many: Vec<Process> = (1..=20_000).map(|pid| process(pid, u64::from(pid), u64::from(pid))).collect();
        let usage = round_trip(&many);
        assert_eq!(usage.used_ms.len(), MAX_ENTRIES);
        assert_eq!(usage.since(&process(20_000, 20_000, 20_007)), 7, "kept");
        let dropped = process(5, 5, 105);
        assert_eq!(usage.since(&dropped), 0, "used at least this much, and not 105");
        let grown = usage.since(&process(5, 5, 50_005));
        assert!(grown <= 50_000 && grown > 30_000, "{grown}");
        assert_eq!(usage.since(&process(20_001, 20_001, 105)), 105, "newer than the base");
    }

    #[test]
    fn the_fullest_base_fits_into_the_quota() {
        let largest: Vec<Process> =
            (0..9_000).map(|pid| process(u32::MAX - pid, u64::MAX - 1, u64::MAX - u64::from(pid))).collect();
        let text = Usage::encode(&moment(), &largest);
        assert!(text.len() < 450 * 1024, "{}", text.len());
    }

    #[test]
    fn a_damaged_text_is_no_base() {
        for text in ["", "boot", "boot 1 2", "boot 1 2 3 4,5", "boot 1 2 3 4,5,6,7", "boot 1 2 3 4,[REDACTED:x],6"] {
            assert!(Usage::decode(text).is_none(), "{text}");
        }
    }
}
