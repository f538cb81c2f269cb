//! One question: is this line an anomaly, and how bad is it?
//!
//! The order is that in which people read: what the level says decides; where there is none, structured fields; then
//! an access log's status; then what the words say. What needs no level (a kernel report, a stack trace, the OOM
//! killer) also counts under a syslog priority, which is often the transport's default, but never against a level
//! that the program itself wrote: an info line that quotes an error is an info line.
//!
//! It knows nothing of files, of events of several lines, or of time.

mod access;
pub(crate) mod fields;
pub mod header;
mod words;

pub use header::{Header, Source};

use crate::bytes::find_byte;
use crate::event::join::opens_trace;
use crate::severity::{Level, Severity};

/// What sort of thing a line is; decides how the lines after it are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line like others.
    Line,
    /// The first line of a report of the kernel.
    Kernel,
    /// The first line of a stack trace or of a runtime's panic.
    Trace,
    /// A failed login.
    Login,
    /// A line of an access log.
    Access,
    /// Something that was wrong is over.
    Recovery,
}

/// What is said of one line.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// How bad it is; `None` for a line that is of no interest.
    pub severity: Option<Severity>,
    /// The level, as far as one is stated.
    pub level: Option<Level>,
    /// What sort of line it is.
    pub kind: Kind,
    /// Whether it needs no level: a report of the kernel, a trace, a signal.
    pub certain: bool,
    /// The head of the line.
    pub header: Header,
}

impl Verdict {
    /// Whether the line is an anomaly: medium or worse.
    pub fn is_anomaly(&self) -> bool {
        self.severity >= Some(Severity::Medium)
    }
}

/// How many lines may be wrapped in each other: docker's JSON around an application's JSON around its text.
const MAX_NESTING: u32 = 3;

/// Judges `line`, which has neither line end nor terminal escapes (see [`plain`]).
pub fn classify(line: &[u8]) -> Verdict {
    classify_headed(line, header::parse(line))
}

/// The same for a line whose head was read before.
pub(crate) fn classify_headed(line: &[u8], header: Header) -> Verdict {
    nested(line, header, MAX_NESTING)
}

/// `line` without its line end and without terminal escapes, using `scratch` only where there are any.
pub fn plain<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let mut line = line;
    while let [rest @ .., b'\n' | b'\r'] = line {
        line = rest;
    }
    line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if find_byte(line, 0x1b).is_none() {
        return line;
    }
    scratch.clear();
    let mut at = 0;
    while let Some(&b) = line.get(at) {
        at += 1;
        if b != 0x1b {
            scratch.push(b);
            continue;
        }
        // CSI sequences end with a letter; others are the escape and one byte.
        if line.get(at) == Some(&b'[') {
            at += 1;
            while line.get(at).is_some_and(|b| !(0x40..=0x7e).contains(b)) {
                at += 1;
            }
        }
        at += 1;
    }
    scratch
}

fn nested(line: &[u8], header: Header, depth: u32) -> Verdict {
    let stated = header.level;
    let program = &line[header.program.clone()];
    let kernel = program.eq_ignore_ascii_case(b"kernel") || line.first() == Some(&b'[') || line.starts_with(b"kern");
    if let Some((level, Source::Text)) = stated {
        return levelled(line, header, level, kernel);
    }
    let rest = line[header.message..].trim_ascii_start();
    let inner = [rest, line].into_iter().find(|text| text.first() == Some(&b'{')).and_then(fields::json);
    if let Some(fields) = inner {
        return structured(&fields, header, depth);
    }
    if let Some(level) = fields::logfmt_level(&line[header.message..]) {
        return Verdict { severity: level.severity(), level: Some(level), kind: Kind::Line, certain: false, header };
    }
    if let Some(severity) = access::status(line) {
        return Verdict { severity, level: None, kind: Kind::Access, certain: false, header };
    }
    let message = &line[header.message..];
    let pairs = if fields::begins_pairs(message) { fields::logfmt_message(line) } else { None };
    let found = match pairs {
        // What needs no level is one also in another field than the message's.
        Some(pairs) => words::judge(pairs, 0, kernel)
            .or_else(|| words::judge(line, header.message, kernel).filter(|found| found.certain)),
        None => words::judge(line, header.message, kernel),
    };
    let certain = found.is_some_and(|f| f.certain);
    let kind = found.map_or(Kind::Line, |f| f.kind);
    let level = stated.map(|(level, _)| level);
    let severity = match (level, found) {
        (Some(level), Some(found)) if found.certain => level.severity().max(Some(found.severity)),
        (Some(level), _) => level.severity(),
        (None, Some(found)) if found.kind != Kind::Recovery => Some(found.severity),
        (None, _) => None,
    };
    Verdict { severity, level, kind, certain, header }
}

/// A line whose level the program wrote itself. It may still begin a trace or report a recovery, and the kernel's
/// `INFO:` and `WARNING:` are the beginnings of reports and no levels.
fn levelled(line: &[u8], header: Header, level: Level, kernel: bool) -> Verdict {
    let message = &line[header.message..];
    let message = &message[..message.len().min(512)];
    let (mut severity, mut kind, mut certain) = (level.severity(), Kind::Line, false);
    if level >= Level::Error {
        // A tag may stand before what opens a trace: `AndroidRuntime: FATAL EXCEPTION: main`.
        let tail = crate::bytes::find(message, b": ").map_or(message, |at| &message[at + 2..]);
        let opens = |text: &[u8]| opens_trace(text) || crate::bytes::starts_fold(text, b"fatal exception");
        if opens(message) || opens(tail) {
            kind = Kind::Trace;
        }
    } else if kernel {
        let whole = &line[header.message_from..];
        if let Some(found) = words::judge(whole, 0, true).filter(|found| found.certain) {
            (severity, kind, certain) = (severity.max(Some(found.severity)), found.kind, true);
        }
    } else if words::judge(message, 0, false).is_some_and(|found| found.kind == Kind::Recovery) {
        kind = Kind::Recovery;
    }
    Verdict { severity, level: Some(level), kind, certain, header }
}

/// The verdict on a JSON line.
fn structured(fields: &fields::Fields<'_>, header: Header, depth: u32) -> Verdict {
    let mut scratch = Vec::new();
    let inner = match fields.message {
        Some(message) if depth > 0 && (fields.level.is_none() || fields.by_priority) => {
            fields::unescape(&message[..message.len().min(4096)], &mut scratch);
            let mut bare = Vec::new();
            let line = plain(&scratch, &mut bare);
            Some(nested(line, header::parse(line), depth - 1))
        }
        _ => None,
    };
    let stated = fields.level.or(header.level.map(|(level, _)| level));
    let said = inner.as_ref().and_then(|v| v.severity);
    let own = inner.as_ref().and_then(|v| v.level);
    let certain = inner.as_ref().is_some_and(|v| v.certain);
    let kind = inner.as_ref().map_or(Kind::Line, |v| v.kind);
    let severity = match stated {
        // journald gives 6 to whatever a service prints: what the line itself states says more.
        Some(level) if level < Level::Error && (own.is_some() || certain) => level.severity().max(said),
        Some(level) => level.severity(),
        None => {
            let failed = fields.error || fields.status.is_some_and(|s| (500..600).contains(&s));
            if own.is_none() && failed { said.max(Some(Severity::Medium)) } else { said }
        }
    };
    Verdict { severity, level: stated.or(own), kind, certain, header }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(line: &str) -> Option<Severity> {
        let mut scratch = Vec::new();
        classify(plain(line.as_bytes(), &mut scratch)).severity
    }

    #[test]
    fn the_level_decides_where_there_is_one() {
        for line in [
            "2024-01-02 03:04:05,123 INFO [main] a.b.C: Failed to reach x: java.io.IOException: error",
            "I0102 03:04:05.678901   12345 file.go:12] error: nothing",
            "ts=2024 level=info msg=\"error while\" err=boom",
            r#"{"level":30,"msg":"an error occurred","err":{"message":"x"}}"#,
            r#"10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /error/failed HTTP/1.0" 200 2326 "-" "crash error""#,
            "03-17 16:13:38.811  1702  2395 I chatty: uid=1000 error",
            "\u{1b}[32m INFO\u{1b}[0m starting, error reporting on",
        ] {
            assert_eq!(severity(line), None, "{line}");
        }
        assert_eq!(severity("2024-01-02T03:04:05Z \u{1b}[31mERROR\u{1b}[0m app: x"), Some(Severity::High));
        assert_eq!(severity("2024-01-02 03:04:05,123 WARN  [main] a.b.C: failed"), Some(Severity::Low));
    }

    #[test]
    fn lines_within_lines_are_read() {
        assert_eq!(severity(r#"{"log":"2024-01-02 ERROR boom\n","stream":"stderr","time":"x"}"#), Some(Severity::High));
        assert_eq!(
            severity(r#"{"log":"{\"level\":\"error\",\"msg\":\"x\"}\n","stream":"stdout"}"#),
            Some(Severity::High)
        );
        assert_eq!(severity(r#"Jan  2 03:04:05 host app[1]: {"level":"error","msg":"x"}"#), Some(Severity::High));
        assert_eq!(severity(r#"{"PRIORITY":"6","MESSAGE":"level=error msg=x"}"#), Some(Severity::High));
        assert_eq!(severity(r#"{"PRIORITY":"6","MESSAGE":"this failed"}"#), None);
    }

    #[test]
    fn an_access_log_counts_by_its_status() {
        let line = r#"10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 502 150 "-" "-""#;
        assert_eq!(severity(line), Some(Severity::Medium));
    }

    #[test]
    fn what_needs_no_level_beats_a_priority() {
        assert_eq!(
            severity("<6>[  12.345678] foo[1]: segfault at 0 ip 0"),
            None.max(severity("<6>[  12.345678] foo[1]: segfault at 0 ip 0"))
        );
        assert_eq!(severity("<6>Jan  2 03:04:05 h kernel: Out of memory: Killed process 1"), Some(Severity::Critical));
        assert_eq!(severity("<6>Jan  2 03:04:05 h app: it failed"), None);
    }
}
