//! What a message says where no level says it: phrases that need no level, and words in position.
//!
//! One pass over the message, word by word; the first letter of a word selects a handful of phrases to compare with.
//! A phrase of the kernel or of a language's runtime counts as it stands. An ordinary word (`failed`, `error`) counts
//! only in position: not denied (`no error`, `0 failed`, `error=null`), not part of a name, a path or a URL
//! (`/error.html`, `error_log`, `error handler`), not quoted, not supposed (`if this fails`), not undone
//! (`recovered`, `corrected`).

use super::Kind;
use crate::bytes::{is_word, number, starts_fold};
use crate::severity::Severity;

/// What was found in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// Whether this needs no level at all: it also counts under a syslog priority that says less.
    pub certain: bool,
}

/// Judges the message that begins at `from` in `line`; what stands before it may still deny its first word (`Tests:
/// 0 failed`). `kernel` says that the line is the kernel's.
pub(crate) fn judge(line: &[u8], from: usize, kernel: bool) -> Option<Found> {
    let message = line;
    // A shell that tells what it is about to do.
    if line.starts_with(b"$ ") || line.starts_with(b"+ ") {
        return None;
    }
    let mut best: Option<Found> = None;
    let mut undone = false;
    let mut quotes = 0u32;
    let mut at = from.min(line.len());
    let first = at + line[at..].iter().position(|b| is_word(*b)).unwrap_or(0);
    while at < message.len() {
        let byte = message[at];
        if byte == b'"' || byte == b'`' {
            quotes += 1;
        }
        if !byte.is_ascii_alphanumeric() || at > 0 && is_word(message[at - 1]) {
            at += 1;
            continue;
        }
        let word = Word { message, start: at, first: at == first, quoted: quotes % 2 == 1, kernel };
        if let Some(found) = word.look() {
            match found {
                Hit::Undone => undone = true,
                Hit::Found(found)
                    if best.is_none_or(|b| {
                        found.certain && !b.certain || found.certain == b.certain && found.severity > b.severity
                    }) =>
                {
                    best = Some(found);
                }
                Hit::Found(_) => {}
            }
        }
        at += 1;
        while at < message.len() && is_word(message[at]) {
            at += 1;
        }
    }
    match best {
        // Before anybody has logged in a connection is a visitor's.
        Some(found) if !found.certain && line.ends_with(b"[preauth]") => {
            Some(Found { severity: Severity::Low, kind: Kind::Login, certain: false })
        }
        Some(found) if undone && !found.certain => {
            Some(Found { severity: Severity::Low, kind: Kind::Recovery, certain: false })
        }
        None if undone => Some(Found { severity: Severity::Low, kind: Kind::Recovery, certain: false }),
        other => other,
    }
}

enum Hit {
    Found(Found),
    Undone,
}

/// How a phrase is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Counts wherever it stands.
    Anywhere,
    /// Counts wherever it stands, written in exactly this case.
    Exact(&'static str),
    /// Counts at the start of the message.
    Start,
    /// Counts in a line of the kernel, or at the start of the message.
    Kernel,
    /// An ordinary word: counts in position.
    Position,
    /// An ordinary word that counts in position, and as the last one: the state that something is in.
    Last,
    /// A phrase of several words that only its being quoted takes the meaning from.
    Saying,
    /// Counts when a number other than 0 follows.
    NonZero,
    /// Says that what was wrong is over.
    Undone,
}

struct Phrase {
    text: &'static str,
    rule: Rule,
    severity: Severity,
    kind: Kind,
}

const fn phrase(text: &'static str, rule: Rule, severity: Severity, kind: Kind) -> Phrase {
    Phrase { text, rule, severity, kind }
}

use Rule::{Anywhere, Exact, Kernel, Last, NonZero, Position, Saying, Start, Undone};
use Severity::{Critical, High, Low, Medium};

/// Longer phrases stand before the words they begin with.
const PHRASES: [&[Phrase]; 26] = [
    // a
    &[
        phrase("auth failed", Anywhere, Low, Kind::Login),
        phrase("authentication mismatch", Anywhere, Low, Kind::Login),
        phrase("anom_abend", Anywhere, High, Kind::Line),
        phrase("authentication fail", Anywhere, Low, Kind::Login),
        phrase("authentication error", Anywhere, Low, Kind::Login),
        phrase("assertion fail", Saying, High, Kind::Line),
        phrase("assertion `", Saying, High, Kind::Line),
        phrase("addresssanitizer", Anywhere, High, Kind::Trace),
        phrase("address already in use", Saying, Medium, Kind::Line),
        phrase("aborted", Position, Medium, Kind::Line),
        phrase("aborting", Position, Medium, Kind::Line),
        phrase("abnormally", Position, Medium, Kind::Line),
    ],
    // b
    &[
        phrase("bug:", Exact("BUG:"), Critical, Kind::Kernel),
        phrase("buffer i/o error", Anywhere, High, Kind::Line),
        phrase("btrfs error", Anywhere, High, Kind::Line),
        phrase("btrfs critical", Anywhere, Critical, Kind::Line),
        phrase("blocked for more than", Anywhere, High, Kind::Kernel),
        phrase("bad file descriptor", Saying, Medium, Kind::Line),
        phrase("bad page state", Kernel, Critical, Kind::Kernel),
        phrase("broken pipe", Saying, Medium, Kind::Line),
        phrase("bus error", Saying, High, Kind::Line),
        phrase("back to normal", Undone, Low, Kind::Recovery),
        phrase("back online", Undone, Low, Kind::Recovery),
        phrase("break-in attempt", Anywhere, Low, Kind::Login),
    ],
    // c
    &[
        phrase("command not found", Saying, Medium, Kind::Line),
        phrase("currently unreadable", Anywhere, Medium, Kind::Line),
        phrase("code=exited, status=", NonZero, Medium, Kind::Line),
        phrase("code=killed", Anywhere, Medium, Kind::Line),
        phrase("cut here ]", Anywhere, High, Kind::Kernel),
        phrase("call trace:", Kernel, High, Kind::Kernel),
        phrase("core dumped", Anywhere, High, Kind::Line),
        phrase("critical medium error", Anywhere, High, Kind::Line),
        phrase("critical error", Position, High, Kind::Line),
        phrase("critical failure", Position, High, Kind::Line),
        phrase("cannot", Position, Medium, Kind::Line),
        phrase("can't", Position, Medium, Kind::Line),
        phrase("can not", Position, Medium, Kind::Line),
        phrase("could not", Position, Medium, Kind::Line),
        phrase("couldn't", Position, Medium, Kind::Line),
        phrase("crashed", Position, High, Kind::Line),
        phrase("crash", Position, High, Kind::Line),
        phrase("corruption", Position, High, Kind::Line),
        phrase("corrupted", Position, High, Kind::Line),
        phrase("corrupt", Position, High, Kind::Line),
        phrase("connection refused", Saying, Medium, Kind::Line),
        phrase("connection reset", Saying, Medium, Kind::Line),
        phrase("connection lost", Saying, Medium, Kind::Line),
        phrase("corrected", Undone, Low, Kind::Recovery),
        phrase("code=dumped", Anywhere, High, Kind::Line),
        phrase("check pass; user unknown", Anywhere, Low, Kind::Login),
        phrase("critical", Last, Medium, Kind::Line),
    ],
    // d
    &[
        phrase("double free", Saying, High, Kind::Line),
        phrase("double fault", Kernel, Critical, Kind::Kernel),
        phrase("dumped core", Anywhere, High, Kind::Line),
        phrase("detected stall", Anywhere, High, Kind::Kernel),
        phrase("deadlock detected", Saying, High, Kind::Line),
        phrase("deadlock", Position, Medium, Kind::Line),
        phrase("data loss", Position, High, Kind::Line),
        phrase("disk full", Saying, High, Kind::Line),
        phrase("denied", Position, Medium, Kind::Line),
        phrase("died", Position, Medium, Kind::Line),
    ],
    // e
    &[
        phrase("exception emask", Anywhere, High, Kind::Kernel),
        phrase("exception in thread", Anywhere, High, Kind::Trace),
        phrase("ext4-fs error", Anywhere, High, Kind::Line),
        phrase("ext3-fs error", Anywhere, High, Kind::Line),
        phrase("ext2-fs error", Anywhere, High, Kind::Line),
        phrase("entered failed state", Anywhere, High, Kind::Line),
        phrase("exit status", NonZero, Medium, Kind::Line),
        phrase("exit code", NonZero, Medium, Kind::Line),
        phrase("exited with code", NonZero, Medium, Kind::Line),
        phrase("exited with status", NonZero, Medium, Kind::Line),
        phrase("exited on signal", Anywhere, High, Kind::Line),
        phrase("exited with signal", Anywhere, High, Kind::Line),
        phrase("error", Position, Medium, Kind::Line),
        phrase("errors", Position, Medium, Kind::Line),
        phrase("errno=", NonZero, Medium, Kind::Line),
        phrase("err=", NonZero, Medium, Kind::Line),
        phrase("erroneous", Position, Medium, Kind::Line),
        phrase("exception", Position, Medium, Kind::Line),
        phrase("exceptions", Position, Medium, Kind::Line),
        phrase("err", Position, Medium, Kind::Line),
    ],
    // f
    &[
        phrase("failed password", Anywhere, Low, Kind::Login),
        phrase("failed publickey", Anywhere, Low, Kind::Login),
        phrase("failed none for", Anywhere, Low, Kind::Login),
        phrase("failed keyboard", Anywhere, Low, Kind::Login),
        phrase("failed to start", Saying, High, Kind::Line),
        phrase("failed with result", Anywhere, High, Kind::Line),
        phrase("fatal error:", Start, Critical, Kind::Trace),
        phrase("fatal error", Position, Critical, Kind::Line),
        phrase("fatal exception", Position, Critical, Kind::Trace),
        phrase("fatal signal", Saying, Critical, Kind::Line),
        phrase("fatal", Position, High, Kind::Line),
        phrase("failed", Position, Medium, Kind::Line),
        phrase("failure", Position, Medium, Kind::Line),
        phrase("failures", Position, Medium, Kind::Line),
        phrase("failing", Position, Medium, Kind::Line),
        phrase("fails", Position, Medium, Kind::Line),
        phrase("fail", Position, Medium, Kind::Line),
        phrase("faulted", Position, Medium, Kind::Line),
    ],
    // g
    &[
        phrase("got signal", NonZero, High, Kind::Trace),
        phrase("general protection fault", Anywhere, Critical, Kind::Kernel),
        phrase("gpu hang", Anywhere, High, Kind::Line),
    ],
    // h
    &[
        phrase("hardware unit hang", Anywhere, High, Kind::Line),
        phrase("has not responded", Saying, Medium, Kind::Line),
        phrase("hardware error", Anywhere, Critical, Kind::Kernel),
        phrase("hard lockup", Anywhere, Critical, Kind::Kernel),
        phrase("has recovered", Undone, Low, Kind::Recovery),
        phrase("heap corruption", Saying, High, Kind::Line),
    ],
    // i
    &[
        phrase("is down", Saying, Medium, Kind::Line),
        phrase("i/o error", Anywhere, High, Kind::Line),
        phrase("input/output error", Anywhere, High, Kind::Line),
        phrase("invoked oom-killer", Anywhere, Critical, Kind::Kernel),
        phrase("internal error: oops", Anywhere, Critical, Kind::Kernel),
        phrase("invalid user", Anywhere, Low, Kind::Login),
        phrase("illegal", Position, Medium, Kind::Line),
        phrase("is healthy again", Undone, Low, Kind::Recovery),
    ],
    // j
    &[],
    // k
    &[
        phrase("kernel panic", Anywhere, Critical, Kind::Kernel),
        phrase("kernel bug at", Anywhere, Critical, Kind::Kernel),
        phrase("kernel null pointer", Anywhere, Critical, Kind::Kernel),
        phrase("killed process", Anywhere, Critical, Kind::Line),
        phrase("killed by signal", Saying, High, Kind::Line),
        phrase("killed", Position, Medium, Kind::Line),
    ],
    // l
    &[
        phrase("login failed", Anywhere, Low, Kind::Login),
        phrase("login failure", Anywhere, Low, Kind::Login),
        phrase("logon failure", Anywhere, Low, Kind::Login),
        phrase("lost connection", Saying, Medium, Kind::Line),
        phrase("leaksanitizer", Anywhere, High, Kind::Trace),
    ],
    // m
    &[
        phrase("machine check exception", Anywhere, Critical, Kind::Kernel),
        phrase("machine check event", Anywhere, Critical, Kind::Kernel),
        phrase("machine check:", Anywhere, Critical, Kind::Kernel),
        phrase("metadata i/o error", Anywhere, High, Kind::Line),
        phrase("metadata corruption", Anywhere, High, Kind::Line),
        phrase("medium error", Anywhere, High, Kind::Line),
        phrase("memory cgroup out of memory", Anywhere, Critical, Kind::Line),
        phrase("malfunction", Position, Medium, Kind::Line),
    ],
    // n
    &[
        phrase("no server available", Saying, High, Kind::Line),
        phrase("no dhcpoffers", Anywhere, Medium, Kind::Line),
        phrase("no free leases", Saying, Medium, Kind::Line),
        phrase("not available", Position, Medium, Kind::Line),
        phrase("no rule to make target", Anywhere, Medium, Kind::Line),
        phrase("no reply from", Saying, Medium, Kind::Line),
        phrase("noqueue: reject", Anywhere, Low, Kind::Login),
        phrase("not responding", Saying, Medium, Kind::Line),
        phrase("not able to", Saying, Medium, Kind::Line),
        phrase("not reachable", Saying, Medium, Kind::Line),
        phrase("network is down", Saying, Medium, Kind::Line),
        phrase("not ok", Start, Medium, Kind::Line),
        phrase("no route to host", Saying, Medium, Kind::Line),
        phrase("no space left", Saying, High, Kind::Line),
        phrase("no such file or directory", Saying, Medium, Kind::Line),
        phrase("no such device", Saying, Medium, Kind::Line),
        phrase("network is unreachable", Saying, Medium, Kind::Line),
        phrase("nmi watchdog: bug", Anywhere, Critical, Kind::Kernel),
    ],
    // o
    &[
        phrase("ora-0", Exact("ORA-0"), High, Kind::Line),
        phrase("ora-1", Exact("ORA-1"), High, Kind::Line),
        phrase("oops:", Kernel, Critical, Kind::Kernel),
        phrase("out of memory", Saying, Critical, Kind::Line),
        phrase("oom-kill:", Anywhere, Critical, Kind::Kernel),
        phrase("operation not permitted", Saying, Medium, Kind::Line),
        phrase("over temperature", Saying, High, Kind::Line),
        phrase("overheat", Position, High, Kind::Line),
    ],
    // p
    &[
        phrase("password mismatch", Anywhere, Low, Kind::Login),
        phrase("panic:", Start, Critical, Kind::Trace),
        phrase("panicked at", Anywhere, Critical, Kind::Trace),
        phrase("php fatal error", Anywhere, Critical, Kind::Trace),
        phrase("php parse error", Anywhere, High, Kind::Line),
        phrase("permission denied", Saying, Medium, Kind::Line),
        phrase("panic", Position, High, Kind::Line),
    ],
    // q
    &[],
    // r
    &[
        phrase("remounting filesystem read-only", Anywhere, Critical, Kind::Line),
        phrase("remounting read-only", Anywhere, Critical, Kind::Line),
        phrase("remounted read-only", Anywhere, Critical, Kind::Line),
        phrase("read-only file system", Saying, High, Kind::Line),
        phrase("resource temporarily unavailable", Saying, Medium, Kind::Line),
        phrase("refused", Position, Medium, Kind::Line),
        phrase("recovered", Undone, Low, Kind::Recovery),
        phrase("restored", Undone, Low, Kind::Recovery),
        phrase("re-established", Undone, Low, Kind::Recovery),
        phrase("reestablished", Undone, Low, Kind::Recovery),
        phrase("resolved", Undone, Low, Kind::Recovery),
        phrase("reconnected", Undone, Low, Kind::Recovery),
    ],
    // s
    &[
        phrase("status=bounced", Anywhere, Medium, Kind::Line),
        phrase("status=deferred", Anywhere, Medium, Kind::Line),
        phrase("start request repeated too quickly", Anywhere, Medium, Kind::Line),
        phrase("segfault at", Anywhere, High, Kind::Line),
        phrase("segfault", Saying, High, Kind::Line),
        phrase("segmentation fault", Saying, High, Kind::Line),
        phrase("segmentation violation", Saying, High, Kind::Line),
        phrase("sigsegv", Saying, High, Kind::Line),
        phrase("sigabrt", Saying, High, Kind::Line),
        phrase("sigbus", Saying, High, Kind::Line),
        phrase("sigill", Saying, High, Kind::Line),
        phrase("soft lockup", Anywhere, Critical, Kind::Kernel),
        phrase("self-detected stall", Anywhere, High, Kind::Kernel),
        phrase("stack smashing detected", Saying, High, Kind::Line),
        phrase("stack overflow", Saying, High, Kind::Line),
        phrase("stale file handle", Saying, Medium, Kind::Line),
        phrase("stale nfs file handle", Saying, Medium, Kind::Line),
    ],
    // t
    &[
        phrase("terminating app due to", Anywhere, High, Kind::Trace),
        phrase("terminating due to java.lang", Anywhere, High, Kind::Line),
        phrase("traceback (most recent call last)", Anywhere, High, Kind::Trace),
        phrase("terminate called", Anywhere, Critical, Kind::Trace),
        phrase("threadsanitizer", Anywhere, High, Kind::Trace),
        phrase("timed out", Position, Medium, Kind::Line),
        phrase("timeout expired", Saying, Medium, Kind::Line),
        phrase("timeout exceeded", Saying, Medium, Kind::Line),
        phrase("timeout waiting", Saying, Medium, Kind::Line),
        phrase("timeout while", Saying, Medium, Kind::Line),
        phrase("too many open files", Saying, High, Kind::Line),
        phrase("too many connections", Saying, High, Kind::Line),
        phrase("temperature above threshold", Anywhere, High, Kind::Line),
        phrase("terminated by signal", Saying, High, Kind::Line),
        phrase("terminated abnormally", Saying, High, Kind::Line),
    ],
    // u
    &[
        phrase("unexpected end of", Saying, Medium, Kind::Line),
        phrase("unable to handle kernel", Anywhere, Critical, Kind::Kernel),
        phrase("unable to handle page fault", Anywhere, Critical, Kind::Kernel),
        phrase("unable to", Position, Medium, Kind::Line),
        phrase("undefinedbehaviorsanitizer", Anywhere, High, Kind::Trace),
        phrase("unhandled exception", Saying, High, Kind::Trace),
        phrase("unhandled rejection", Saying, High, Kind::Trace),
        phrase("unhandledpromiserejection", Anywhere, High, Kind::Trace),
        phrase("unhandled error", Saying, High, Kind::Line),
        phrase("uncaught", Position, High, Kind::Trace),
        phrase("uncorrectable", Position, High, Kind::Line),
        phrase("unrecovered read error", Anywhere, High, Kind::Line),
        phrase("unrecoverable", Position, High, Kind::Line),
        phrase("unreachable", Position, Medium, Kind::Line),
        phrase("unavailable", Position, Medium, Kind::Line),
        phrase("unsuccessful", Position, Medium, Kind::Line),
    ],
    // v
    &[phrase("vfs: unable to mount root", Anywhere, Critical, Kind::Kernel)],
    // w
    &[
        phrase("was terminated by signal", Anywhere, High, Kind::Line),
        phrase("warning: cpu:", Exact("WARNING: CPU:"), High, Kind::Kernel),
    ],
    // x
    &[phrase("xfs_force_shutdown", Anywhere, Critical, Kind::Line)],
    // y
    &[],
    // z
    &[],
];

struct Word<'m> {
    message: &'m [u8],
    start: usize,
    first: bool,
    quoted: bool,
    kernel: bool,
}

impl Word<'_> {
    fn look(&self) -> Option<Hit> {
        let rest = &self.message[self.start..];
        let index = rest[0].to_ascii_lowercase().checked_sub(b'a')?;
        for phrase in *PHRASES.get(usize::from(index))? {
            if !starts_fold(rest, phrase.text.as_bytes()) {
                continue;
            }
            let end = self.start + phrase.text.len();
            let whole = !self.message.get(end).copied().is_some_and(is_word);
            let counts = match phrase.rule {
                Anywhere => true,
                Exact(text) => rest.starts_with(text.as_bytes()),
                Start => self.first,
                Kernel => self.kernel || self.first,
                Saying => !self.quoted && !self.traced(),
                Position => whole && self.in_position(end),
                Last => whole && self.message[end..].iter().all(|b| !is_word(*b)) && self.in_position(end),
                NonZero => !self.quoted && non_zero(&self.message[end..]),
                Undone => whole && !self.quoted && !negation_before(self.message, self.start),
            };
            if !whole && matches!(phrase.rule, Position | Last | Undone) {
                continue;
            }
            // `panic=10`, `oops=panic`: options of the kernel.
            let option = phrase.text == "panic"
                && (self.message.get(end) == Some(&b'=') || self.start > 0 && self.message[self.start - 1] == b'=');
            if !counts || option {
                return None;
            }
            if phrase.rule == Undone {
                return Some(Hit::Undone);
            }
            let certain = !matches!(phrase.rule, Position | Last | Saying | NonZero | Undone);
            let mut severity = phrase.severity;
            // A fault the kernel reports of a program (`traps: x[1] general protection fault ip:…`) is not its own.
            if phrase.text == "general protection fault" && crate::bytes::find(rest, b" ip:").is_some() {
                severity = High;
            }
            return Some(Hit::Found(Found { severity, kind: phrase.kind, certain }));
        }
        self.class_name(rest)
    }

    /// `java.lang.IllegalStateException: …`, `TypeError: …`, `(NoMethodError)`: the name of an exception's class.
    fn class_name(&self, rest: &[u8]) -> Option<Hit> {
        let len = rest.iter().take(160).take_while(|b| is_word(**b) || matches!(b, b'.' | b'$' | b':')).count();
        let name = rest[..len].strip_suffix(b":").unwrap_or(&rest[..len]);
        if !(name.ends_with(b"Exception") || name.ends_with(b"Error")) || name.len() < 7 {
            return None;
        }
        let simple = name.rsplit(|b| matches!(b, b'.' | b':' | b'$')).next().unwrap_or(name);
        if !simple.first().is_some_and(u8::is_ascii_uppercase) || simple.len() < 7 {
            return None;
        }
        let after = rest.get(name.len()).copied().unwrap_or(b'\n');
        let before = self.start.checked_sub(1).map_or(b'\n', |i| self.message[i]);
        if self.first && matches!(after, b':' | b'\n' | b'\r' | b' ') {
            return Some(Hit::Found(Found { severity: High, kind: Kind::Trace, certain: true }));
        }
        if before == b'(' && after == b')' && crate::bytes::find(self.message, b":in ").is_some() {
            return Some(Hit::Found(Found { severity: High, kind: Kind::Trace, certain: true }));
        }
        let named = !self.quoted
            && matches!(before, b' ' | b'(' | b'[' | b':')
            && matches!(after, b':' | b'\n' | b' ' | b')' | b']' | b',' | b';');
        named.then_some(Hit::Found(Found { severity: Medium, kind: Kind::Line, certain: false }))
    }

    /// `= -1 ENOENT (No such file or directory)`: what a system call returned to who traces it.
    fn traced(&self) -> bool {
        let head = self.message[..self.start].strip_suffix(b" (").unwrap_or_default();
        let name = head.iter().rev().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
        name > 3 && head[head.len() - name] == b'E' && head[..head.len() - name].ends_with(b"-1 ")
    }

    fn in_position(&self, end: usize) -> bool {
        let message = self.message;
        let before = self.start.checked_sub(1).map_or(b' ', |i| message[i]);
        let after = message.get(end).copied().unwrap_or(b' ');
        let next = message.get(end + 1).copied().unwrap_or(b' ');
        // A single word in quotes is a name or a value.
        if matches!(before, b'\'' | b'"' | b'`') && matches!(after, b'\'' | b'"' | b'`') {
            return false;
        }
        if self.quoted || matches!(before, b'/' | b'.' | b'-' | b'\\' | b'&' | b'?' | b'$' | b'#' | b'%' | b'@') {
            return false;
        }
        // `Partition=error`: the value of a field counts where the field is about how something went.
        if before == b'=' && !about_outcome(&message[..self.start - 1]) {
            return false;
        }
        if matches!(after, b'/' | b'-' | b'&' | b'@' | b'$')
            || after == b'\\' && is_word(next)
            || matches!(after, b'.' | b':' | b'(') && is_word(next) && !plural(message, end)
        {
            return false;
        }
        !(in_path(message, self.start)
            || negation_before(message, self.start)
            || nothing_after(message, end)
            || noun_after(message, end))
    }
}

/// Whether the key before a `=` says how something went.
fn about_outcome(head: &[u8]) -> bool {
    const KEYS: [&[u8]; 16] = [
        b"status",
        b"state",
        b"result",
        b"res",
        b"outcome",
        b"rc",
        b"reason",
        b"msg",
        b"message",
        b"err",
        b"error",
        b"exception",
        b"detail",
        b"desc",
        b"description",
        b"cause",
    ];
    let len = head.iter().rev().take_while(|b| is_word(**b)).count();
    let key = &head[head.len() - len..];
    let last = key.rsplit(|b| *b == b'_').next().unwrap_or(key);
    KEYS.iter().any(|k| k.eq_ignore_ascii_case(last))
}

/// `error(s)`.
fn plural(message: &[u8], end: usize) -> bool {
    message[end..].starts_with(b"(s)")
}

/// Whether the blank-separated token around `start` has a slash before it, as paths and URLs have.
fn in_path(message: &[u8], start: usize) -> bool {
    let head = &message[..start];
    let token = head.iter().rposition(|b| b.is_ascii_whitespace()).map_or(head, |i| &head[i + 1..]);
    token.iter().any(|b| matches!(b, b'/' | b'?' | b'&'))
}

/// Up to three words before `start`, nearest first, as far as the clause goes.
fn words_before(message: &[u8], start: usize) -> impl Iterator<Item = &[u8]> {
    let mut end = start;
    std::iter::from_fn(move || {
        let head = &message[..end];
        let gap = head.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'\'' | b'(' | b'-')).count();
        let stop = end - gap;
        let begin = message[..stop].iter().rposition(|b| !(is_word(*b) || *b == b'\'')).map_or(0, |i| i + 1);
        // `ok=0 failed=2`: the value of another field denies nothing.
        let value = begin > 0 && message[begin - 1] == b'=';
        if gap == 0 && end != start || begin == stop || value {
            return None;
        }
        end = begin;
        Some(&message[begin..stop])
    })
    .take(3)
}

/// Whether the words before deny what follows, or only suppose it.
fn negation_before(message: &[u8], start: usize) -> bool {
    const NEAREST: [&[u8]; 42] = [
        b"correctable",
        b"corrected",
        b"no",
        b"0",
        b"zero",
        b"without",
        b"not",
        b"never",
        b"ignore",
        b"ignored",
        b"ignoring",
        b"suppress",
        b"suppressed",
        b"suppressing",
        b"if",
        b"any",
        b"on",
        b"non",
        b"isn't",
        b"wasn't",
        b"didn't",
        b"doesn't",
        b"avoid",
        b"prevent",
        b"may",
        b"might",
        b"would",
        b"will",
        b"should",
        b"when",
        b"unless",
        b"until",
        b"whether",
        b"per",
        b"max",
        b"allowed",
        b"previous",
        b"last",
        b"standard",
        b"nor",
        b"than",
        b"or",
    ];
    const SECOND: [&[u8]; 12] =
        [b"no", b"0", b"zero", b"without", b"not", b"never", b"if", b"when", b"case", b"isn't", b"unless", b"any"];
    for (index, word) in words_before(message, start).enumerate() {
        let list: &[&[u8]] = if index == 0 { &NEAREST } else { &SECOND };
        if list.iter().any(|w| w.eq_ignore_ascii_case(word)) {
            // `last error: disk full` says something; `last error: none` is seen by what follows.
            let says = matches!(word.to_ascii_lowercase().as_slice(), b"last" | b"previous" | b"or" | b"on");
            return !says || index == 0 && word.eq_ignore_ascii_case(b"on") && has_word_after(message, start);
        }
    }
    false
}

/// `on error resume`: a word follows the word at `start`.
fn has_word_after(message: &[u8], start: usize) -> bool {
    let len = message[start..].iter().take_while(|b| is_word(**b)).count();
    matches!(message.get(start + len), Some(b' ' | b',')) || start + len == message.len()
}

/// `: 0`, `=null`, `: none`, ` 0,`, `=""`: the value says that there is nothing.
fn nothing_after(message: &[u8], end: usize) -> bool {
    let mut rest = &message[end..];
    for skipped in [&b"(s)"[..], b"s", b" code", b" count", b" rate"] {
        if starts_fold(rest, skipped) && !rest.get(skipped.len()).copied().is_some_and(is_word) {
            rest = &rest[skipped.len()..];
        }
    }
    let gap = rest.iter().take_while(|b| matches!(b, b' ' | b'=' | b':' | b'[' | b'(')).count();
    if gap == 0 {
        return false;
    }
    let assigned = rest[..gap].iter().any(|b| matches!(b, b'=' | b':'));
    let value = &rest[gap..];
    if let Some((n, len)) = number(value) {
        let then = value.get(len).copied().unwrap_or(b' ');
        let fraction = then == b'.' && value[len + 1..].iter().take_while(|b| b.is_ascii_digit()).all(|b| *b == b'0');
        return n == 0 && (!is_word(then) && then != b'.' && then != b':' || fraction);
    }
    if !assigned {
        return said_of(&rest[gap..]);
    }
    // `errors=remount-ro`: several errors are a number or an option.
    let plural = message[end - 1].eq_ignore_ascii_case(&b's') || rest.len() < message.len() - end;
    if plural && rest[0] == b'=' && value.first().is_some_and(u8::is_ascii_alphabetic) {
        return true;
    }
    if value.is_empty() {
        return rest[..gap].contains(&b'=');
    }
    let len = value.iter().take_while(|b| !matches!(b, b' ' | b',' | b';' | b')' | b']' | b'}' | b'.' | b'\r')).count();
    let value = value[..len].trim_ascii_start();
    let bare = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    !value.is_empty() && super::fields::empty(bare)
}

/// `error handler`, `failure rate`, `crash report`: the word is half of a name.
fn noun_after(message: &[u8], end: usize) -> bool {
    const NOUNS: [&[u8]; 73] = [
        b"strings",
        b"string",
        b"list",
        b"lists",
        b"classes",
        b"codes",
        b"types",
        b"templates",
        b"texts",
        b"collector",
        b"messages",
        b"channel",
        b"queue",
        b"support",
        b"correcting",
        b"handler",
        b"handlers",
        b"handling",
        b"page",
        b"pages",
        b"log",
        b"logs",
        b"logger",
        b"logging",
        b"reporting",
        b"reporter",
        b"report",
        b"reports",
        b"threshold",
        b"thresholds",
        b"rate",
        b"rates",
        b"correction",
        b"correcting",
        b"checking",
        b"recovery",
        b"budget",
        b"count",
        b"counts",
        b"counter",
        b"counters",
        b"level",
        b"levels",
        b"stream",
        b"output",
        b"stats",
        b"statistics",
        b"tracking",
        b"tracker",
        b"mode",
        b"limit",
        b"boundary",
        b"injection",
        b"detection",
        b"detector",
        b"callback",
        b"callbacks",
        b"middleware",
        b"policy",
        b"document",
        b"template",
        b"notifications",
        b"collection",
        b"domain",
        b"domains",
        b"timeout",
        b"file",
        b"dump",
        b"dumps",
        b"safe",
        b"over",
        b"script",
        b"tests",
    ];
    let rest = &message[end..];
    if rest.first() != Some(&b' ') {
        return false;
    }
    let len = rest[1..].iter().take_while(|b| is_word(**b)).count();
    let word = &rest[1..=len];
    if !NOUNS.iter().any(|n| n.eq_ignore_ascii_case(word)) {
        return false;
    }
    let counted = [&b"count"[..], b"counts", b"rate", b"counter"].iter().any(|n| n.eq_ignore_ascii_case(word));
    if counted && non_zero(&rest[1 + len..]) {
        return false;
    }
    // `error file not found` is an error; `error file is set to` is not worth telling apart from it.
    let tail = &rest[1 + len..];
    !(starts_fold(tail, b" not ") || starts_fold(tail, b" exceeded"))
}

/// `exceptions are logged to …`: what is done with errors, not one of them.
fn said_of(rest: &[u8]) -> bool {
    const DONE: [&[u8]; 8] =
        [b"logged", b"written", b"reported", b"sent", b"ignored", b"handled", b"collected", b"recorded"];
    [&b"are "[..], b"will be ", b"is "]
        .iter()
        .any(|verb| starts_fold(rest, verb) && DONE.iter().any(|done| starts_fold(&rest[verb.len()..], done)))
}

/// Whether a number other than 0 follows, perhaps behind `=`, `:` or `of`.
fn non_zero(rest: &[u8]) -> bool {
    let gap = rest.iter().take(4).take_while(|b| matches!(b, b' ' | b'=' | b':' | b'(' | b'[')).count();
    let value = &rest[gap..];
    let value = value.strip_prefix(b"-").unwrap_or(value);
    if let Some(hex) = value.strip_prefix(b"0x") {
        return hex.iter().take_while(|b| b.is_ascii_hexdigit()).any(|b| *b != b'0');
    }
    number(value).is_some_and(|(n, _)| n != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(message: &str) -> Option<Severity> {
        judge(message.as_bytes(), 0, false).filter(|f| f.kind != Kind::Recovery).map(|f| f.severity)
    }

    #[test]
    fn words_count_in_position_only() {
        for message in [
            "no error",
            "0 errors, 0 warnings",
            "error=null",
            "errors: 0",
            "finished without error",
            "GET /error.html",
            "opened error_log",
            "error handler registered",
            "on error resume next",
            "failed=0 ok=12",
            "failed: 0",
            "http://x/y?error=1 fetched",
            "set error.level to 3",
            "user typed \"error\" twice",
            "failover complete",
            "if this fails we retry",
            "no failures",
            "error code 0",
            "error rate 0.00",
            "last error: none",
            "not an error",
            "ErrorHandler installed",
            "found 0 failed jobs",
            "parity error corrected",
            "fail2ban started",
            "exit code 0",
            "ignoring error",
            "error: \"\"",
            "crash reporter started at /var/crash",
            "test_failed_login ok",
        ] {
            assert_eq!(severity(message), None, "{message}");
        }
        for message in [
            "connect failed",
            "an error occurred",
            "3 errors found",
            "error: disk on fire",
            "cannot open file",
            "unable to connect",
            "status=failed",
            "request timed out",
            "Connection refused",
            "exit code 137",
            "command exited with status 2",
            "last error: disk offline",
            "Error reading file",
            "service crashed",
        ] {
            assert!(severity(message) >= Some(Severity::Medium), "{message}");
        }
    }

    #[test]
    fn what_needs_no_level_is_known() {
        for (message, expected) in [
            ("Kernel panic - not syncing: VFS", Critical),
            ("Out of memory: Killed process 123 (java)", Critical),
            ("foo[12]: segfault at 0 ip 0 sp 0 error 4", High),
            ("blk_update_request: I/O error, dev sda, sector 1", High),
            ("INFO: task kworker:1 blocked for more than 120 seconds.", High),
            ("mce: [Hardware Error]: Machine check events logged", Critical),
            ("EXT4-fs (sda1): Remounting filesystem read-only", Critical),
            ("foo.service: Failed with result 'exit-code'.", High),
            ("Traceback (most recent call last):", High),
            ("panic: runtime error: index out of range", Critical),
            ("thread 'main' panicked at src/main.rs:1:1:", Critical),
            ("java.lang.IllegalStateException: no", High),
            ("app.rb:3:in `x': undefined method (NoMethodError)", High),
            ("BUG: unable to handle page fault for address: 0", Critical),
        ] {
            assert_eq!(severity(message), Some(expected), "{message}");
        }
        assert_eq!(severity("Failed password for root from 10.0.0.1 port 22 ssh2"), Some(Low));
    }

    #[test]
    fn a_recovery_is_seen() {
        let found = judge(b"connection to db restored", 0, false).unwrap();
        assert_eq!(found.kind, Kind::Recovery);
        assert!(
            judge(b"could not be recovered", 0, false)
                .is_some_and(|f| f.kind == Kind::Line || f.kind == Kind::Recovery)
        );
    }
}
