//! A log full of errors says the same thing again and again: what was found out about a line holds for the next one
//! that differs from it in its numbers alone.
//!
//! It is asked only about lines whose program states a level and that begin with a time, because what is said of
//! those does not depend on any number in them. It knows lines and verdicts, not events.

use crate::classify::{Kind, Source, Verdict};

/// Longer lines are judged one by one.
const MAX_BYTES: usize = 1024;

/// The last line that began an event, and what was said of it.
#[derive(Debug, Default)]
pub(crate) struct Alike {
    line: Vec<u8>,
    verdict: Option<Verdict>,
    /// A line like this one was seen to end an event of this one.
    ends: bool,
}

impl Alike {
    /// Remembers a line that began an event.
    pub(crate) fn note(&mut self, line: &[u8], verdict: &Verdict) {
        let header = &verdict.header;
        let plain = matches!(header.level, Some((_, Source::Text)))
            && verdict.kind == Kind::Line
            && header.has_time
            && !header.continues
            && header.body == 0
            && header.program.is_empty()
            && line.len() <= MAX_BYTES;
        if !plain {
            self.verdict = None;
            return;
        }
        if self.map(line).is_some() {
            return;
        }
        self.line.clear();
        self.line.extend_from_slice(line);
        self.verdict = Some(verdict.clone());
        self.ends = false;
    }

    /// Notes that `line` ended an event that the remembered line had begun.
    pub(crate) fn ended_by(&mut self, line: &[u8]) {
        self.ends = self.ends || self.map(line).is_some();
    }

    /// What is to be said of `line`, if it is like the remembered one and ends its event.
    pub(crate) fn verdict(&self, line: &[u8]) -> Option<Verdict> {
        if !self.ends {
            return None;
        }
        let (message, message_from) = self.map(line)?;
        let mut verdict = self.verdict.clone()?;
        (verdict.header.message, verdict.header.message_from) = (message, message_from);
        Some(verdict)
    }

    /// Where message and level begin in `line`, if it differs from the remembered one in its numbers alone.
    fn map(&self, line: &[u8]) -> Option<(usize, usize)> {
        let header = &self.verdict.as_ref()?.header;
        let known = &self.line;
        let first = header.message_from.min(header.message);
        let message_from = walk(known.get(..first)?, line)?;
        let message = message_from + walk(known.get(first..header.message)?, &line[message_from..])?;
        let end = message + walk(known.get(header.message..)?, &line[message..])?;
        (end == line.len()).then_some((message, message_from))
    }
}

/// How many bytes at the start of `line` are like all of `known`.
fn walk(known: &[u8], line: &[u8]) -> Option<usize> {
    let (mut i, mut j) = (0, 0);
    while let Some(a) = known.get(i) {
        let b = line.get(j)?;
        if a.is_ascii_digit() && b.is_ascii_digit() {
            (i, j) = (i + digits(&known[i..]), j + digits(&line[j..]));
        } else if a == b {
            (i, j) = (i + 1, j + 1);
        } else {
            return None;
        }
    }
    Some(j)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::classify;

    #[test]
    fn numbers_may_differ_and_nothing_else() {
        let first = b"2024-01-02 03:04:05 ERROR job 7 of anna failed";
        let mut alike = Alike::default();
        alike.note(first, &classify(first));
        assert!(alike.verdict(first).is_none(), "not before it was seen to end one");
        alike.ended_by(b"2024-01-02 03:04:06 ERROR job 8 of anna failed");
        let longer = b"2024-01-02 03:04:06 ERROR job 1234 of anna failed";
        let verdict = alike.verdict(longer).unwrap();
        assert_eq!(&longer[verdict.header.message..], b"job 1234 of anna failed");
        for other in [
            &b"2024-01-02 03:04:06 ERROR job x of anna failed"[..],
            b"2024-01-02 03:04:06 INFO job 8 of anna failed",
            b"2024-01-02 03:04:06 ERROR job 8 of anna failed again",
            b"2024-01-02 03:04:06 ERROR job 8 of berta failed",
        ] {
            assert!(alike.verdict(other).is_none());
        }
    }

    #[test]
    fn what_depends_on_a_number_is_not_taken_over() {
        let line = b"1.2.3.4 - - [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.1\" 500 1";
        let mut alike = Alike::default();
        alike.note(line, &classify(line));
        alike.ended_by(line);
        assert!(alike.verdict(line).is_none());
    }
}
