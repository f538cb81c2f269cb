//! A guest's log: what it writes through `ghost:host/log`, to standard output and to standard error.
//!
//! A stream that is full would make `println!` panic in the guest, so what is beyond the quota is dropped and
//! counted, and writing always succeeds.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Lines of standard error that are kept beyond the quota: the last of them is where a panic says why.
const LAST_WORDS: usize = 4;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details of details.
    Trace,
    /// Details.
    Debug,
    /// For the record.
    Info,
    /// Not as it should be.
    Warn,
    /// Something failed.
    Error,
}

/// One line of a guest's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text without its line feed; control characters are replaced.
    pub text: String,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Vec<LogLine>,
    quota: usize,
    max_line_bytes: usize,
    dropped: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: VecDeque<String>,
}

/// The log of one call. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LogBuffer(Arc<Mutex<Shared>>);

impl LogBuffer {
    /// A log that takes `quota` lines of at most `max_line_bytes`; of a longer one the rest is cut, and the cut shown.
    pub fn new(quota: u32, max_line_bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Shared { quota: quota as usize, max_line_bytes, ..Shared::default() })))
    }

    /// Adds a line, or counts it where the quota is used up.
    pub fn push(&self, level: Level, text: &[u8]) {
        self.with(|shared| shared.push(level, text));
    }

    /// The standard stream that arrives here with this level.
    pub fn stream(&self, level: Level) -> LogStream {
        LogStream { log: self.clone(), level }
    }

    /// Everything that was written, and how many lines were dropped.
    pub fn finish(&self) -> (Vec<LogLine>, u64) {
        self.with(|shared| {
            for level in [Level::Info, Level::Warn] {
                let rest = std::mem::take(shared.partial(level));
                if !rest.is_empty() {
                    shared.push(level, &rest);
                }
            }
            (std::mem::take(&mut shared.lines), std::mem::take(&mut shared.dropped))
        })
    }

    /// What was written to standard error last: a panic's message stands nowhere else.
    pub fn last_words(&self) -> Option<String> {
        self.with(|shared| {
            let rest = String::from_utf8_lossy(&shared.stderr).into_owned();
            let mut words: Vec<&str> = shared.last_words.iter().map(String::as_str).collect();
            words.push(&rest);
            let text = words.join(" ").trim().to_owned();
            (!text.is_empty()).then_some(text)
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Shared) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn partial(&mut self, level: Level) -> &mut Vec<u8> {
        if level == Level::Warn { &mut self.stderr } else { &mut self.stdout }
    }

    fn push(&mut self, level: Level, text: &[u8]) {
        if self.lines.len() < self.quota {
            self.lines.push(LogLine { level, text: printable(text, self.max_line_bytes) });
        } else {
            self.dropped += 1;
        }
    }

    fn write(&mut self, level: Level, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let mut line = std::mem::take(self.partial(level));
            let room = (self.max_line_bytes + 1).saturating_sub(line.len());
            line.extend_from_slice(&rest[..end.min(room)]);
            if level == Level::Warn {
                if self.last_words.len() == LAST_WORDS {
                    self.last_words.pop_front();
                }
                self.last_words.push_back(printable(&line, self.max_line_bytes));
            }
            self.push(level, &line);
            rest = &rest[end + 1..];
        }
        let max = self.max_line_bytes + 1;
        let partial = self.partial(level);
        let room = max.saturating_sub(partial.len());
        partial.extend_from_slice(&rest[..rest.len().min(room)]);
    }
}

/// Text as it may be shown on a terminal: no control characters, no invalid UTF-8, no endless lines.
fn printable(bytes: &[u8], max_bytes: usize) -> String {
    let cut = bytes.len() > max_bytes;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(max_bytes)]);
    let mut text: String =
        text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if cut {
        text.push('…');
    }
    text
}

/// Standard output or standard error of a guest.
#[derive(Debug, Clone)]
pub struct LogStream {
    log: LogBuffer,
    level: Level,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.with(|shared| shared.write(self.level, &bytes));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.log.with(|shared| shared.write(self.level, bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_cut_and_counted() {
        let log = LogBuffer::new(3, 8192);
        log.with(|shared| shared.write(Level::Info, b"one\ntw"));
        log.with(|shared| shared.write(Level::Info, b"o\n\x1b[31mthree"));
        log.push(Level::Error, b"four");
        log.push(Level::Error, b"five");
        let (lines, dropped) = log.finish();
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "two", "four"]);
        assert_eq!(dropped, 2, "`five` and the unfinished line");
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let log = LogBuffer::new(3, 8192);
        for _ in 0..1000 {
            log.with(|shared| shared.write(Level::Info, &[b'x'; 4096]));
        }
        let (lines, _) = log.finish();
        assert_eq!(lines[0].text.len(), 8192 + '…'.len_utf8());
    }

    #[test]
    fn a_panic_is_remembered_beyond_the_quota() {
        let log = LogBuffer::new(0, 8192);
        log.with(|shared| shared.write(Level::Warn, b"thread 'main' panicked at src/lib.rs:1:\nboom\n"));
        assert_eq!(log.last_words().unwrap(), "thread 'main' panicked at src/lib.rs:1: boom");
    }
}
