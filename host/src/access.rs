//! Who asked ghostd for what, as the audit log has it.
//!
//! A dashboard asks several times a minute for weeks, and somebody who guesses tokens asks a thousand times a second:
//! neither may fill the log, and neither may be missing from it. So what changes something, and the first refusals of
//! a minute, have a line of their own; everything else is counted, and a minute of it is one line for each who, what
//! and outcome.
//!
//! Owns: which accesses become which lines. Must not know: who serves them, where the log is. Texts must have been
//! sanitized, and the address of a request is its route, never what stood in it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

/// How long accesses of one kind are counted before they become a line.
pub const COUNTED_FOR: Duration = Duration::from_secs(60);
/// Refusals that have a line of their own within [`COUNTED_FOR`]. Guessing tokens must not fill the disk.
const REFUSALS_AT_ONCE: u32 = 20;
/// Kinds that are counted at a time; one more, and all of them are written. It bounds memory.
const MAX_KINDS: usize = 256;
/// Longer texts are cut: whoever asks chooses them.
const MAX_TEXT_CHARS: usize = 120;

/// The operation of a line for what was answered.
pub const ACCESS: &str = "access";
/// The operation of a line for what was refused.
pub const REFUSED: &str = "refused";

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whose token, or which user; empty where nobody is known.
    pub who: String,
    /// From where: an address without its port, or `socket`.
    pub from: String,
    /// What was asked for: method and route, `GET /api/v1/snapshots/{id}`.
    pub what: String,
    /// The status of the answer, as HTTP has it.
    pub status: u16,
    /// Whether it was turned away: no token, a wrong one, a foreign origin, too often.
    pub refused: bool,
    /// Whether it changed something.
    pub changes: bool,
}

/// A line that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLine {
    /// [`ACCESS`] or [`REFUSED`].
    pub operation: &'static str,
    /// What it says.
    pub data: Json,
}

type Kind = (String, String, String, u16, bool);

/// What was asked and is not written yet.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<Kind, u64>,
    since_ns: u64,
    refusals: u32,
}

impl Tally {
    /// Takes one in, and gives the lines that are due with it. `now_ns` is BOOTTIME.
    pub fn hear(&mut self, access: Access, now_ns: u64) -> Vec<AccessLine> {
        let mut lines = self.due(now_ns);
        if self.counts.is_empty() && self.refusals == 0 {
            self.since_ns = now_ns;
        }
        let at_once = access.changes || (access.refused && self.refusals < REFUSALS_AT_ONCE);
        self.refusals += u32::from(access.refused && at_once);
        let kind: Kind = (cut(&access.who), cut(&access.from), cut(&access.what), access.status, access.refused);
        if at_once {
            lines.push(line(&kind, 1));
            return lines;
        }
        if self.counts.len() >= MAX_KINDS && !self.counts.contains_key(&kind) {
            lines.extend(self.flush());
        }
        *self.counts.entry(kind).or_default() += 1;
        lines
    }

    /// The lines of what was counted for long enough.
    pub fn due(&mut self, now_ns: u64) -> Vec<AccessLine> {
        let counted_for = u64::try_from(COUNTED_FOR.as_nanos()).unwrap_or(u64::MAX);
        if now_ns.saturating_sub(self.since_ns) < counted_for {
            return Vec::new();
        }
        self.refusals = 0;
        self.flush()
    }

    /// The lines of all that was counted.
    pub fn flush(&mut self) -> Vec<AccessLine> {
        std::mem::take(&mut self.counts).iter().map(|(kind, count)| line(kind, *count)).collect()
    }
}

fn line((who, from, what, status, refused): &Kind, count: u64) -> AccessLine {
    let data = json!({ "who": who, "from": from, "what": what, "status": status, "count": count });
    AccessLine { operation: if *refused { REFUSED } else { ACCESS }, data }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn get(what: &str) -> Access {
        Access {
            who: "ada".to_owned(),
            from: "127.0.0.1".to_owned(),
            what: format!("GET {what}"),
            status: 200,
            refused: false,
            changes: false,
        }
    }

    fn counts(lines: &[AccessLine]) -> Vec<(&'static str, u64)> {
        lines.iter().map(|line| (line.operation, line.data["count"].as_u64().unwrap())).collect()
    }

    #[test]
    fn a_minute_of_the_same_is_one_line() {
        let mut tally = Tally::default();
        for second in 0..60 {
            assert_eq!(tally.hear(get("/status"), (100 + second) * S), vec![], "{second}");
        }
        let lines = tally.hear(get("/status"), 160 * S);
        assert_eq!(counts(&lines), [(ACCESS, 60)]);
        assert_eq!(counts(&tally.due(219 * S)), []);
        assert_eq!(counts(&tally.due(220 * S)), [(ACCESS, 1)]);
    }

    #[test]
    fn a_change_and_a_refusal_are_lines_at_once_and_a_flood_is_counted() {
        let mut tally = Tally::default();
        let change = Access { changes: true, ..get("/snapshots") };
        assert_eq!(counts(&tally.hear(change, S)), [(ACCESS, 1)]);
        let refused = Access { refused: true, status: 401, who: String::new(), ..get("/status") };
        let lines: Vec<AccessLine> = (0..1_000).flat_map(|_| tally.hear(refused.clone(), 2 * S)).collect();
        assert_eq!(lines.len(), 20);
        assert_eq!(counts(&tally.due(70 * S)), [(REFUSED, 980)]);
        assert_eq!(counts(&tally.hear(refused, 71 * S)), [(REFUSED, 1)]);
    }

    #[test]
    fn memory_is_bounded_whatever_is_asked() {
        let mut tally = Tally::default();
        let total: usize = (0..10_000).map(|n| tally.hear(get(&format!("/{n}{}", "x".repeat(900))), S).len()).sum();
        assert!(tally.counts.len() <= MAX_KINDS);
        assert_eq!(total + tally.counts.len(), 10_000);
        assert!(tally.counts.keys().all(|kind| kind.2.chars().count() <= MAX_TEXT_CHARS));
    }
}
