//! The audit log: every operation on the record, one line each, each tied to the one before.
//!
//! ```text
//! {"sequence":7,"at":"…","operation":"delete","data":{…},"previous":"…","sha256":"…"}
//! ```
//!
//! `sha256` is of the line's bytes before `,"sha256":`, and `previous` is the `sha256` of the line before, so a line
//! that was edited, removed, put elsewhere or cut off is found. Lines cut off at the end are found by what the
//! snapshots say of the log (their `audit_head`). What is not known here: whoever can rewrite the whole log can
//! rewrite every hash in it; only a copy of a later hash elsewhere (a snapshot that was sealed, a published head)
//! gives that away. A log that has grown goes on in a new file (`store::audit_file`); the chain goes on with it.
//!
//! Owns: the form of a line and of the chain. Must not know: where the log is kept, what an operation means. What is
//! written was sanitized by whoever asks for it.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::{AuditHead, Digest, Wall};

/// The longest line that is written or read, in bytes. It bounds what a broken or hostile log can cost.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// Lines are synced at the latest when this many bytes of them are not.
pub const MAX_UNSYNCED_BYTES: usize = 64 << 10;
/// The size at which the log goes on in a new file, where nothing else is said. A hundred days of captures every five
/// minutes.
const ROTATE_BYTES: u64 = 16 << 20;
/// `,"sha256":"` + 64 digits + `"}`.
const SEAL_BYTES: usize = 11 + 64 + 2;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Grows by one with each, for the life of the store.
    pub sequence: u64,
    /// When.
    pub at: Wall,
    /// `capture`, `delete`, `keep`, …
    pub operation: String,
    /// What it was about: a JSON object.
    pub data: Json,
    /// The `sha256` of the line before; null for the first.
    pub previous: Option<Digest>,
    /// Of this line's bytes before `,"sha256":`.
    pub sha256: Digest,
}

impl Line {
    /// What names this line to those who refer to it.
    pub fn head(&self) -> AuditHead {
        AuditHead { sequence: self.sequence, sha256: self.sha256 }
    }
}

/// Where the log is kept: something that is added to at its end.
pub trait Medium: Send {
    /// Adds bytes at the end. After an error any number of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything that was added durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the log to a length in bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Goes on in a new file; the log has this length, all of it durable. After an error it goes on in the old one.
    fn rotate(&mut self, length: u64) -> io::Result<()> {
        let _ = length;
        Ok(())
    }
}

/// Why a line could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It would be longer than a line may be.
    #[error("an audit line for `{operation}` has {size} bytes, more than the {MAX_LINE_BYTES} that one may have")]
    TooLong {
        /// What it was for.
        operation: String,
        /// Its size.
        size: usize,
    },
    /// The log could not be written.
    #[error("cannot {operation} the audit log")]
    Io {
        /// `append to`, `sync`, `cut`.
        operation: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl AuditError {
    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// The log, open for writing by the only writer.
pub struct Log {
    medium: Box<dyn Medium>,
    head: Option<AuditHead>,
    synced_head: Option<AuditHead>,
    /// The log's length in bytes up to which it is durable.
    synced_bytes: u64,
    /// What was added since. After a failed sync the kernel may have dropped it, so it is kept to be written anew.
    unsynced: Vec<u8>,
    /// Whether what stands behind `synced_bytes` may differ from `unsynced`.
    doubtful: bool,
    /// Where the file that is added to begins.
    base: u64,
    rotate_bytes: u64,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("head", &self.head)
            .field("synced_bytes", &self.synced_bytes)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Goes on after `tail`, which was read from the medium. What is torn behind the last line feed is cut off: it
    /// was never said to be there.
    pub fn resume(medium: Box<dyn Medium>, tail: &Tail) -> Self {
        Self {
            medium,
            head: tail.head.clone(),
            // A crash may have left complete lines that were never synced. They count as synced only after the next
            // sync, which every head that is referred to waits for.
            synced_head: None,
            synced_bytes: tail.length,
            unsynced: Vec::new(),
            doubtful: tail.torn_bytes > 0,
            base: 0,
            rotate_bytes: ROTATE_BYTES,
        }
    }

    /// The same where the file that is added to begins at that place of the log.
    pub fn beginning_at(self, base: u64) -> Self {
        Self { base, ..self }
    }

    /// Goes on in a new file once the one that is added to has so many bytes.
    pub fn rotate_at(&mut self, bytes: u64) {
        self.rotate_bytes = bytes.max(1);
    }

    /// The last line, durable or not.
    pub fn head(&self) -> Option<&AuditHead> {
        self.head.as_ref()
    }

    /// The log's length in bytes, durable or not.
    pub fn length(&self) -> u64 {
        self.synced_bytes + self.unsynced.len() as u64
    }

    /// Adds a line, durable only after [`Log::sync`].
    pub fn append(&mut self, at: Wall, operation: &str, data: Json) -> Result<AuditHead, AuditError> {
        self.rotate();
        let sequence = self.head.as_ref().map_or(1, |head| head.sequence.saturating_add(1));
        let previous = self.head.as_ref().map(|head| head.sha256);
        let (text, head) = render(sequence, at, operation, data, previous);
        if text.len() > MAX_LINE_BYTES {
            return Err(AuditError::TooLong { operation: operation.to_owned(), size: text.len() });
        }
        self.settle()?;
        if let Err(source) = self.medium.append(text.as_bytes()) {
            self.doubtful = true;
            // Best now; where it fails, the next line does it first.
            let _ = self.settle();
            return Err(AuditError::Io { operation: "append to", source });
        }
        self.unsynced.extend_from_slice(text.as_bytes());
        self.head = Some(head.clone());
        if self.unsynced.len() > MAX_UNSYNCED_BYTES {
            // The line is there; a sync that fails now is tried again by whoever needs it.
            let _ = self.sync();
        }
        Ok(head)
    }

    /// Makes every line durable, and says which is the last.
    pub fn sync(&mut self) -> Result<Option<AuditHead>, AuditError> {
        if self.synced_head == self.head && !self.doubtful {
            return Ok(self.head.clone());
        }
        self.settle()?;
        if let Err(source) = self.medium.sync() {
            self.doubtful = true;
            return Err(AuditError::Io { operation: "sync", source });
        }
        self.synced_bytes += self.unsynced.len() as u64;
        self.unsynced.clear();
        self.synced_head.clone_from(&self.head);
        Ok(self.head.clone())
    }

    /// Where that fails, the file grows on and the next line tries again.
    fn rotate(&mut self) {
        if self.length().saturating_sub(self.base) >= self.rotate_bytes
            && self.sync().is_ok()
            && self.medium.rotate(self.synced_bytes).is_ok()
        {
            self.base = self.synced_bytes;
        }
    }

    /// Brings the medium to what this believes of it.
    fn settle(&mut self) -> Result<(), AuditError> {
        if !self.doubtful {
            return Ok(());
        }
        self.medium.cut(self.synced_bytes).map_err(|source| AuditError::Io { operation: "cut", source })?;
        self.medium.append(&self.unsynced).map_err(|source| AuditError::Io { operation: "append to", source })?;
        self.doubtful = false;
        Ok(())
    }
}

/// The end of a log as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// The last complete line, where it can be read.
    pub head: Option<AuditHead>,
    /// The log's length in bytes up to its last line feed.
    pub length: u64,
    /// How many bytes stand behind that: a line that a crash has cut.
    pub torn_bytes: u64,
    /// Why the last complete line cannot be trusted.
    pub flaw: Option<String>,
}

/// Reads the end of a log from its last bytes, of which `before` bytes more precede. The last line must be whole in
/// them ([`MAX_LINE_BYTES`] and one are enough).
pub fn read_tail(last_bytes: &[u8], before: u64) -> Tail {
    let Some(end) = last_bytes.iter().rposition(|&byte| byte == b'\n') else {
        return Tail { torn_bytes: last_bytes.len() as u64, length: before, ..Tail::default() };
    };
    let start = last_bytes[..end].iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    let tail = Tail {
        head: None,
        length: before + end as u64 + 1,
        torn_bytes: (last_bytes.len() - end - 1) as u64,
        flaw: None,
    };
    match read_line(&last_bytes[start..end]) {
        Ok(line) => Tail { head: Some(line.head()), ..tail },
        Err(unreadable) => Tail { head: unreadable.claims, flaw: Some(unreadable.reason), ..tail },
    }
}

/// What is wrong at a place of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Flaw {
    /// Its bytes are not those that were written.
    #[error("altered: {reason}")]
    Altered {
        /// How that is known.
        reason: String,
    },
    /// Lines before it are gone.
    #[error("{count} line(s) before it are missing")]
    Removed {
        /// How many.
        count: u64,
    },
    /// It stands where it does not belong.
    #[error("out of order: line {expected} was expected here")]
    Reordered {
        /// Whose place this is.
        expected: u64,
    },
    /// It is intact, and the line before is not the one that was there when it was written.
    #[error("the line before it is not the one that was there when it was written")]
    Unlinked,
    /// The log ends in the middle of a line: a crash, or somebody's hand.
    #[error("torn: the last line has no end")]
    Torn,
    /// Lines at the end are gone: a snapshot that is there says so.
    #[error("{count} line(s) at the end are missing")]
    Cut {
        /// How many at least.
        count: u64,
    },
    /// A snapshot that is there saw another line here.
    #[error("it is not the line that was there when a snapshot was sealed")]
    Replaced,
}

/// A flaw and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The line of the log, counted from 1.
    pub line: u64,
    /// What the line says its sequence is, where that can be read.
    pub sequence: Option<u64>,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What a check of a whole log says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// How many lines there are.
    pub lines: u64,
    /// The last of them that is intact.
    pub head: Option<AuditHead>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Reads a log line by line, oldest first, through what is damaged. Each intact line goes to `visit`. `known` are
/// heads that snapshots or others have seen, in any order.
pub fn verify(log: &mut dyn BufRead, known: &[AuditHead], visit: &mut dyn FnMut(&Line)) -> io::Result<Verification> {
    let mut known: Vec<&AuditHead> = known.iter().collect();
    known.sort_by_key(|head| head.sequence);
    let mut known = known.into_iter().peekable();
    let mut checked = Verification::default();
    // What the line before was, as far as it can be told; its own hash counts even where it does not fit its bytes.
    let mut before: Option<AuditHead> = None;
    let mut highest = 0;
    while let Some((bytes, ended)) = next_line(log)? {
        checked.lines += 1;
        let number = checked.lines;
        let mut add = |sequence, flaw| checked.findings.push(Finding { line: number, sequence, flaw });
        if !ended {
            add(None, Flaw::Torn);
            break;
        }
        let (line, claims) = match read_line(&bytes) {
            Ok(line) => (Some(line.clone()), Some(line.head())),
            Err(unreadable) => {
                add(unreadable.claims.as_ref().map(|head| head.sequence), Flaw::Altered { reason: unreadable.reason });
                (None, unreadable.claims)
            }
        };
        if let Some(line) = line {
            let expected = before.as_ref().map_or(1, |head| head.sequence.saturating_add(1));
            if line.sequence > expected {
                add(Some(line.sequence), Flaw::Removed { count: line.sequence - expected });
            } else if line.sequence < expected {
                add(Some(line.sequence), Flaw::Reordered { expected });
            } else if line.previous != before.as_ref().map(|head| head.sha256) {
                add(Some(line.sequence), Flaw::Unlinked);
            }
            while let Some(head) = known.next_if(|head| head.sequence <= line.sequence) {
                if head.sequence == line.sequence && head.sha256 != line.sha256 {
                    add(Some(line.sequence), Flaw::Replaced);
                }
            }
            highest = highest.max(line.sequence);
            checked.head = Some(line.head());
            visit(&line);
        }
        before = claims.or_else(|| {
            // Not even its place can be read: the next line is held against nothing but its place.
            before.map(|head| AuditHead { sequence: head.sequence.saturating_add(1), ..head })
        });
    }
    if let Some(last) = known.last()
        && last.sequence > highest
    {
        let flaw = Flaw::Cut { count: last.sequence - highest };
        checked.findings.push(Finding { line: checked.lines + 1, sequence: Some(last.sequence), flaw });
    }
    Ok(checked)
}

/// Why bytes are no line of ours, and what they claim all the same.
struct Unreadable {
    reason: String,
    claims: Option<AuditHead>,
}

fn render(sequence: u64, at: Wall, operation: &str, data: Json, previous: Option<Digest>) -> (String, AuditHead) {
    #[derive(Serialize)]
    struct Unsealed<'a> {
        sequence: u64,
        at: Wall,
        operation: &'a str,
        data: Json,
        previous: Option<Digest>,
    }
    // It has no map with keys other than strings, nor a number that JSON does not know.
    let unsealed = serde_json::to_string(&Unsealed { sequence, at, operation, data, previous }).unwrap_or_default();
    let hashed = unsealed.strip_suffix('}').unwrap_or(&unsealed);
    let sha256 = Digest::of(hashed.as_bytes());
    (format!("{hashed},\"sha256\":\"{sha256}\"}}\n"), AuditHead { sequence, sha256 })
}

fn read_line(bytes: &[u8]) -> Result<Line, Unreadable> {
    let bare = |reason: &str| Unreadable { reason: reason.to_owned(), claims: None };
    let line: Line = serde_json::from_slice(bytes).map_err(|_| bare("it is no audit line"))?;
    let Some((hashed, seal)) = bytes.len().checked_sub(SEAL_BYTES).map(|place| bytes.split_at(place)) else {
        return Err(bare("it is no audit line"));
    };
    if seal != format!(",\"sha256\":\"{}\"}}", line.sha256).as_bytes() {
        return Err(Unreadable { reason: "its end has another form".to_owned(), claims: Some(line.head()) });
    }
    let sha256 = Digest::of(hashed);
    if sha256 != line.sha256 {
        let reason = format!("its SHA-256 is {sha256}, it says {}", line.sha256);
        return Err(Unreadable { reason, claims: Some(line.head()) });
    }
    Ok(line)
}

/// The next line without its line feed, and whether it had one. Of a line that is too long the rest is skipped.
fn next_line(log: &mut dyn BufRead) -> io::Result<Option<(Vec<u8>, bool)>> {
    let mut line = Vec::new();
    loop {
        let available = match log.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok((!line.is_empty()).then_some((line, false)));
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(available.len());
        let room = (MAX_LINE_BYTES + 1).saturating_sub(line.len());
        line.extend_from_slice(&available[..taken.min(room)]);
        log.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() {
            return Ok(Some((line, true)));
        }
    }
}

#[cfg(test)]
mod tests;
