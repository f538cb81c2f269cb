//! What is open: one finding for each kind of event, with its history.
//!
//! The book takes sightings and the time, and says what is new, recurring, bursting, resolved or reopened. It knows
//! nothing of files beyond their names, and its size is bounded: beyond [`MAX_FINDINGS`] the least valuable goes, and
//! is counted.

mod recovery;

use crate::severity::Severity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use recovery::words as recovery_words;

/// The most findings that are kept. A thousand kinds of errors are no longer read by anybody; the state has to fit
/// its quota.
pub const MAX_FINDINGS: usize = 1000;
/// The longest example, in bytes.
pub const MAX_EXAMPLE_BYTES: usize = 400;
/// A finding is called new, or reopened, for so long.
pub const FRESH_MS: i64 = 10 * 60_000;
/// Silence after which a finding with no rhythm yet is resolved, and the least for any.
pub const MIN_SILENCE_MS: i64 = 60 * 60_000;
/// Silence after which any finding is resolved.
pub const MAX_SILENCE_MS: i64 = 24 * 60 * 60_000;
/// A finding is resolved after so many times its usual gap.
pub const SILENCE_GAPS: f64 = 8.0;
/// Fewer than this at once are no burst, whatever the past.
const MIN_BURST: u64 = 10;
/// A burst is so many times the usual rate, and lasts until it is half of that.
const BURST_FACTOR: f64 = 4.0;
/// The usual rate is an average over about this time.
const RATE_MEMORY_MS: f64 = 60.0 * 60_000.0;
/// Resolved findings are forgotten after this.
const FORGET_MS: i64 = 14 * 24 * 60 * 60_000;

/// One kind of event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its fingerprint, below 2^53.
    #[serde(rename = "f")]
    pub fingerprint: u64,
    /// The worst it was.
    #[serde(rename = "s")]
    pub severity: Severity,
    /// The first line's template.
    #[serde(rename = "t")]
    pub template: String,
    /// The latest example, redacted.
    #[serde(rename = "x", default, skip_serializing_if = "String::is_empty")]
    pub example: String,
    /// Where the message begins in the example: behind timestamp, level, host and program.
    #[serde(rename = "w", default)]
    pub message_at: usize,
    /// The innermost cause of the example, redacted.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The file of the latest sighting.
    #[serde(rename = "p")]
    pub source: String,
    /// The line of the latest sighting, where line numbers are known.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How many lines the example has.
    #[serde(rename = "n", default = "one", skip_serializing_if = "is_one")]
    pub lines: u64,
    /// How often it was seen.
    #[serde(rename = "c")]
    pub count: u64,
    /// When it was first seen, in milliseconds since the epoch.
    #[serde(rename = "a")]
    pub first_ms: i64,
    /// When it was last seen.
    #[serde(rename = "z")]
    pub last_ms: i64,
    /// The usual time between two captures that saw it; 0 as long as there is none.
    #[serde(rename = "g", default)]
    pub gap_ms: f64,
    /// The usual number a minute.
    #[serde(rename = "u", default)]
    pub usual_per_minute: f64,
    /// The number a minute in the latest capture.
    #[serde(rename = "r", default)]
    pub rate_per_minute: f64,
    /// It comes much more often than it used to.
    #[serde(rename = "b", default, skip_serializing_if = "is_false")]
    pub bursting: bool,
    /// Since when it is resolved.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub resolved_ms: Option<i64>,
    /// Since when it is open again, and how often it came back.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<(i64, u32)>,
    /// Sightings in the current capture.
    #[serde(skip)]
    now: u64,
}

/// What a finding is at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trend {
    /// Seen for the first time within [`FRESH_MS`].
    New,
    /// Seen before.
    Recurring,
    /// Much more often than it used to be.
    Bursting,
    /// Not seen for longer than its rhythm explains, or said to be over.
    Resolved,
    /// It was resolved and came back within [`FRESH_MS`].
    Reopened,
}

impl Trend {
    /// The word used in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Recurring => "recurring",
            Self::Bursting => "bursting",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
        }
    }
}

impl Finding {
    /// What it is at `now_ms`.
    pub fn trend(&self, now_ms: i64) -> Trend {
        if self.resolved_ms.is_some() {
            Trend::Resolved
        } else if self.bursting {
            Trend::Bursting
        } else if self.reopened.is_some_and(|(since, _)| now_ms - since < FRESH_MS) {
            Trend::Reopened
        } else if now_ms - self.first_ms < FRESH_MS {
            Trend::New
        } else {
            Trend::Recurring
        }
    }

    /// How long it must be silent to count as resolved.
    pub fn silence_ms(&self) -> i64 {
        ((self.gap_ms * SILENCE_GAPS) as i64).clamp(MIN_SILENCE_MS, MAX_SILENCE_MS)
    }

    /// What is lost with it: the open before the resolved, the worse before the lesser, the recent before the old.
    fn value(&self) -> (bool, Severity, i64) {
        (self.resolved_ms.is_none(), self.severity, self.last_ms)
    }
}

/// One event as the book sees it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'e> {
    /// The fingerprint.
    pub fingerprint: u64,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub source: &'e str,
    /// The line, where known.
    pub line: Option<u64>,
    /// How many lines it has.
    pub lines: u64,
}

/// The texts of a finding that is seen for the first time, all redacted.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The template.
    pub template: String,
    /// The first line.
    pub example: String,
    /// Where the message begins in it.
    pub message_at: usize,
    /// The innermost cause.
    pub cause: Option<String>,
}

/// All findings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Book {
    #[serde(rename = "findings", with = "as_list")]
    findings: BTreeMap<u64, Finding>,
    /// How many were dropped because there were too many.
    #[serde(default)]
    pub dropped: u64,
}

/// What changed in a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Fingerprints that were not open before.
    pub opened: Vec<u64>,
    /// Fingerprints that are open again.
    pub reopened: Vec<u64>,
    /// Fingerprints that are over.
    pub resolved: Vec<u64>,
    /// Fingerprints that began to come much more often.
    pub bursting: Vec<u64>,
}

impl Book {
    /// The findings, by fingerprint.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values()
    }

    /// One finding.
    pub fn get(&self, fingerprint: u64) -> Option<&Finding> {
        self.findings.get(&fingerprint)
    }

    /// How many findings there are.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Notes a sighting. `texts` is asked only for what is not known yet or was resolved.
    pub fn see(&mut self, sighting: Sighting<'_>, now_ms: i64, texts: impl FnOnce() -> Texts) -> &mut Finding {
        let finding = self.findings.entry(sighting.fingerprint).or_insert_with(|| {
            let texts = texts();
            Finding {
                fingerprint: sighting.fingerprint,
                severity: sighting.severity,
                template: texts.template,
                example: texts.example,
                message_at: texts.message_at,
                cause: texts.cause,
                source: sighting.source.to_owned(),
                line: sighting.line,
                lines: sighting.lines,
                count: 0,
                first_ms: now_ms,
                last_ms: now_ms,
                gap_ms: 0.0,
                usual_per_minute: 0.0,
                rate_per_minute: 0.0,
                bursting: false,
                resolved_ms: None,
                reopened: None,
                now: 0,
            }
        });
        finding.count += 1;
        finding.now += 1;
        finding.severity = finding.severity.max(sighting.severity);
        if finding.source != sighting.source {
            sighting.source.clone_into(&mut finding.source);
        }
        finding.line = sighting.line;
        finding.lines = sighting.lines;
        finding
    }

    /// Ends a capture that began `elapsed_ms` after the one before: rates, bursts, what is resolved and what is open
    /// again. To be called once for each capture.
    pub fn settle(&mut self, now_ms: i64, elapsed_ms: Option<i64>) -> Changes {
        let mut changes = Changes::default();
        for finding in self.findings.values_mut() {
            if finding.now > 0 {
                seen(finding, now_ms, &mut changes);
            } else if finding.resolved_ms.is_none() && now_ms - finding.last_ms > finding.silence_ms() {
                finding.resolved_ms = Some(now_ms);
                changes.resolved.push(finding.fingerprint);
            }
            if let Some(elapsed) = elapsed_ms.filter(|ms| *ms > 0) {
                rates(finding, now_ms, elapsed, &mut changes);
            }
            finding.now = 0;
        }
        self.findings.retain(|_, f| f.resolved_ms.is_none_or(|since| now_ms - since < FORGET_MS));
        self.shrink(MAX_FINDINGS);
        changes
    }

    /// Resolves what is open in `source` and is about what `message` says is over. The fingerprints.
    pub fn recover(&mut self, source: &str, message: &str, now_ms: i64) -> Vec<u64> {
        let said = recovery::words(message);
        let mut resolved = Vec::new();
        for finding in self.findings.values_mut() {
            if finding.resolved_ms.is_none() && finding.source == source && recovery::about(&said, &finding.template) {
                finding.resolved_ms = Some(now_ms);
                // Sightings before this line in the same capture are over as well.
                if finding.now > 0 {
                    finding.last_ms = now_ms;
                    finding.now = 0;
                }
                resolved.push(finding.fingerprint);
            }
        }
        resolved
    }

    /// Says that what is open goes on, without another sighting.
    pub fn touch(&mut self, fingerprint: u64, now_ms: i64) {
        if let Some(finding) = self.findings.get_mut(&fingerprint) {
            finding.last_ms = now_ms;
        }
    }

    /// Resolves one finding whose end was observed (a silence that was broken).
    pub fn resolve(&mut self, fingerprint: u64, now_ms: i64) -> bool {
        match self.findings.get_mut(&fingerprint) {
            Some(finding) if finding.resolved_ms.is_none() => {
                finding.resolved_ms = Some(now_ms);
                true
            }
            _ => false,
        }
    }

    /// Drops the least valuable until at most `most` are left.
    pub fn shrink(&mut self, most: usize) {
        let Some(excess) = self.findings.len().checked_sub(most).filter(|n| *n > 0) else { return };
        let mut order: Vec<_> = self.findings.values().map(|f| (f.value(), f.fingerprint)).collect();
        order.sort_unstable();
        for (_, fingerprint) in order.into_iter().take(excess) {
            self.findings.remove(&fingerprint);
            self.dropped += 1;
        }
    }

    /// Takes the examples away from the less valuable half; for a state that would not fit.
    pub fn shorten(&mut self) {
        let mut order: Vec<_> = self.findings.values().map(|f| (f.value(), f.fingerprint)).collect();
        order.sort_unstable();
        let half = order.len() / 2;
        for (_, fingerprint) in order.into_iter().take(half) {
            if let Some(finding) = self.findings.get_mut(&fingerprint) {
                finding.example.clear();
                finding.cause = None;
            }
        }
    }
}

fn seen(finding: &mut Finding, now_ms: i64, changes: &mut Changes) {
    let known = finding.count > finding.now;
    if let Some(since) = finding.resolved_ms.take() {
        let times = finding.reopened.map_or(0, |(_, times)| times);
        finding.reopened = Some((now_ms, times.saturating_add(1)));
        changes.reopened.push(finding.fingerprint);
        // The silence it was resolved by is no part of its rhythm.
        finding.last_ms = finding.last_ms.max(since);
    } else if known {
        let gap = (now_ms - finding.last_ms).max(0) as f64;
        finding.gap_ms = if finding.gap_ms == 0.0 { gap } else { finding.gap_ms + (gap - finding.gap_ms) / 4.0 };
    } else {
        changes.opened.push(finding.fingerprint);
    }
    finding.last_ms = now_ms;
}

fn rates(finding: &mut Finding, now_ms: i64, elapsed_ms: i64, changes: &mut Changes) {
    let elapsed = elapsed_ms as f64;
    let rate = finding.now as f64 * 60_000.0 / elapsed;
    finding.rate_per_minute = rate;
    let age = now_ms - finding.first_ms;
    if age >= FRESH_MS {
        let usual = finding.usual_per_minute;
        let starts = finding.now >= MIN_BURST && rate > usual * BURST_FACTOR;
        let lasts = finding.bursting && rate > usual * BURST_FACTOR / 2.0 && finding.now > 0;
        if starts && !finding.bursting {
            changes.bursting.push(finding.fingerprint);
        }
        finding.bursting = starts || lasts;
    }
    // While it bursts its past is learned slowly: a burst that lasts becomes the usual, but not at once.
    let memory = if finding.bursting { RATE_MEMORY_MS * 8.0 } else { RATE_MEMORY_MS.min((age as f64).max(elapsed)) };
    let weight = (elapsed / memory).min(1.0);
    finding.usual_per_minute += (rate - finding.usual_per_minute) * weight;
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_one(n: &u64) -> bool {
    *n == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_false(b: &bool) -> bool {
    !*b
}

/// A map by fingerprint, written as a list: a key of JSON is text and would be written twice.
mod as_list {
    use super::Finding;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<u64, Finding>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u64, Finding>, D::Error> {
        Ok(Vec::<Finding>::deserialize(deserializer)?.into_iter().map(|f| (f.fingerprint, f)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn sight(book: &mut Book, fingerprint: u64, times: u64, now: i64) {
        for _ in 0..times {
            let sighting = Sighting { fingerprint, severity: Severity::High, source: "a.log", line: Some(1), lines: 1 };
            book.see(sighting, now, || Texts { template: "connection to db lost".into(), ..Texts::default() });
        }
    }

    #[test]
    fn a_finding_lives_from_new_to_reopened() {
        let mut book = Book::default();
        sight(&mut book, 7, 1, 0);
        assert_eq!(book.settle(0, None).opened, [7]);
        assert_eq!(book.get(7).unwrap().trend(0), Trend::New);
        let mut now = 0;
        for _ in 0..30 {
            now += MINUTE;
            sight(&mut book, 7, 1, now);
            assert_eq!(book.settle(now, Some(MINUTE)), Changes::default());
        }
        assert_eq!(book.get(7).unwrap().trend(now), Trend::Recurring);
        assert_eq!(book.get(7).unwrap().count, 31);
        let quiet = now + MIN_SILENCE_MS;
        assert_eq!(book.settle(quiet, Some(MINUTE)).resolved, [0u64; 0]);
        assert_eq!(book.settle(quiet + 1, Some(1)).resolved, [7]);
        sight(&mut book, 7, 1, quiet + MINUTE);
        assert_eq!(book.settle(quiet + MINUTE, Some(MINUTE)).reopened, [7]);
        assert_eq!(book.get(7).unwrap().trend(quiet + MINUTE), Trend::Reopened);
    }

    #[test]
    fn silence_is_judged_by_rhythm() {
        let mut book = Book::default();
        let hour = 60 * MINUTE;
        for i in 0..10 {
            sight(&mut book, 1, 1, i * hour);
            book.settle(i * hour, Some(hour));
        }
        // Once an hour: an hour and a half of silence is nothing.
        assert!(book.settle(9 * hour + 90 * MINUTE, Some(MINUTE)).resolved.is_empty());
        assert_eq!(book.settle(9 * hour + 9 * hour, Some(MINUTE)).resolved, [1]);
    }

    #[test]
    fn a_burst_is_measured_against_the_past() {
        let mut book = Book::default();
        let mut now = 0;
        for _ in 0..60 {
            sight(&mut book, 1, 20, now);
            assert!(book.settle(now, Some(MINUTE)).bursting.is_empty());
            now += MINUTE;
        }
        sight(&mut book, 1, 200, now);
        assert_eq!(book.settle(now, Some(MINUTE)).bursting, [1]);
        assert_eq!(book.get(1).unwrap().trend(now), Trend::Bursting);
        now += MINUTE;
        sight(&mut book, 1, 20, now);
        book.settle(now, Some(MINUTE));
        assert_eq!(book.get(1).unwrap().trend(now), Trend::Recurring);
    }

    #[test]
    fn a_recovery_resolves_what_it_is_about() {
        let mut book = Book::default();
        sight(&mut book, 1, 1, 0);
        book.settle(0, None);
        assert!(book.recover("a.log", "cache rebuilt and restored", 1).is_empty());
        assert!(book.recover("b.log", "connection to db restored", 1).is_empty());
        assert_eq!(book.recover("a.log", "connection to db restored", 1), [1]);
    }

    #[test]
    fn the_book_is_bounded_and_counts_what_it_drops() {
        let mut book = Book::default();
        for fingerprint in 0..MAX_FINDINGS as u64 + 50 {
            sight(&mut book, fingerprint, 1, 0);
        }
        book.settle(0, None);
        assert_eq!((book.len(), book.dropped), (MAX_FINDINGS, 50));
        let text = serde_json::to_string(&book).unwrap();
        let again: Book = serde_json::from_str(&text).unwrap();
        assert_eq!(again.len(), MAX_FINDINGS);
    }
}
