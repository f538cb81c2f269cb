//! The innermost cause an event names: the last `Caused by:` of Java, the first exception of a chain in Python, the
//! instruction pointer of a kernel report, the line itself for a panic.

use super::MAX_CAUSE_BYTES;
use super::join::{Context, exception_line};
use crate::bytes::{find, starts_fold, trim};
use crate::classify::{Header, Kind};

/// What the first line itself names as a cause.
pub(super) fn first(line: &[u8], header: &Header, kind: Kind) -> Option<String> {
    let message = trim(line.get(header.message..).unwrap_or(line));
    if kind == Kind::Trace && exception_line(message) {
        return Some(text(message));
    }
    None
}

/// Looks at a line that joined.
pub(super) fn update(cause: &mut Option<String>, line: &[u8], context: &Context) {
    let line = trim(line);
    // Behind a head, if there is one: a cause stands at the end of a line as well as at its start.
    for mark in [&b"Caused by: "[..], b"---> ", b"[cause]: "] {
        if let Some(at) = find(line, mark) {
            *cause = Some(text(&line[at + mark.len()..]));
            return;
        }
    }
    if let Some(at) = find(line, b"RIP: ").or_else(|| find(line, b"EIP: ")) {
        cause.get_or_insert_with(|| text(&line[at..]));
        return;
    }
    if cause.is_none() && context.in_trace() {
        // Behind a syslog tag: the last `: ` before a class name cannot be known, so every start is tried.
        let starts =
            std::iter::once(0).chain(line.windows(2).enumerate().filter(|(_, w)| *w == b": ").map(|(i, _)| i + 2));
        for start in starts.take(8) {
            if exception_line(&line[start..]) && !starts_fold(&line[start..], b"process:") {
                *cause = Some(text(&line[start..]));
                return;
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_CAUSE_BYTES)]).trim().to_owned()
}
