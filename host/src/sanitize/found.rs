//! What one pass over a text collects: places to replace, each with its rule and the reason.

use std::ops::Range;

use super::rule::RuleId;

/// A secret's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub start: usize,
    pub end: usize,
    pub rule: RuleId,
    /// Why, in a few words, for `explain`.
    pub reason: &'static str,
    /// A quotation mark in the text to put round the marker: a bare number as a JSON value must become a string.
    pub wrap: Option<Range<usize>>,
}

/// A text under examination.
pub(super) struct Scan<'a> {
    pub text: &'a [u8],
    pub found: Vec<Found>,
    /// The end of the last name that was looked at: one name may hold several words that are looked for.
    pub name_end: usize,
    /// The end of the last command line that was taken apart.
    pub command_end: usize,
    /// The end of what was last taken as a whole (a PEM block, a cookie header).
    pub taken_end: usize,
    /// The end of the last token of a vendor's format.
    pub token_end: usize,
    /// Formats that were tried in vain, and up to where that will be so again.
    pub failed: Vec<(u16, usize)>,
    /// Bytes looked at beyond the first pass: what a test of linear time counts.
    pub work: u64,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            found: Vec::new(),
            name_end: 0,
            command_end: 0,
            taken_end: 0,
            token_end: 0,
            failed: Vec::new(),
            work: 0,
        }
    }

    /// Notes a secret. Empty places are ignored.
    pub(super) fn take(&mut self, range: Range<usize>, rule: RuleId, reason: &'static str) {
        self.take_wrapped(range, rule, reason, None);
    }

    /// The same, with quotation marks to put round what replaces it.
    pub(super) fn take_wrapped(
        &mut self,
        range: Range<usize>,
        rule: RuleId,
        reason: &'static str,
        wrap: Option<Range<usize>>,
    ) {
        if range.start < range.end && range.end <= self.text.len() {
            self.found.push(Found { start: range.start, end: range.end, rule, reason, wrap });
        }
    }

    /// Whether a place lies within something that was taken already.
    pub(super) fn is_taken(&self, at: usize) -> bool {
        self.found.iter().rev().take(8).any(|found| found.start <= at && at < found.end)
    }

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// The byte before a place; `None` at the beginning.
    pub(super) fn before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|at| self.text.get(at)).copied()
    }

    /// The beginning of the line, or as far back as anybody looks.
    pub(super) fn line_start(&mut self, at: usize) -> usize {
        let from = at.saturating_sub(MAX_LOOK_BACK);
        self.work += at.saturating_sub(from) as u64;
        memchr::memrchr(b'\n', &self.text[from..at]).map_or(from, |newline| from + newline + 1)
    }

    /// The end of the line, or as far ahead as anybody looks.
    pub(super) fn line_end(&mut self, at: usize) -> usize {
        let limit = self.text.len().min(at + MAX_LOOK_AHEAD);
        let end = memchr::memchr(b'\n', &self.text[at..limit]).map_or(limit, |newline| at + newline);
        self.work += end.saturating_sub(at) as u64;
        end
    }
}

/// How far back a line's beginning is looked for: a file of one endless line must not make the work quadratic.
const MAX_LOOK_BACK: usize = 256;
/// How far ahead a line's end is looked for.
const MAX_LOOK_AHEAD: usize = 4096;
