//! The parser of /proc/PID/stat (proc_pid_stat(5)).
//!
//! Owns the field numbers. The command name may hold spaces and parentheses, so it ends at the last one.

use super::super::units::Units;
use super::super::{Moment, NS_PER_MS};
use super::types::{Identity, Process, RunState};

/// PF_KTHREAD of include/linux/sched.h: the process is a thread of the kernel.
const PF_KTHREAD: u64 = 0x0020_0000;

/// Parses one line. None where it is not one.
pub(super) fn parse(line: &[u8], units: Units, now: Moment) -> Option<Process> {
    let open = line.iter().position(|&byte| byte == b'(')?;
    let close = line.iter().rposition(|&byte| byte == b')')?;
    let pid = number(line.get(..open)?.trim_ascii())?;
    let name = line.get(open + 1..close)?;
    let mut fields = line.get(close + 1..)?.split(|byte| byte.is_ascii_whitespace()).filter(|field| !field.is_empty());

    let state = run_state(*fields.next()?.first()?);
    let ppid = number(fields.next()?)?;
    // Fields 5 to 8: pgrp, session, tty_nr, tpgid.
    let flags = number(fields.nth(4)?)?;
    // Fields 10 to 13: page faults.
    let user_ticks = number(fields.nth(4)?)?;
    let system_ticks = number(fields.next()?)?;
    // Fields 16 to 19: children's times, priority, nice.
    let threads = number(fields.nth(4)?)?;
    // Field 21: itrealvalue.
    let start = number(fields.nth(1)?)?;
    let virtual_bytes = number(fields.next()?)?;
    let resident_pages = number(fields.next()?)?;

    let started_ns = now.boot_realtime_ns().saturating_add(i64::try_from(units.ticks_ns(start)).ok()?);
    Some(Process {
        identity: Identity { start, pid: u32::try_from(pid).ok()? },
        ppid: u32::try_from(ppid).ok()?,
        name: String::from_utf8_lossy(name).into_owned(),
        state,
        kernel: flags & PF_KTHREAD != 0,
        threads: u32::try_from(threads).ok()?,
        user_ms: units.ticks_ms(user_ticks),
        system_ms: units.ticks_ms(system_ticks),
        resident_bytes: resident_pages.saturating_mul(units.page_bytes),
        virtual_bytes,
        started_ms: started_ns.div_euclid(NS_PER_MS as i64),
    })
}

fn run_state(letter: u8) -> RunState {
    match letter {
        b'R' => RunState::Running,
        b'S' => RunState::Sleeping,
        b'D' => RunState::DiskSleep,
        b'T' => RunState::Stopped,
        b't' => RunState::Traced,
        b'Z' => RunState::Zombie,
        b'X' | b'x' => RunState::Dead,
        b'I' => RunState::Idle,
        _ => RunState::Other,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::at;
    use super::*;

    const UNITS: Units = Units { ticks_per_second: 100, page_bytes: 4096 };

    fn line(name: &str) -> String {
        format!(
            "4242 ({name}) T 17 4242 4242 34816 -1 4194304 500 0 3 0 250 75 1 2 20 0 9 0 123456 8192000 321 \
             18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        )
    }

    #[test]
    fn every_field_is_where_the_manual_says() {
        let process = parse(line("relayCore").as_bytes(), UNITS, at(2_000.0)).unwrap();
        assert_eq!(process.identity, Identity { start: 123_456, pid: 4242 });
        assert_eq!((process.ppid, process.threads, process.kernel), (17, 9, false));
        assert_eq!(process.state, RunState::Stopped);
        assert_eq!((process.user_ms, process.system_ms), (2_500, 750));
        assert_eq!((process.virtual_bytes, process.resident_bytes), (8_192_000, 321 * 4096));
        // Booted at 1,000,000 s, started 1,234.56 s later.
        assert_eq!(process.started_ms, 1_001_234_560);
    }

    #[test]
    fn names_with_spaces_parentheses_and_foreign_bytes_end_at_the_last_parenthesis() {
        for name in ["a b", "x) S 1 (y", ")", "((", ""] {
            assert_eq!(parse(line(name).as_bytes(), UNITS, at(1.0)).unwrap().name, name);
        }
        let mut raw = b"1 (\xff) ".to_vec();
        raw.extend_from_slice(line("").split_once(") ").unwrap().1.as_bytes());
        assert_eq!(parse(&raw, UNITS, at(1.0)).unwrap().name, "\u{fffd}");
    }

    #[test]
    fn kernel_threads_are_told_by_their_flag() {
        let kernel = line("watchdogd").replace(" 4194304 ", " 2129984 ");
        assert!(parse(kernel.as_bytes(), UNITS, at(1.0)).unwrap().kernel);
    }

    #[test]
    fn a_line_cut_anywhere_is_refused_and_not_misread() {
        let whole = line("x");
        let needed = whole.find(" 321 ").unwrap() + 2;
        for end in 0..needed {
            assert_eq!(parse(&whole.as_bytes()[..end], UNITS, at(1.0)), None, "{end}");
        }
        assert_eq!(parse(line("x").replace("123456", "99999999999999999999999").as_bytes(), UNITS, at(1.0)), None);
    }
}
