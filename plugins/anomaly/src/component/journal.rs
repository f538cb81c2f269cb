//! The system's journal as one more source. Each entry becomes the line that `journalctl -o short-iso` would print,
//! with its priority in front, so that it is judged by the same rules as a file's.

use crate::bytes::trim;
use crate::engine::{Call, Engine, Report};
use crate::prefilter::Prefilter;
use crate::scanner::{Options, Scanner};
use ghostd_sdk::host::journal;

/// The entries that one call of the host returns.
const ENTRIES: u32 = 1024;
/// So many calls in one capture; the rest is for the next.
const CALLS: u32 = 16;

/// Reads on in the journal. Where there is none, nothing is said: most machines that have none know it.
pub(super) fn read(engine: &mut Engine, report: &mut Report, call: &Call<'_>, redact: &mut dyn FnMut(&str) -> String) {
    if !engine.config().journal {
        return;
    }
    let mut scanner = Scanner::new(Prefilter::shared(), Options { recoveries: true, ..Options::default() }, 1);
    for _ in 0..CALLS {
        if (call.expired)() {
            return;
        }
        let entries = match journal::read(engine.cursor(), ENTRIES) {
            Ok(entries) => entries,
            Err(ghostd_sdk::Error::Unavailable(_)) => return,
            Err(error) => {
                report.outcome.warnings.push(format!("cannot read the journal: {error}"));
                return;
            }
        };
        let full = entries.len() as u64 >= u64::from(ENTRIES);
        let Some(last) = entries.last().map(|entry| entry.cursor.clone()) else { return };
        let mut events = Vec::new();
        let mut line = Vec::new();
        for entry in &entries {
            line.clear();
            write_line(entry, &mut line);
            report.outcome.read_bytes += line.len() as u64;
            scanner.feed(&line, &mut |event| events.push(event));
        }
        scanner.flush(&mut |event| events.push(event));
        engine.take("journal", events.into_iter(), report, redact);
        engine.set_cursor(last);
        if !full {
            return;
        }
    }
}

/// `<3>2026-11-21T12:00:00Z - unit[pid]: message`, continued lines indented.
fn write_line(entry: &journal::Entry, line: &mut Vec<u8>) {
    let field = |name: &str| entry.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let program = match field("SYSLOG_IDENTIFIER") {
        "" => field("_COMM"),
        program => program,
    };
    let time = ghostd_sdk::time::rfc3339(i64::try_from(entry.realtime_us / 1000).unwrap_or(i64::MAX));
    let priority = field("PRIORITY").parse::<u8>().unwrap_or(6).min(7);
    let mut lines = field("MESSAGE").lines();
    line.extend_from_slice(
        format!("<{priority}>{time} - {program}[{}]: {}\n", field("_PID"), lines.next().unwrap_or("")).as_bytes(),
    );
    for more in lines.filter(|more| !trim(more.as_bytes()).is_empty()) {
        line.extend_from_slice(b"    ");
        line.extend_from_slice(more.as_bytes());
        line.push(b'\n');
    }
}
