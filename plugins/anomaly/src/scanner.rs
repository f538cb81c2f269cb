//! Bytes in, events out: the engine that both the collector and `ghostd scan` run.
//!
//! It holds one block, what is left of the line before it, and the event that is open. A quiet block costs one pass
//! of the prefilter and one count of line ends; lines are looked at only where something matched, and one by one only
//! while an event is open. It knows nothing of files and offsets: [`Scanner::pending`] says how many bytes at the end
//! of what it was fed do not yet make a line.

use crate::alike::Alike;
use crate::bytes::{count_byte, find_byte, rfind_byte, trim};
use crate::classify::{self, Kind, Verdict, header};
use crate::event::join::{Context, exception_line, looks_like_frame, opens_trace};
use crate::event::{Assembler, Event, Offer};
use crate::prefilter::Prefilter;
use crate::severity::Severity;

/// What is wanted of a scan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Events below this are not handed out.
    pub min_severity: Severity,
    /// Whether recoveries are handed out (as events of severity low and kind [`Kind::Recovery`]).
    pub recoveries: bool,
    /// Lines that hold one of these texts (with `*` between their parts) are events of severity low at least. The
    /// prefilter must know them.
    pub watch: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_severity: Severity::Medium, recoveries: false, watch: Vec::new() }
    }
}

/// What was met on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Line ends passed.
    pub lines: u64,
    /// Lines that were cut at [`MAX_LINE_BYTES`].
    pub long_lines: u64,
    /// Lines that are no text.
    pub binary_lines: u64,
    /// Lines the prefilter let through.
    pub candidates: u64,
}

/// What is looked at of one line; the rest of it is passed over. A line without an end must not fill the memory.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// So much before a line is kept, to see what it continues.
const LOOK_BACK_BYTES: usize = 8 * 1024;
/// Lines without indentation that may continue an entry.
const NEAR_LINES: usize = 2;
/// So many lines are gone back at most.
const LOOK_BACK_LINES: usize = 48;

/// Reads one stream of lines.
pub struct Scanner<'p> {
    filter: &'p Prefilter,
    options: Options,
    /// A line end, what is kept of the past, then what is to be read.
    buffer: Vec<u8>,
    /// Where in `buffer` the first line begins that was not read.
    next: usize,
    /// The number of that line.
    line: u64,
    /// The rest of a cut line is being passed over.
    skipping: bool,
    assembler: Assembler,
    alike: Alike,
    counts: Counts,
    scratch: Vec<u8>,
}

impl<'p> Scanner<'p> {
    /// A scanner for a stream that begins with line `line`.
    pub fn new(filter: &'p Prefilter, options: Options, line: u64) -> Self {
        Self {
            filter,
            options,
            buffer: vec![b'\n'],
            next: 1,
            line,
            skipping: false,
            assembler: Assembler::default(),
            alike: Alike::default(),
            counts: Counts::default(),
            scratch: Vec::new(),
        }
    }

    /// Goes on where an earlier scanner of the same stream stopped.
    pub fn resume(&mut self, context: Option<Context>, skipping: bool) {
        self.assembler = Assembler::resume(context);
        self.skipping = skipping;
    }

    /// What [`Scanner::resume`] needs: the open event's context, and whether a cut line is being passed over.
    pub fn context(&self) -> (Option<Context>, bool) {
        (self.assembler.context().cloned(), self.skipping)
    }

    /// How many bytes at the end of what was fed were not read, because no line end has come.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.next
    }

    /// The bytes of [`Scanner::pending`].
    pub fn pending_bytes(&self) -> &[u8] {
        &self.buffer[self.next..]
    }

    /// The number of the next line.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// What was met so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Reads a block. Blocks need not end at line ends.
    pub fn feed(&mut self, mut block: &[u8], sink: &mut dyn FnMut(Event)) {
        if self.skipping {
            match find_byte(block, b'\n') {
                Some(end) => {
                    block = &block[end + 1..];
                    self.skipping = false;
                    self.line += 1;
                    self.counts.lines += 1;
                }
                None => return,
            }
        }
        // A hole in a sparse file, or what a writer without O_APPEND leaves after a truncation.
        if self.pending() == 0 {
            let zeros = block.iter().take_while(|b| **b == 0).count();
            block = &block[zeros..];
        }
        self.buffer.extend_from_slice(block);
        if let Some(last) = rfind_byte(&self.buffer[self.next..], b'\n') {
            let end = self.next + last + 1;
            self.lines(end, sink);
            self.next = end;
        }
        if self.pending() > MAX_LINE_BYTES {
            self.cut_line(sink);
        }
        self.forget();
    }

    /// The end of the stream: what is left is a line too, and the open event ends.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Event)) {
        if self.pending() > 0 {
            self.buffer.push(b'\n');
            let end = self.buffer.len();
            self.lines(end, sink);
            self.next = end;
        }
        self.flush(sink);
    }

    /// The end of what there is now: the open event is handed out, what is added to it later joins silently.
    pub fn flush(&mut self, sink: &mut dyn FnMut(Event)) {
        if let Some(event) = self.assembler.flush() {
            self.emit(event, sink);
        }
    }

    /// Reads the lines of `buffer[next..end]`, which ends with a line end.
    fn lines(&mut self, end: usize, sink: &mut dyn FnMut(Event)) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut scratch = std::mem::take(&mut self.scratch);
        let before = self.line;
        let mut at = self.next;
        let mut head = None;
        while at < end {
            if self.assembler.is_open() {
                let stop = at + find_byte(&buffer[at..end], b'\n').unwrap_or(end - at - 1);
                let line = classify::plain(bounded(&buffer[at..stop]), &mut scratch);
                let fresh = self.assembler.is_fresh();
                if fresh && let Some(verdict) = self.alike.verdict(line) {
                    self.flush(sink);
                    self.counts.candidates += 1;
                    self.assembler.begin(self.line, line, &verdict);
                    at = stop + 1;
                    self.line += 1;
                    continue;
                }
                match self.assembler.offer(self.line, line) {
                    Offer::Joined => {
                        at = stop + 1;
                        self.line += 1;
                        continue;
                    }
                    Offer::Refused(event, header) => {
                        head = header;
                        if fresh {
                            self.alike.ended_by(line);
                        }
                        if let Some(event) = event {
                            self.emit(event, sink);
                        }
                    }
                }
            }
            // A pattern for the start of a line matches the line end before it.
            let Some(hit) = self.filter.find(&buffer[..end], at - 1) else {
                self.line += count_byte(&buffer[at..end], b'\n');
                break;
            };
            let hit = hit.max(at);
            let start = at + rfind_byte(&buffer[at..hit], b'\n').map_or(0, |i| i + 1);
            if start > at {
                self.line += count_byte(&buffer[at..start], b'\n');
                head = None;
            }
            let stop = hit + find_byte(&buffer[hit..end], b'\n').unwrap_or(end - hit - 1);
            let (start, stop) = if buffer[hit] == b'\n' && hit + 1 < end && hit >= at && stop == hit {
                // The pattern began at the line end before the line it is about.
                self.line += count_byte(&buffer[start..=hit], b'\n');
                head = None;
                let start = hit + 1;
                (start, start + find_byte(&buffer[start..end], b'\n').unwrap_or(end - start - 1))
            } else {
                (start, stop)
            };
            self.candidate(&buffer, start, stop, head.take(), &mut scratch);
            at = stop + 1;
            self.line += 1;
        }
        // Each line end that was passed moved the number on: counting them once is enough.
        self.counts.lines += self.line - before;
        self.buffer = buffer;
        self.scratch = scratch;
    }

    /// Looks at the line `buffer[start..stop]`, whose number is `self.line`.
    fn candidate(
        &mut self,
        buffer: &[u8],
        start: usize,
        stop: usize,
        head: Option<header::Header>,
        scratch: &mut Vec<u8>,
    ) {
        self.counts.candidates += 1;
        let raw = bounded(&buffer[start..stop]);
        let raw = &raw[raw.iter().take_while(|b| **b == 0).count()..];
        if is_binary(raw) {
            self.counts.binary_lines += 1;
            return;
        }
        let line = classify::plain(raw, scratch);
        let mut verdict = match head {
            Some(head) => classify::classify_headed(line, head),
            None => classify::classify(line),
        };
        let wanted = verdict.is_anomaly()
            || verdict.severity.is_some() && self.options.min_severity == Severity::Low
            || verdict.kind == Kind::Recovery && self.options.recoveries;
        if !wanted {
            if self.options.watch.is_empty() {
                return;
            }
            let text = String::from_utf8_lossy(line);
            if !self.options.watch.iter().any(|pattern| crate::config::contains(pattern, &text)) {
                return;
            }
            verdict.severity = verdict.severity.or(Some(Severity::Low));
            verdict.kind = Kind::Line;
        }
        if !verdict.header.has_time && verdict.header.body == 0 {
            match self.before(buffer, start, line, &verdict) {
                Before::Nothing => {}
                Before::BelongsToHarmless => return,
                Before::LoggedBy(from, lines) => {
                    // A trace printed under a line of lower level: the event begins with that line.
                    let mut other = Vec::new();
                    let first = classify::plain(bounded(&buffer[from..start - 1]), &mut other);
                    let mut logged = classify::classify(first);
                    logged.severity = Some(Severity::Medium);
                    logged.kind = if verdict.level.is_some() { verdict.kind } else { Kind::Trace };
                    if logged.level.is_none() {
                        logged.severity = verdict.severity;
                    }
                    self.assembler.begin(self.line - lines, first, &logged);
                    let mut at = from;
                    for number in self.line - lines + 1..=self.line {
                        at += find_byte(&buffer[at..], b'\n').map_or(0, |i| i + 1);
                        let end = at + find_byte(&buffer[at..], b'\n').unwrap_or(0);
                        let mut more = Vec::new();
                        self.assembler.offer_any(number, classify::plain(bounded(&buffer[at..end]), &mut more));
                    }
                    return;
                }
            }
        }
        self.alike.note(line, &verdict);
        self.assembler.begin(self.line, line, &verdict);
    }

    /// What a line without a head of its own belongs to.
    fn before(&self, buffer: &[u8], start: usize, line: &[u8], verdict: &Verdict) -> Before {
        let trimmed = trim(line);
        let indented = line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
        if indented && looks_like_frame(trimmed) {
            return Before::BelongsToHarmless;
        }
        if verdict.level.is_some() && !indented {
            return judged_above(buffer, start).or_else(|| thrown_at(buffer, start)).unwrap_or(Before::Nothing);
        }
        let opens = verdict.kind == Kind::Trace && !indented;
        if opens && let Some(found) = thrown_at(buffer, start) {
            return found;
        }
        let mut end = start;
        for back in 1..=LOOK_BACK_LINES {
            if end <= 1 {
                return Before::Nothing;
            }
            let from = rfind_byte(&buffer[..end - 1], b'\n').map_or(0, |i| i + 1);
            let before = bounded(&buffer[from..end - 1]);
            if from == 0 || trim(before).is_empty() {
                return Before::Nothing;
            }
            let mut scratch = Vec::new();
            let before = classify::plain(before, &mut scratch);
            let head = header::parse(before);
            let entry = head.has_time || head.body > 0 || head.level.is_some();
            let place = before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
            if indented && back == 1 && !entry && place > 0 && before[..before.len() - place].ends_with(b":") {
                // Where Node says that something was thrown; the source follows, then what it was.
                return Before::LoggedBy(from, 1);
            }
            if entry && !before[0].is_ascii_whitespace() {
                let level = head.level.map(|(level, _)| level).or_else(|| classify::classify(before).level);
                let Some(level) = level.filter(|_| head.body == 0) else {
                    // An entry whose text begins on the next line, as Samba writes them.
                    let titled =
                        indented && back == 1 && head.body == 0 && head.has_time && trim(before).ends_with(b")");
                    return if titled { Before::LoggedBy(from, 1) } else { Before::Nothing };
                };
                if opens {
                    let logged = back == 1 && head.has_time && (exception_line(trimmed) || level.severity().is_some());
                    return if logged && !stands_alone(trimmed) { Before::LoggedBy(from, 1) } else { Before::Nothing };
                }
                // What is not indented continues an entry only close to it: programs print between entries too.
                let belongs = indented || head.has_time && back <= NEAR_LINES && !verdict.certain;
                return if belongs && level.severity() < Some(Severity::Medium) {
                    Before::BelongsToHarmless
                } else {
                    Before::Nothing
                };
            }
            if opens && back > 1 {
                return Before::Nothing;
            }
            end = from;
        }
        Before::Nothing
    }

    /// A line longer than is looked at: its beginning is judged, the rest is passed over.
    fn cut_line(&mut self, sink: &mut dyn FnMut(Event)) {
        let end = self.next + MAX_LINE_BYTES;
        self.buffer.truncate(end);
        self.buffer.push(b'\n');
        let (line, lines) = (self.line, self.counts.lines);
        self.lines(end + 1, sink);
        // The line has not ended yet.
        self.line = line;
        self.counts.lines = lines;
        self.counts.long_lines += 1;
        self.next = end + 1;
        self.skipping = true;
    }

    /// Drops what was read, but for what [`Scanner::before`] may want.
    fn forget(&mut self) {
        let keep = self.next.saturating_sub(LOOK_BACK_BYTES);
        if keep > 0 {
            self.buffer.drain(..keep);
            self.next -= keep;
        }
    }

    fn emit(&self, event: Event, sink: &mut dyn FnMut(Event)) {
        let wanted = if event.kind == Kind::Recovery {
            self.options.recoveries
        } else {
            event.severity >= self.options.min_severity
        };
        if wanted {
            sink(event);
        }
    }
}

enum Before {
    Nothing,
    BelongsToHarmless,
    /// Where the line begins that logged this trace, and how many lines before.
    LoggedBy(usize, u64),
}

/// Node prints where an exception was thrown, the source and a caret before the exception itself.
fn thrown_at(buffer: &[u8], start: usize) -> Option<Before> {
    let mut end = start;
    let mut caret = false;
    for back in 1..=6 {
        let from = rfind_byte(buffer.get(..end.checked_sub(1)?)?, b'\n').map_or(0, |i| i + 1);
        let line = trim(bounded(&buffer[from..end - 1]));
        caret |= !line.is_empty() && line.iter().all(|b| *b == b'^');
        let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        if caret && digits > 0 && line.len() > digits && line[line.len() - digits - 1] == b':' {
            return Some(Before::LoggedBy(from, back));
        }
        if from == 0 || back > 2 && !caret {
            return None;
        }
        end = from;
    }
    None
}

/// `java.util.logging` writes time, class and method on one line, level and message on the next.
fn judged_above(buffer: &[u8], start: usize) -> Option<Before> {
    let from = rfind_byte(buffer.get(..start.checked_sub(1)?)?, b'\n').map_or(0, |i| i + 1);
    let line = trim(bounded(&buffer[from..start - 1]));
    let half = [&b" AM "[..], b" PM "].iter().find_map(|half| crate::bytes::find(line, half))?;
    let place = &line[half + 4..];
    let words = place.split(|b| *b == b' ').count();
    let named = words <= 2 && place.contains(&b'.') && header::parse(line).level.is_none();
    (half < 32 && from > 0 && named).then_some(Before::LoggedBy(from, 1))
}

/// A runtime's last words, which no logger prints under a line of its own.
fn stands_alone(text: &[u8]) -> bool {
    opens_trace(text) && !crate::bytes::starts_fold(text, b"traceback")
}

fn bounded(line: &[u8]) -> &[u8] {
    &line[..line.len().min(MAX_LINE_BYTES)]
}

/// More control characters than text has.
fn is_binary(line: &[u8]) -> bool {
    let head = &line[..line.len().min(512)];
    let controls = head.iter().filter(|b| matches!(b, 0..=8 | 14..=26 | 28..=31 | 127)).count();
    controls * 20 > head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_by(text: &str, block: usize) -> Vec<Event> {
        let filter = Prefilter::new();
        let mut scanner = Scanner::new(&filter, Options::default(), 1);
        let mut events = Vec::new();
        for part in text.as_bytes().chunks(block) {
            scanner.feed(part, &mut |event| events.push(event));
        }
        scanner.finish(&mut |event| events.push(event));
        events
    }

    fn scan(text: &str) -> Vec<(u64, u64)> {
        let whole = scan_by(text, 1 << 20);
        for block in [1, 7, 64] {
            assert_eq!(scan_by(text, block), whole, "blocks of {block}");
        }
        whole.iter().map(|e| (e.line, e.end_line)).collect()
    }

    #[test]
    fn a_trace_is_one_event_with_its_innermost_cause() {
        let text = "2024-01-02 03:04:05,123 INFO  [main] a.B - fine\n\
                    2024-01-02 03:04:06,123 ERROR [main] a.B - request failed\n\
                    java.lang.IllegalStateException: outer\n\
                    \tat a.B.c(B.java:12)\n\
                    \tat a.B.d(B.java:13)\n\
                    Caused by: java.io.IOException: inner\n\
                    \tat a.B.e(B.java:14)\n\
                    \t... 12 more\n\
                    2024-01-02 03:04:07,123 INFO  [main] a.B - fine\n";
        assert_eq!(scan(text), [(2, 8)]);
        assert_eq!(scan_by(text, 99)[0].cause.as_deref(), Some("java.io.IOException: inner"));
    }

    #[test]
    fn a_python_traceback_ends_with_its_exception() {
        let text = "starting\nTraceback (most recent call last):\n  File \"/x.py\", line 3, in f\n    g()\nValueError: bad\nnext line\n";
        assert_eq!(scan(text), [(2, 5)]);
        assert_eq!(scan_by(text, 99)[0].cause.as_deref(), Some("ValueError: bad"));
    }

    #[test]
    fn go_and_rust_panics_are_whole() {
        let text = "2024/01/02 03:04:05 serving\npanic: runtime error: index out of range\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/x/main.go:12 +0x1d\nmain.main()\n\t/x/main.go:3 +0x2\nexit status 2\n2024/01/02 03:04:06 serving\n";
        assert_eq!(scan(text), [(2, 9)]);
        let text = "thread 'main' panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1`\nok\n";
        assert_eq!(scan(text), [(1, 3)]);
    }

    #[test]
    fn a_kernel_report_is_whole() {
        let text = "Jan  2 03:04:05 h kernel: [   10.000001] usb fine\n\
                    Jan  2 03:04:05 h kernel: [   12.345678] BUG: unable to handle page fault for address: 0\n\
                    Jan  2 03:04:05 h kernel: [   12.345679] #PF: supervisor read access\n\
                    Jan  2 03:04:05 h kernel: [   12.345680] RIP: 0010:foo+0x1/0x2\n\
                    Jan  2 03:04:05 h kernel: [   12.345681] Call Trace:\n\
                    Jan  2 03:04:05 h kernel: [   12.345682]  bar+0x1/0x2\n\
                    Jan  2 03:04:05 h kernel: [   12.345683] ---[ end trace 0 ]---\n\
                    Jan  2 03:04:09 h kernel: [   16.000000] usb fine\n";
        assert_eq!(scan(text), [(2, 7)]);
    }

    #[test]
    fn what_continues_a_harmless_entry_is_harmless() {
        let text = "2024-01-02 03:04:05 INFO dump follows\n    error: something\n2024-01-02 03:04:05 INFO on\n";
        assert_eq!(scan(text), []);
        let text = "2024-01-02 03:04:05 WARN retry\njava.net.ConnectException: refused\n\tat a.B.c(B.java:1)\n2024-01-02 03:04:05 INFO on\n";
        assert_eq!(scan(text), [(1, 3)]);
    }

    #[test]
    fn endless_lines_and_binary_data_are_bounded() {
        let filter = Prefilter::new();
        let mut scanner = Scanner::new(&filter, Options::default(), 1);
        let mut events = Vec::new();
        let block = vec![b'x'; 1 << 20];
        for _ in 0..64 {
            scanner.feed(&block, &mut |event| events.push(event));
            assert!(scanner.buffer.capacity() < 4 << 20);
        }
        scanner.feed(b" error\nERROR after\n", &mut |event| events.push(event));
        scanner.finish(&mut |event| events.push(event));
        assert_eq!(events.iter().map(|e| e.line).collect::<Vec<_>>(), [2]);
        assert_eq!(scanner.counts().long_lines, 1);
    }

    #[test]
    fn a_hole_before_a_line_does_not_hide_it() {
        let filter = Prefilter::new();
        let mut scanner = Scanner::new(&filter, Options::default(), 1);
        let mut events = Vec::new();
        for _ in 0..3 {
            scanner.feed(&[0; 100_000], &mut |event| events.push(event));
        }
        scanner.feed(b"2024-01-02 ERROR x\n", &mut |event| events.push(event));
        scanner.finish(&mut |event| events.push(event));
        assert_eq!(events.len(), 1);
    }
}
