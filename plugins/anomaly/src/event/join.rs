//! Which line belongs to the event before it.
//!
//! Three things join: what is indented, what reads like a stack trace (each language has its words), and, where
//! entries begin with a timestamp, what does not. Where every line has a head of its own (syslog, journald, Android,
//! containers) the same is asked of what stands behind the head, if program and container are the same.

use crate::bytes::{find, find_byte, starts_fold, trim};
use crate::classify::{Header, Kind, Verdict, header};
use serde::{Deserialize, Serialize};

/// What is remembered of an open event. Small enough to be kept across restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Entries of this log begin with a timestamp.
    timed: bool,
    /// How far the first line was indented.
    indent: usize,
    /// The program that wrote it, where there is one.
    program: String,
    /// A stack trace is being read.
    trace: bool,
    /// A report of the kernel is being read.
    kernel: bool,
    /// The last kernel time stamp, in microseconds.
    kernel_us: Option<u64>,
    /// A Python traceback said its last word.
    concluded: bool,
    /// Rust's panic message stands on the line after the place.
    message_follows: bool,
    /// Go's frames: an unindented line with a call, then an indented one with its place.
    go: bool,
    /// Lines that were joined.
    joined: u32,
    /// The last line was a frame of Java's or .NET's: what follows is another, a cause, or something else.
    #[serde(default)]
    framed: bool,
    /// Empty lines that joined only if something follows.
    blank: u32,
    /// What wraps each line: see [`unwrap`].
    #[serde(default)]
    wrap: String,
    /// The hash of the first line's head, where the level is an error: a logger that writes a trace line by line
    /// begins each with the same.
    #[serde(default)]
    head: u64,
}

/// What is to be done with a line.
#[derive(Debug)]
pub(crate) enum Step {
    /// It belongs to the event; `trace` if it is a frame of a stack trace or the like.
    Join { trace: bool },
    /// An empty line: nobody knows yet.
    Perhaps,
    /// A line of its own; its head, if it was read.
    End(Option<Header>),
}

/// More lines than any event has; what comes then is a log in a shape that is not understood here.
const MAX_TRACE_LINES: u32 = 10_000;
/// The same for lines that join only because they have no timestamp.
const MAX_PLAIN_LINES: u32 = 300;
/// Empty lines within a trace.
const MAX_BLANK_LINES: u32 = 2;
/// Lines of one kernel report follow each other within this time.
const KERNEL_GAP_US: u64 = 50_000;
/// Lines of a kernel report that does not say where it ends.
const MAX_KERNEL_LINES: u32 = 400;

impl Context {
    pub(crate) fn new(line: &[u8], verdict: &Verdict) -> Self {
        let mut scratch = Vec::new();
        let (wrap, inner) = unwrap(line, &mut scratch);
        if !wrap.is_empty() {
            // Each line is a record of its own there: only what reads like a continuation joins.
            let header = Header { has_time: false, ..header::parse(inner) };
            return Self { wrap, ..Self::bare(inner, &header, verdict) };
        }
        Self::bare(line, &verdict.header, verdict)
    }

    fn bare(line: &[u8], head: &Header, verdict: &Verdict) -> Self {
        let message = message_of(line, head);
        Self {
            timed: head.has_time,
            head: head_hash(line, head),
            indent: indent(line),
            program: program(line, head),
            trace: verdict.kind == Kind::Trace,
            kernel: verdict.kind == Kind::Kernel,
            kernel_us: kernel_time(line),
            message_follows: find(line, b"panicked at ").is_some() && trim(line).ends_with(b":"),
            go: trim(message).starts_with(b"panic:")
                || trim(message).starts_with(b"fatal error:")
                || starts_goroutine(message),
            ..Self::default()
        }
    }

    /// Whether the event is a trace of Python that may be followed by the exception it caused.
    pub(crate) fn in_trace(&self) -> bool {
        self.trace
    }

    /// Whether nothing joined so far.
    pub(crate) fn is_fresh(&self) -> bool {
        self.joined == 0 && self.blank == 0
    }

    /// Notes a line that is known to belong.
    pub(crate) fn take(&mut self, line: &[u8]) {
        if !trim(line).is_empty() {
            self.joined += 1;
            self.concluded |= exception_line(line);
            self.trace = true;
        }
    }

    pub(crate) fn step(&mut self, line: &[u8]) -> Step {
        let mut scratch = Vec::new();
        let (wrap, inner) = unwrap(line, &mut scratch);
        if wrap != self.wrap {
            return Step::End(None);
        }
        if wrap == "#" && self.joined < MAX_PLAIN_LINES {
            self.joined += 1;
            return Step::Join { trace: false };
        }
        let step = self.step_bare(inner);
        // The head that was read is the inner line's.
        if self.wrap.is_empty() || !matches!(step, Step::End(_)) { step } else { Step::End(None) }
    }

    fn step_bare(&mut self, line: &[u8]) -> Step {
        if trim(line).is_empty() {
            self.blank += 1;
            let most = if self.trace || self.kernel { MAX_BLANK_LINES } else { 1 };
            return if self.blank <= most { Step::Perhaps } else { Step::End(None) };
        }
        let step = self.judge(line);
        if let Step::Join { trace } = step {
            self.framed = trim(line).starts_with(b"at ") || trim(line).starts_with(b"... ");
            self.joined += 1;
            self.trace |= trace;
            self.blank = 0;
        }
        step
    }

    fn judge(&mut self, line: &[u8]) -> Step {
        let limit = if self.trace { MAX_TRACE_LINES } else { MAX_PLAIN_LINES };
        if self.joined >= limit {
            return Step::End(None);
        }
        if std::mem::take(&mut self.message_follows) {
            return Step::Join { trace: true };
        }
        // What is indented further than the first line belongs to it, unless it is an entry that happens to be.
        let own = indent(line);
        if own > self.indent {
            let inner = &line[own..];
            if looks_like_frame(inner) {
                return Step::Join { trace: true };
            }
            if self.blank > 0 && !self.trace && self.timed {
                return Step::End(None);
            }
            if !inner[0].is_ascii_digit() || !header::starts_entry(inner) {
                return Step::Join { trace: false };
            }
        }
        let head = header::parse(line);
        if head.continues {
            return Step::Join { trace: false };
        }
        if self.kernel {
            return self.kernel_step(line, head);
        }
        if !head.has_time && head.body == 0 && head.program.is_empty() {
            return self.bare_step(line, head);
        }
        // A line with a head: the same question behind the head, if the same program speaks.
        let message = message_of(line, &head);
        let reads_so = |message: &[u8]| {
            opens_trace(trim(message))
                || find(message, b"Traceback (most recent").is_some()
                || find(message, b"File \"").is_some()
        };
        if self.head != 0 && (self.trace || reads_so(message)) && head_hash(line, &head) == self.head {
            return Step::Join { trace: true };
        }
        let code = self.program == "kernel" && self.joined == 0 && program(line, &head) == self.program;
        if code && find(&line[..line.len().min(96)], b" Code: ").is_some() {
            return Step::Join { trace: false };
        }
        let same = program(line, &head) == self.program
            && !(head.body == 0 && self.program.is_empty() && head.level.is_none());
        if same {
            let own = indent(message);
            if looks_like_frame(trim(message)) && (own > 1 || self.trace || self.joined == 0) {
                return Step::Join { trace: true };
            }
            if self.trace && (own > 1 || self.joins_trace(trim(message))) {
                return Step::Join { trace: true };
            }
            if own > 2 && head.level.is_none_or(|(level, _)| level >= crate::severity::Level::Error) {
                return Step::Join { trace: false };
            }
        }
        Step::End(Some(head))
    }

    /// A line without timestamp, program or container.
    fn bare_step(&mut self, line: &[u8], head: Header) -> Step {
        if line.starts_with(b"{\"") {
            return Step::End(Some(head));
        }
        // Node's own warnings: `(node:811) …`.
        if line.starts_with(b"(node:") {
            return Step::End(Some(head));
        }
        if looks_like_frame(line) || self.trace && self.joins_trace(line) {
            return Step::Join { trace: true };
        }
        if opens_trace(line) {
            // A runtime's last words stand on their own; a trace that a logger printed belongs to the logger's line.
            let logged = self.joined == 0 && !self.trace && starts_fold(line, b"traceback");
            return if logged && self.timed
                || self.trace && self.blank == 0 && !self.concluded && starts_fold(line, b"traceback")
            {
                Step::Join { trace: true }
            } else {
                Step::End(Some(head))
            };
        }
        if starts_fold(line, b"caused by:") || quotes_source(line) {
            return Step::Join { trace: false };
        }
        if exception_line(line) && self.joined == 0 {
            return Step::Join { trace: true };
        }
        let ruled = line.starts_with(b"==") || line.starts_with(b"--");
        if self.timed && head.level.is_none() && self.blank == 0 && !self.concluded && !self.framed && !ruled {
            return Step::Join { trace: false };
        }
        Step::End(Some(head))
    }

    /// What continues a trace without being indented.
    fn joins_trace(&mut self, text: &[u8]) -> bool {
        const CHAINS: [&[u8]; 4] = [
            b"caused",
            b"during handling of the above exception",
            b"the above exception was the direct cause",
            b"traceback (most recent call last)",
        ];
        if CHAINS.iter().any(|c| starts_fold(text, c)) {
            self.concluded = false;
            return true;
        }
        if starts_goroutine(text) {
            self.go = true;
            return true;
        }
        const WORDS: [&[u8]; 27] = [
            b"read of size",
            b"write of size",
            b"freed by thread",
            b"previously allocated",
            b"shadow bytes",
            b"suppressed:",
            b"stack trace",
            b"stack backtrace",
            b"stacktrace",
            b"note: ",
            b"[signal ",
            b"exit status ",
            b"created by ",
            b"--- end of",
            b"---> ",
            b"node.js v",
            b"process: ",
            b"  what():",
            b"what():",
            b"aborted",
            b"==",
            b"summary: ",
            b"help: ",
            b"error: process",
            b"... ",
            b"from ",
            b"thrown in ",
        ];
        if WORDS.iter().any(|w| starts_fold(text, w)) {
            return true;
        }
        if text.starts_with(b"}") || text.starts_with(b"^") || text.starts_with(b"]") {
            return true;
        }
        if self.go
            && (text.ends_with(b")") && find_byte(text, b'(').is_some_and(|i| !text[..i].contains(&b' '))
                || text.starts_with(b"goroutine "))
        {
            return true;
        }
        if !self.concluded && exception_line(text) {
            self.concluded = true;
            return true;
        }
        false
    }

    fn kernel_step(&mut self, line: &[u8], head: Header) -> Step {
        let now = kernel_time(line);
        let close = match (self.kernel_us, now) {
            (Some(before), Some(now)) => now >= before && now - before <= KERNEL_GAP_US,
            _ => false,
        };
        if !close && self.kernel_us.is_some() && now.is_some() {
            return Step::End(Some(head));
        }
        let message = trim(message_of(line, &head));
        let message = match message.strip_prefix(b"[") {
            Some(rest) => rest.iter().position(|b| *b == b']').map_or(message, |i| trim(&rest[i + 1..])),
            None => message,
        };
        let same = program(line, &head) == self.program;
        if self.joined < MAX_KERNEL_LINES && same && !self.concluded && (close || kernel_report(message)) {
            self.kernel_us = now.or(self.kernel_us);
            if find(message, b"---[ end ").is_some() {
                self.concluded = true;
            }
            return Step::Join { trace: false };
        }
        if self.concluded
            && same
            && close
            && (starts_fold(message, b"kernel panic") || starts_fold(message, b"---[ end") || kernel_report(message))
        {
            return Step::Join { trace: false };
        }
        Step::End(Some(head))
    }
}

/// What a container runtime put round a line, and the line: docker's JSON, Kubernetes' `TIME stderr F `, the name that
/// `docker compose` begins a line with.
fn unwrap<'l>(line: &'l [u8], scratch: &'l mut Vec<u8>) -> (String, &'l [u8]) {
    if let Some(rest) = line.strip_prefix(b"{\"log\":\"") {
        let mut end = 0;
        while let Some(quote) = find_byte(&rest[end..], b'"') {
            end += quote;
            if rest[..end].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0 {
                break;
            }
            end += 1;
        }
        crate::classify::fields::unescape(&rest[..end.min(4096)], scratch);
        while scratch.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            scratch.pop();
        }
        return ("json".to_owned(), scratch);
    }
    // A box of comment signs, as the JVM's last words stand in.
    if line.starts_with(b"# ") || line == b"#" {
        return ("#".to_owned(), &line[1..]);
    }
    let body = header::container_prefix(line);
    if body == 0 {
        return (String::new(), line);
    }
    let name = if line[0].is_ascii_digit() {
        "cri".to_owned()
    } else {
        String::from_utf8_lossy(trim(&line[..body.min(64)])).into_owned()
    };
    (name, &line[body..])
}

/// The hash of a line's head, 0 where it states no error or has no time.
fn head_hash(line: &[u8], head: &Header) -> u64 {
    match head.level {
        Some((level, _)) if head.has_time && level >= crate::severity::Level::Error => {
            // It goes through JSON: 53 bits survive every reader.
            crate::bytes::hash(&line[..head.message.min(line.len())]) >> 11
        }
        _ => 0,
    }
}

/// How many blanks a line begins with; a tab counts as eight, rsyslog's `#011` as a tab.
fn indent(line: &[u8]) -> usize {
    if line.starts_with(b"#011") {
        return 8;
    }
    line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// The line behind its head, with the blanks that follow the tag, and behind a second tag (`AndroidRuntime: `).
fn message_of<'l>(line: &'l [u8], head: &Header) -> &'l [u8] {
    let message = &line[head.message.min(line.len())..];
    // A tag without a number is still in front of the message.
    let tag = line.get(head.program.clone()).unwrap_or_default();
    if let Some(rest) = message.strip_prefix(tag).and_then(|rest| rest.strip_prefix(b":"))
        && !tag.is_empty()
    {
        return rest;
    }
    if head.level.is_some() && head.program.is_empty() {
        let tag = message.iter().take(48).take_while(|b| !matches!(b, b' ' | b'\t')).count();
        if tag > 1 && message[..tag].ends_with(b":") && !exception_line(message) && !joins_word(message) {
            return &message[tag..];
        }
    }
    message
}

fn joins_word(message: &[u8]) -> bool {
    starts_fold(message, b"process:") || starts_fold(message, b"caused") || starts_fold(message, b"suppressed:")
}

/// Who wrote the line: container and program.
fn program(line: &[u8], head: &Header) -> String {
    if kernel_time(line).is_some() {
        return "kernel".to_owned();
    }
    let mut name = String::from_utf8_lossy(line.get(head.program.clone()).unwrap_or_default()).into_owned();
    if head.body > 0 && !line[0].is_ascii_digit() {
        name.push_str(&String::from_utf8_lossy(trim(&line[..head.body])));
    }
    name.truncate(name.floor_char_boundary(64));
    name
}

/// A frame of a stack trace, whatever the language; `text` has no indentation.
pub(crate) fn looks_like_frame(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"#011").unwrap_or(text);
    if text.starts_with(b"at ") {
        // Java, Node, .NET: `at a.b.C(D.java:1)`, `at Object.<anonymous> (x.js:1:2)`, `at N.C.M() in x.cs:line 3`.
        let rest = &text[3..];
        return find_byte(rest, b'(').is_some() || find_byte(rest, b':').is_some() || find_byte(rest, b' ').is_none();
    }
    if text.starts_with(b"File \"") || text.starts_with(b"... ") && find(text, b" more").is_some() {
        return true;
    }
    if text.starts_with(b"from ") && find(text, b":in ").is_some() {
        return true;
    }
    // C++, PHP, gdb: `#0 0x…`, `#1  main (`, `#2 /var/www/x.php(12): f()`; Rust: `3: core::panicking::panic`.
    if let Some(rest) = text.strip_prefix(b"#") {
        return rest.first().is_some_and(u8::is_ascii_digit) && rest.iter().take(4).any(|b| *b == b' ');
    }
    let digits = text.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    if digits > 0 && text[digits..].starts_with(b": ") && find(text, b"::").is_some() {
        return true;
    }
    // Go: `/usr/lib/go/src/x.go:12 +0x1d`.
    text.starts_with(b"/") && find(text, b".go:").is_some()
}

/// `88 |     let frame = next();`: a compiler quotes the source.
fn quotes_source(text: &[u8]) -> bool {
    let digits = text.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && (text[digits..].starts_with(b" | ") || text[digits..].starts_with(b" |\t"))
}

/// The first line of a trace that needs nothing before it.
pub(crate) fn opens_trace(text: &[u8]) -> bool {
    const OPENINGS: [&[u8]; 12] = [
        b"addresssanitizer",
        b"threadsanitizer",
        b"leaksanitizer",
        b"traceback (most recent call last)",
        b"exception in thread",
        b"unhandled exception",
        b"panic: ",
        b"fatal error: ",
        b"thread '",
        b"terminate called",
        b"php fatal error",
        b"uncaught ",
    ];
    OPENINGS.iter().any(|o| starts_fold(text, o))
}

fn starts_goroutine(text: &[u8]) -> bool {
    trim(text).starts_with(b"goroutine ") && find_byte(text, b'[').is_some()
}

/// `a.b.FooException: message`, `ValueError: x`, `KeyboardInterrupt`: the name of a class, perhaps with a message.
pub(crate) fn exception_line(text: &[u8]) -> bool {
    let len =
        text.iter().take(200).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$')).count();
    if len < 4
        || !matches!(text.get(len), None | Some(b':'))
        || text.get(len + 1).is_some_and(|b| *b != b' ' && *b != b':')
    {
        return false;
    }
    let name = &text[..len];
    let simple = name.rsplit(|b| matches!(b, b'.' | b'$')).next().unwrap_or(name);
    let camel = simple.len() > 7 && (simple.ends_with(b"Error") || simple.ends_with(b"Exception"));
    if !simple.first().is_some_and(u8::is_ascii_uppercase) && !camel {
        return false;
    }
    const ENDS: [&[u8]; 10] = [
        b"Exception",
        b"Error",
        b"Interrupt",
        b"Exit",
        b"Warning",
        b"Failure",
        b"Fault",
        b"Throwable",
        b"Iteration",
        b"Timeout",
    ];
    ENDS.iter().any(|e| simple.ends_with(e))
        || len > simple.len() && text.get(len) == Some(&b':') && name.iter().filter(|b| **b == b'.').count() >= 2
}

/// `[12345.678901]`, wherever it stands in the first hundred bytes, in microseconds.
fn kernel_time(line: &[u8]) -> Option<u64> {
    let head = &line[..line.len().min(100)];
    let mut from = 0;
    while let Some(open) = find_byte(&head[from..], b'[') {
        let rest = head[from + open + 1..].trim_ascii_start();
        if let Some((seconds, len)) = crate::bytes::number(rest)
            && rest.get(len) == Some(&b'.')
            && let Some((fraction, digits @ 3..=9)) = crate::bytes::number(&rest[len + 1..])
            && rest.get(len + 1 + digits) == Some(&b']')
        {
            let micros = if digits <= 6 {
                fraction.saturating_mul(10u64.pow(u32::try_from(6 - digits).unwrap_or(0)))
            } else {
                fraction / 10u64.pow(u32::try_from(digits - 6).unwrap_or(0))
            };
            return Some(seconds.saturating_mul(1_000_000).saturating_add(micros));
        }
        from += open + 1;
    }
    None
}

/// What lines of a kernel report look like, for logs without the kernel's own time.
fn kernel_report(message: &[u8]) -> bool {
    const STARTS: [&[u8]; 44] = [
        b"cpu:",
        b"hardware name",
        b"rip:",
        b"rsp:",
        b"rax:",
        b"rdx:",
        b"rbp:",
        b"r10:",
        b"r13:",
        b"fs:",
        b"cs:",
        b"cr2:",
        b"dr0:",
        b"dr3:",
        b"code:",
        b"call trace",
        b"<task>",
        b"</task>",
        b"<irq>",
        b"</irq>",
        b"modules linked",
        b"---[ end",
        b"oops",
        b"pgd ",
        b"#pf",
        b"eip:",
        b"eflags",
        b"esi:",
        b"ds:",
        b"stack:",
        b"process ",
        b"bug:",
        b"workqueue:",
        b"pkru",
        b"tainted",
        b"mem-info",
        b"node ",
        b"active_anon",
        b"tasks state",
        b"[ ",
        b"out of memory",
        b"oom",
        b"killed process",
        b"kernel panic",
    ];
    if STARTS.iter().any(|s| starts_fold(message, s)) {
        return true;
    }
    // `? do_syscall_64+0x5b/0x80`, `[<ffffffff81234567>] foo+0x1/0x2`, `\"echo 0 > /proc/sys/…\" disables this message.`
    find(message, b"+0x").is_some_and(|at| find_byte(&message[at + 3..], b'/').is_some())
        || message.starts_with(b"[<")
        || find(message, b"disables this message").is_some()
        || starts_fold(message, b"not tainted")
        || find(message, b"ot tainted ").is_some()
        || find(message, b"Comm:").is_some()
        || starts_fold(message, b"task:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_language_are_frames() {
        for frame in [
            "at com.foo.Bar.baz(Bar.java:12)",
            "at Object.<anonymous> (/srv/app.js:1:2)",
            "at N.C.M() in /x.cs:line 3",
            "... 12 more",
            "File \"/x.py\", line 3, in f",
            "from /x.rb:3:in `f'",
            "#0 /var/www/x.php(12): f()",
            "#1  0x00007f in main ()",
            "3: core::panicking::panic",
            "/usr/lib/go/src/x.go:12 +0x1d",
        ] {
            assert!(looks_like_frame(frame.as_bytes()), "{frame}");
        }
        for other in ["at noon the job starts", "#hashtag", "12: 30"] {
            assert!(!looks_like_frame(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn exception_lines_are_told_from_prose() {
        for line in ["java.lang.IllegalStateException: no", "ValueError: x", "KeyboardInterrupt", "a.b.c.Oddly: said"] {
            assert!(exception_line(line.as_bytes()), "{line}");
        }
        for line in ["Note: this", "the Error: x", "http://x", "Server: up"] {
            assert!(!exception_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_kernels_time_is_read() {
        assert_eq!(kernel_time(b"Jan  2 03:04:05 h kernel: [   12.345678] x"), Some(12_345_678));
        assert_eq!(kernel_time(b"[main] x"), None);
    }
}
