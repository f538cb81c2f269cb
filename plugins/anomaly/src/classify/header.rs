//! The head of a line: container prefix, syslog priority, timestamps, host, program, thread, logger, and the level
//! among them.
//!
//! There is no list of formats here. A head is read run by run (a run is what stands between blanks and brackets),
//! and what a run *is* follows from its shape: digits are a time or an id, a capitalised level word is a level, a
//! lower-case one is a level only where brackets, a colon or columns make it one. The head ends where prose begins.

use crate::bytes::{find_byte, number, starts_fold};
use crate::severity::Level;
use std::ops::Range;

/// Where a level came from, which decides what may overrule it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A word or a letter in the head, or a field: the program's own statement.
    Text,
    /// A syslog priority: often the transport's default and not the program's statement.
    Priority,
}

/// What the head of one line says.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// The level, where one is stated.
    pub level: Option<(Level, Source)>,
    /// Where the message begins: behind the level, or behind timestamp, host and program.
    pub message: usize,
    /// Whether there is a timestamp (or another column of digits that every line of a log begins with).
    pub has_time: bool,
    /// The program of a syslog tag, such as `kernel` or `systemd`.
    pub program: Range<usize>,
    /// A field that continues the entry before it: PostgreSQL's `DETAIL:`, `HINT:`, `STATEMENT:`, `CONTEXT:`.
    pub continues: bool,
    /// Where the level begins, or the message where there is none.
    pub message_from: usize,
    /// Where the text begins that is not the container's (behind `web_1  | ` or `2024-… stderr F `).
    pub body: usize,
}

/// How far into a line the head may reach.
const HEAD_BYTES: usize = 384;
/// How many runs the head may have. PostgreSQL's csvlog has its level at the twentieth.
const HEAD_RUNS: u32 = 36;
/// So many words of prose in a row end the head.
const PROSE_WORDS: u32 = 3;

/// Reads the head of `line`.
pub fn parse(line: &[u8]) -> Header {
    let mut header = Header::default();
    let mut at = container_prefix(line);
    header.body = at;
    header.has_time = at > 0 && line[0].is_ascii_digit();
    if let Some((priority, len)) = syslog_priority(&line[at..]) {
        header.level = Some((Level::from_syslog(priority), Source::Priority));
        at += len;
        if line[at..].starts_with(b"1 ") {
            at += rfc5424_head(&line[at..], &mut header, at);
        }
    }
    let mut reader = Reader {
        line,
        at,
        header,
        prose: 0,
        runs: 0,
        last: Last::Start,
        depth: 0,
        tagged: false,
        kept: false,
        names: 0,
    };
    reader.run();
    let mut header = reader.header;
    header.message = header.message.max(header.body).min(line.len());
    if header.message_from == 0 {
        header.message_from = header.message;
    }
    header
}

/// Whether the line begins with something only a new entry begins with: a timestamp, a priority, a level.
pub fn starts_entry(line: &[u8]) -> bool {
    let Some(&first) = line.first() else { return false };
    if first == b' ' || first == b'\t' {
        return false;
    }
    let header = parse(line);
    header.has_time || header.level.is_some()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Start,
    Time,
    Name,
    Upper,
    Prose,
}

struct Reader<'l> {
    line: &'l [u8],
    at: usize,
    header: Header,
    prose: u32,
    runs: u32,
    last: Last,
    depth: u32,
    tagged: bool,
    /// The first word may be the message's: the head ends before it.
    kept: bool,
    /// Runs that are no times: a tag stands behind one (the host) or two of them.
    names: u32,
}

impl Reader<'_> {
    fn run(&mut self) {
        let end = self.line.len().min(HEAD_BYTES.saturating_add(self.at));
        while self.at < end && self.runs < HEAD_RUNS {
            let byte = self.line[self.at];
            match byte {
                b'[' | b'(' | b'<' => self.depth += 1,
                b']' | b')' | b'>' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.names == 0 {
                        self.header_until(self.at + 1);
                    }
                }
                // `{"key": …`, `{}`: an object. `{taskinstance.py:1138}` is a bracket like others.
                b'{' if matches!(self.line.get(self.at + 1), None | Some(b'"' | b'\'' | b'}' | b' ' | b'\t')) => return,
                b'{' => self.depth += 1,
                b'}' => self.depth = self.depth.saturating_sub(1),
                // A quoted column of a CSV line is a column; any other quote begins what somebody said.
                b'"' | b'\'' if !self.csv_quote() => return,
                _ if is_run(byte) => {
                    if self.one_run(end) {
                        return;
                    }
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn csv_quote(&self) -> bool {
        let before = self.at.checked_sub(1).map(|i| self.line[i]);
        let after = self.line.get(self.at + 1).copied();
        matches!(before, None | Some(b',')) || matches!(after, None | Some(b',')) || self.prose == 0 && self.runs == 0
    }

    /// `logger=context userId=0 t=… level=info`.
    fn states_level_in_pairs(&self) -> bool {
        let head = &self.line[..self.line.len().min(256)];
        [&b" level="[..], b" lvl=", b" severity="].iter().any(|key| crate::bytes::find(head, key).is_some())
    }

    /// Extends the head over what was just read, as long as no prose was.
    fn header_until(&mut self, end: usize) {
        if self.prose == 0 && !self.kept {
            self.header.message = self.header.message.max(end);
        }
    }

    /// Reads one run; `true` ends the head.
    fn one_run(&mut self, end: usize) -> bool {
        let start = self.at;
        let mut stop = start;
        let (mut digits, mut letters, mut others) = (0u32, 0u32, 0u32);
        while stop < end && is_run(self.line[stop]) {
            match self.line[stop] {
                b'0'..=b'9' => digits += 1,
                b if b.is_ascii_alphabetic() => letters += 1,
                _ => others += 1,
            }
            stop += 1;
        }
        self.at = stop;
        self.runs += 1;
        let run = &self.line[start..stop];
        let before = start.checked_sub(1).map_or(b'\n', |i| self.line[i]);
        let after = self.line.get(stop).copied().unwrap_or(b'\n');
        if letters == 0 {
            if others > 0 && after == b'[' && !self.tagged && self.header.has_time && self.tag(run, start, after) {
                return false;
            }
            if others == 0 || digits > 0 {
                self.digits(run, before, after, stop);
            }
            return false;
        }
        // `ts=… level=…`: pairs, and each such line is an entry.
        if self.runs == 1 && after == b'=' && before == b'\n' && (begins_pairs(run) || self.states_level_in_pairs()) {
            self.header.has_time = true;
            return true;
        }
        if digits == 0 && others == 0 {
            if self.level_word(run, start, before, after) {
                return true;
            }
        } else if self.level_in_run(run, start, before, after) {
            return true;
        }
        self.name(run, start, after, digits > 0 || others > 0)
    }

    fn digits(&mut self, run: &[u8], before: u8, after: u8, stop: usize) {
        let minutes =
            self.line.get(stop + 1..stop + 3).is_some_and(|m| m[0] < b'6' && m.iter().all(u8::is_ascii_digit));
        let clock =
            run.len() <= 2 && after == b':' && minutes && !self.line.get(stop + 3).is_some_and(u8::is_ascii_digit);
        let date = run.len() >= 8 && run.iter().filter(|b| matches!(b, b'-' | b'/' | b'.')).count() == 2;
        let seconds = run.len() == 10 && run[0] == b'1' && after == b' ' && self.prose == 0;
        let epoch = run.len() >= 10 && self.runs <= 2 || seconds && run.iter().all(u8::is_ascii_digit);
        let uptime = before == b'[' && after == b']' && find_byte(run, b'.').is_some()
            || before == b' ' && after == b']' && find_byte(run, b'.').is_some() && self.depth == 1;
        let column = self.runs == 1 && run.len() >= 6 && after == b' ';
        if self.prose < PROSE_WORDS && (clock || date || epoch || uptime || column) {
            self.header.has_time = true;
        }
        // Ceph writes -1 behind the thread where something is wrong, and a number that says how fine it is elsewhere.
        if run == b"-1" && before == b' ' && after == b' ' && self.header.has_time && self.prose == 0 {
            let thread = self.line[..stop - 3].rsplit(|b| *b == b' ').next().unwrap_or_default();
            if thread.len() >= 6 && thread.iter().all(u8::is_ascii_hexdigit) {
                self.header.level = Some((Level::Error, Source::Text));
            }
        }
        self.last = Last::Time;
        // Behind a name a number may as well be what the line is about.
        if self.names == 0 {
            self.header_until(stop);
        }
    }

    /// A run of letters alone: a level, if its shape and its place say so.
    fn level_word(&mut self, run: &[u8], start: usize, before: u8, after: u8) -> bool {
        if run.len() == 1 {
            return self.level_letter(run[0], start, before, after);
        }
        let Some(level) = Level::from_word(run) else {
            self.header.continues |= self.prose == 0 && after == b':' && continues_entry(run);
            return false;
        };
        let upper = run.iter().all(u8::is_ascii_uppercase);
        let next = self.line.get(start + run.len() + 1).copied().unwrap_or(b'\n');
        // `=ERROR REPORT==== 10-Mar-2024::19:02:00 ===`: Erlang before its version 21.
        if upper && start == 1 && before == b'=' && self.line[start + run.len()..].starts_with(b" REPORT===") {
            self.header.has_time = true;
            self.found(level, start + run.len());
            return true;
        }
        if after == b'=' || before == b'=' || after == b'\'' || before == b'\'' {
            return false;
        }
        let opened = matches!(before, b'[' | b'<' | b'|' | b'(' | b'"');
        let closed = matches!(after, b']' | b'>' | b'|' | b')' | b'"');
        let bracketed = opened && closed || before == b':' && after == b']';
        let alone = self.prose == 0;
        let accepted = if upper {
            let plain = !weak(run);
            bracketed
                || after == b':' && self.prose < 2
                || matches!(after, b'>' | b']' | b'|' | b',' | b'!' | b'\t') && (plain || alone)
                || plain && (alone || self.depth > 0)
                || self.last == Last::Upper && alone
        } else {
            let columns = matches!(before, b'\n' | b'\t' | b'|' | b',') && matches!(after, b'\t' | b'|' | b',');
            // `system,error,critical login failure`: the topics of RouterOS.
            let topic = before == b',' && matches!(after, b',' | b' ') && self.prose <= 1 && self.last == Last::Prose;
            let wide = before == b' ' && after == b' ' && next == b' ' && self.last == Last::Time;
            let dashed = self.line[..start].ends_with(b"- ") && after == b' ' && next == b'-';
            let after_time = alone
                && run.iter().all(u8::is_ascii_lowercase)
                && self.last == Last::Time
                && self.line.first().is_some_and(|b| b.is_ascii_digit() || *b == b'[')
                && after == b' ';
            let labelled = alone
                && after == b':'
                && !weak_lower(run)
                && matches!(next, b' ' | b'\n' | b'\t')
                && (self.tagged || self.last != Last::Prose);
            let coded = alone && after == b'[' && next == b'E';
            // `Error 3/11/2024 …`: the level is the first column; `Err:3 http://…`: apt counts what it fetches.
            let column = before == b'\n' && matches!(after, b' ' | b'\t') && self.date_follows(start + run.len());
            // `… Warning BackOff pod/api-1 …`: a column of a table.
            let typed =
                alone && before == b' ' && after == b' ' && next.is_ascii_uppercase() && self.last == Last::Time;
            let numbered = before == b'\n' && run == b"Err" && after == b':' && next.is_ascii_digit();
            (bracketed && before != b'(' && before != b'"')
                || columns && alone
                || topic
                || wide
                || dashed
                || after_time
                || labelled
                || coded
                || column
                || typed
                || numbered
                || alone && before == b'[' && self.runs <= 2
        };
        if accepted {
            self.header.message_from = start;
            self.found(level, start + run.len());
        }
        accepted
    }

    /// `E` between blanks behind a column of digits, `[E]`, `E/`, `E, [`, `[E 240102 …`.
    fn level_letter(&mut self, letter: u8, start: usize, before: u8, after: u8) -> bool {
        let Some(level) = Level::from_letter(letter) else { return false };
        let next = self.line.get(start + 2).copied().unwrap_or(b'\n');
        let accepted = match (before, after) {
            (b'[', b']') | (b'|', b'|') => self.prose == 0,
            (b'[', b' ') => self.runs == 1 && next.is_ascii_digit(),
            (b'\n', b',') => next == b' ' && self.line.get(start + 3) == Some(&b'['),
            (b' ' | b'\t', b' ' | b'\t') => self.prose == 0 && self.last == Last::Time && self.header.has_time,
            (b'\n', b' ') => self.runs == 1 && (next.is_ascii_digit() || next == b'['),
            (b'\n', b':') => self.runs == 1 && next == b' ',
            _ => false,
        };
        if accepted {
            self.found(level, start + 1);
        }
        accepted
    }

    /// `E0102` (glog), `E/Tag` (logcat), `daemon.err` (busybox), and levels glued to something else.
    fn level_in_run(&mut self, run: &[u8], start: usize, before: u8, after: u8) -> bool {
        let fresh = self.prose == 0 && matches!(self.last, Last::Start | Last::Time) || before == b'\n';
        if fresh && matches!(run.len(), 5 | 9) && run[1..].iter().all(u8::is_ascii_digit) && after == b' ' {
            let clock = &self.line[start + run.len() + 1..];
            if let (Some(level), true) = (Level::from_letter(run[0]), clock.get(2) == Some(&b':')) {
                self.header.has_time = true;
                // The place in the source ends with a bracket: `E0102 03:04:05.678 12 file.go:12] message`.
                let head = &self.line[start..self.line.len().min(start + 160)];
                let end = find_byte(head, b']').map_or(start + run.len(), |i| start + i + 1);
                self.found(level, end);
                return true;
            }
        }
        if fresh
            && !self.tagged
            && run.len() > 2
            && run[1] == b'/'
            && run != b"I/O"
            && (before != b'\n' || matches!(after, b'(' | b':' | b' '))
        {
            let tag_end = self.line[start..].iter().take(64).any(|b| *b == b':');
            if let (Some(level), true) = (Level::from_letter(run[0]), tag_end) {
                self.found(level, start + 1);
                return true;
            }
        }
        // Cisco: `%LINK-3-UPDOWN: `.
        if run[0] == b'%' && after == b':' {
            let mut parts = run[1..].split(|b| *b == b'-').skip(1);
            if let Some(digit) = parts.find_map(|p| if p.len() == 1 && p[0] < b'8' { number(p) } else { None }) {
                self.found(Level::from_syslog(digit.0), start + run.len());
                return true;
            }
        }
        // `[… ERROR/ForkPoolWorker-1]`, `[Server thread/INFO]`: the level shares its brackets.
        if self.depth > 0 && find_byte(run, b'/').is_some() && run.len() < 64 {
            let mut words = run.split(|b| *b == b'/').filter(|w| w.iter().all(u8::is_ascii_uppercase) && !weak(w));
            if let Some(level) = words.find_map(Level::from_word) {
                let close = find_byte(&self.line[start..], b']').unwrap_or(run.len());
                self.found(level, start + close);
                return true;
            }
        }
        if self.prose == 0
            && let Some(dot) = find_byte(run, b'.')
        {
            let facility =
                [&b"kern"[..], b"user", b"mail", b"daemon", b"auth", b"authpriv", b"syslog", b"cron", b"lpr"]
                    .contains(&&run[..dot])
                    || run.starts_with(b"local");
            // `laravel.EMERGENCY: …`: a channel and a level.
            let level = Level::from_word(&run[dot + 1..]);
            if let (b':', Some(level), true) = (after, level, run[dot + 1..].iter().all(u8::is_ascii_uppercase)) {
                self.found(level, start + run.len());
                return true;
            }
            if let (true, Some(level)) = (facility, level) {
                self.header.level = Some((level, Source::Priority));
                self.header_until(start + run.len());
            }
        }
        false
    }

    /// A run that is no level: part of the head as long as it looks like a name, else prose. `true` ends the head.
    fn name(&mut self, run: &[u8], start: usize, after: u8, composed: bool) -> bool {
        let stop = start + run.len();
        if self.prose < PROSE_WORDS && !self.tagged && self.depth == 0 && self.tag(run, start, after) {
            return false;
        }
        self.names += u32::from(self.depth == 0 && !run[0].is_ascii_digit() && !is_calendar(run));
        let upper = run.iter().all(|b| b.is_ascii_uppercase() || !b.is_ascii_alphabetic());
        let camel = run[1..].iter().any(u8::is_ascii_uppercase);
        if composed || upper || camel || self.depth > 0 || is_calendar(run) {
            self.last = match () {
                () if is_calendar(run) => Last::Time,
                () if upper && !composed => Last::Upper,
                // `16:49:06Z`, `2024-01-02T03`: the letters belong to the time.
                () if run[0].is_ascii_digit() => Last::Time,
                () => Last::Name,
            };
            if run[0].is_ascii_digit() {
                let date = run.len() >= 10 && run[4..].iter().any(|b| matches!(b, b'-' | b'T' | b':'));
                self.header.has_time |= date && self.prose == 0;
                self.header_until(stop);
            }
            return false;
        }
        // A colon behind a single word at the start is a tag without a number: `kernel: `, `app: `.
        self.prose += 1;
        self.last = Last::Prose;
        self.prose >= PROSE_WORDS
    }

    /// `program[123]:`, `program:` and `sshd(pam_unix)[123]:` behind a timestamp, or at the start of the line.
    fn tag(&mut self, run: &[u8], start: usize, after: u8) -> bool {
        let stop = start + run.len();
        let mut end = stop;
        if self.line.get(end) == Some(&b'(') {
            match self.line[end..].iter().take(32).position(|b| *b == b')') {
                Some(close) => end += close + 1,
                None => return false,
            }
        }
        if self.line.get(end) == Some(&b'[') {
            match self.line[end..].iter().take(16).position(|b| *b == b']') {
                Some(close) if self.line[end + 1..end + close].iter().all(u8::is_ascii_digit) => end += close + 1,
                _ => return false,
            }
        } else if after != b':' || !self.header.has_time && self.runs > 1 {
            return false;
        }
        // `FAILED: x` shouts; a program's name has a number behind it if it does.
        if self.names > if end > stop { 2 } else { 1 } {
            return false;
        }
        if end == stop && run.iter().all(|b| b.is_ascii_uppercase() || *b == b'_') {
            return false;
        }
        let colon = self.line.get(end) == Some(&b':') && matches!(self.line.get(end + 1), None | Some(b' ' | b'\t'));
        let date = run[0].is_ascii_digit() && end == stop;
        if !colon || date {
            return false;
        }
        self.tagged = true;
        // Without a timestamp or a number it may as well be the first word of the message (`ValueError: x`).
        if self.header.has_time || end > stop || self.header.level.is_some() {
            self.header.program = start..stop;
            // What has no number behind it may be the first word of the message as well: it stays with it.
            let message = if end > stop { end + 1 } else { start };
            self.header.message = self.header.message.max(message);
        } else {
            self.kept = true;
        }
        self.prose = 0;
        self.last = Last::Start;
        self.at = end + 1;
        true
    }

    /// Whether a date follows: `3/11/2024`, `2024-03-11`.
    fn date_follows(&self, at: usize) -> bool {
        let rest = self.line[at..].trim_ascii_start();
        let run = rest.iter().take(12).take_while(|b| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'.')).count();
        run >= 8 && rest[..run].iter().filter(|b| !b.is_ascii_digit()).count() == 2
    }

    fn found(&mut self, level: Level, end: usize) {
        // PostgreSQL writes `LOG:` over what an administrator should know: it says little of how bad it is.
        let weak = self.line[..end].ends_with(b"LOG");
        self.header.level = Some((level, if weak { Source::Priority } else { Source::Text }));
        self.header.has_time |= self.date_follows(end);
        let rest = &self.line[end..];
        let skip = rest
            .iter()
            .take_while(|b| matches!(b, b']' | b'>' | b')' | b'|' | b':' | b' ' | b'\t' | b'-' | b','))
            .count();
        self.header.message = end + skip;
    }
}

fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'.' | b'-' | b'/' | b'+' | b'$' | b'@' | b'#' | b'%' | b'~' | b'\\' | b'&')
        || byte >= 0x80
}

/// Upper-case words that are levels only where a delimiter says so; elsewhere they are words like others.
fn weak(run: &[u8]) -> bool {
    matches!(
        run,
        b"LOG"
            | b"SYSTEM"
            | b"NOTE"
            | b"SUCCESS"
            | b"CONFIG"
            | b"FINE"
            | b"PANIC"
            | b"ALERT"
            | b"VERBOSE"
            | b"FAILURE"
            | b"FAIL"
    )
}

/// Lower-case words that a colon alone does not make a level.
fn weak_lower(run: &[u8]) -> bool {
    [&b"log"[..], b"system", b"config", b"success", b"fine", b"failure", b"panic"].iter().any(|w| starts_fold(run, w))
}

/// The keys that a line of pairs begins with.
fn begins_pairs(run: &[u8]) -> bool {
    const KEYS: [&[u8]; 10] =
        [b"time", b"ts", b"t", b"timestamp", b"date", b"at", b"level", b"lvl", b"severity", b"msg"];
    KEYS.contains(&run)
}

/// PostgreSQL's fields that follow an entry as entries of their own.
fn continues_entry(run: &[u8]) -> bool {
    matches!(run, b"DETAIL" | b"HINT" | b"STATEMENT" | b"CONTEXT" | b"QUERY" | b"LOCATION")
}

fn is_calendar(run: &[u8]) -> bool {
    const WORDS: [&[u8]; 25] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec", b"mon", b"tue",
        b"wed", b"thu", b"fri", b"sat", b"sun", b"utc", b"gmt", b"cet", b"cest", b"am", b"pm",
    ];
    run.len() <= 4 && WORDS.iter().any(|w| w.len() == run.len() && starts_fold(run, w))
}

/// `<34>`: the priority and the bytes it takes.
fn syslog_priority(line: &[u8]) -> Option<(u64, usize)> {
    let rest = line.strip_prefix(b"<")?;
    let (value, digits) = number(rest)?;
    (digits <= 3 && value <= 191 && rest.get(digits) == Some(&b'>')).then_some((value, digits + 2))
}

/// `1 TIMESTAMP HOST APP PROCID MSGID SD `: how many bytes; the program goes into the header.
fn rfc5424_head(line: &[u8], header: &mut Header, base: usize) -> usize {
    let mut at = 2;
    for field in 0..5 {
        let Some(len) = find_byte(&line[at..], b' ') else { return 0 };
        if field == 2 {
            header.program = base + at..base + at + len;
        }
        at += len + 1;
    }
    header.has_time = true;
    // Structured data: nil or a row of bracketed elements whose values are quoted.
    if line[at..].starts_with(b"-") {
        at += 1;
    } else {
        let mut quoted = false;
        let mut depth = 0u32;
        while let Some(&b) = line.get(at) {
            match b {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                b'[' if !quoted => depth += 1,
                b']' if !quoted => depth = depth.saturating_sub(1),
                b' ' if !quoted && depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
    }
    let at = at.min(line.len());
    header.message = base + at;
    at
}

/// The length of what a container runtime put before the program's own line.
pub(crate) fn container_prefix(line: &[u8]) -> usize {
    // CRI: `2024-01-02T03:04:05.123456789Z stderr F message`.
    if line.len() > 28
        && line[0].is_ascii_digit()
        && line.get(10) == Some(&b'T')
        && let Some(space) = line[..line.len().min(40)].iter().position(|b| *b == b' ')
    {
        let rest = &line[space + 1..];
        for stream in [&b"stdout F "[..], b"stderr F ", b"stdout P ", b"stderr P "] {
            if rest.starts_with(stream) {
                return space + 1 + stream.len();
            }
        }
    }
    // docker compose: `web_1  | message`. A name, blanks, a bar, a blank.
    let name =
        line.iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    if name == 0 || line[..name].iter().all(u8::is_ascii_digit) || Level::from_word(&line[..name]).is_some() {
        return 0;
    }
    let blanks = line[name..].iter().take(64).take_while(|b| **b == b' ').count();
    let rest = &line[name + blanks..];
    if blanks > 0 && rest.starts_with(b"| ") && !rest[2..].iter().take(40).any(|b| *b == b'|') {
        return name + blanks + 2;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(line: &str) -> Option<Level> {
        parse(line.as_bytes()).level.map(|(level, _)| level)
    }

    #[test]
    fn levels_are_found_where_programs_put_them() {
        use Level::*;
        for (line, expected) in [
            ("2015-10-18 18:01:47,978 INFO [main] org.apache.Foo: Created error handler", Some(Info)),
            (
                "2015-07-29 17:41:44,747 - ERROR [LearnerHandler-/10.10.34.11:52225:LearnerHandler@562] - Unexpected",
                Some(Error),
            ),
            ("[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6", Some(Error)),
            (
                "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 432] [client 72.15.99.187] File",
                Some(Error),
            ),
            ("2024/01/02 03:04:05 [error] 123#0: *1 open() failed", Some(Error)),
            ("03-17 16:13:38.811  1702  2395 E WindowManager: msg", Some(Error)),
            ("03-17 16:13:38.811  1702  2395 D WindowManager: error", Some(Debug)),
            ("E/AndroidRuntime( 1234): FATAL EXCEPTION: main", Some(Error)),
            ("E0102 03:04:05.678901   12345 file.go:12] msg", Some(Error)),
            ("I0102 03:04:05.678901   12345 file.go:12] error", Some(Info)),
            ("2016-09-28 04:30:31, Error                 CBS    Failed", Some(Error)),
            ("2016-09-28 04:30:31, Info                  CBS    Failed", Some(Info)),
            ("2024-01-02 03:04:05.123 UTC [77] app@db ERROR:  relation \"x\" does not exist", Some(Error)),
            ("2024-01-02 03:04:05.123 UTC [77] LOG:  checkpoint complete", Some(Info)),
            ("2024-01-02T03:04:05.123456Z 0 [ERROR] [MY-010119] [Server] Aborting", Some(Error)),
            ("ERROR:root:something", Some(Error)),
            ("2024-01-02T03:04:05.123Z\terror\tcmd/main.go:12\tfailed", Some(Error)),
            ("2014-11-03T18:28:32.450-0500 E NETWORK  [conn1] listen", Some(Error)),
            ("Jan  2 03:04:05 host sshd[123]: error: kex_exchange_identification", Some(Error)),
            ("Jan  2 03:04:05 host app[123]: plain words here", None),
            ("<27>Jan  2 03:04:05 host app[123]: plain words here", Some(Error)),
            ("<165>1 2003-10-11T22:14:15.003Z host app 1 ID47 [x y=\"1\"] message", Some(Notice)),
            ("[2024-01-02T03:04:05Z ERROR my_crate] msg", Some(Error)),
            ("web_1  | 2024-01-02 ERROR x", Some(Error)),
            ("2024-01-02T03:04:05.123456789Z stderr F level is in here ERROR", None),
            ("[12:00:01 ERR] request failed", Some(Error)),
            ("npm ERR! code ELIFECYCLE", Some(Error)),
            ("foo.c:12:5: error: expected ';'", Some(Error)),
            ("error[E0382]: borrow of moved value", Some(Error)),
            ("fatal: not a git repository", Some(Critical)),
            ("ERRO[0012] cannot start", Some(Error)),
            ("E, [2024-01-01T00:00:00.123456 #1234] ERROR -- : msg", Some(Error)),
            ("[E 200102 03:04:05 web:12] 500 GET", Some(Error)),
            ("081109 203518 143 INFO dfs.DataNode$PacketResponder: error", Some(Info)),
            (
                "- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02 RAS KERNEL FATAL data storage",
                Some(Critical),
            ),
            ("Mon Jan  2 03:04:05 2024 daemon.err dnsmasq[1]: failed", Some(Error)),
            ("SEVERE: Servlet.service() threw", Some(Error)),
            ("the ERROR word in prose is a word", None),
        ] {
            assert_eq!(level(line), expected, "{line}");
        }
    }

    #[test]
    fn the_message_begins_behind_the_head() {
        for (line, message) in [
            ("Jan  2 03:04:05 host app[123]: plain words", " plain words"),
            ("2024-01-02 03:04:05 ERROR boom", "boom"),
            ("[  123.456789] usb 1-1: reset", " usb 1-1: reset"),
        ] {
            let header = parse(line.as_bytes());
            assert_eq!(&line[header.message..], message);
        }
        assert_eq!(parse(b"Jan  2 03:04:05 host kernel: [1.2] x").program, 21..27);
    }

    #[test]
    fn a_new_entry_is_told_from_a_continuation() {
        assert!(starts_entry(b"2024-01-02 03:04:05 x"));
        assert!(starts_entry(b"[  12.345678] x"));
        assert!(starts_entry(b"E0102 03:04:05.678901 1 f.go:1] x"));
        assert!(!starts_entry(b"\tat com.foo.Bar(Bar.java:12)"));
        assert!(!starts_entry(b"java.lang.IllegalStateException: no"));
    }
}
