//! What a state file is, and what is wrong with it.
//!
//! Pure: it takes what was seen, and the memory of earlier looks. Owns statuses and findings.

use ghostd_sdk::{Finding, Severity};
use serde::{Deserialize, Serialize};

use crate::config::Target;
use crate::content::{Content, Shown, Summary};

/// A content's time further ahead than this is not believed; clocks of one machine do not differ.
const MAX_AHEAD_MS: i64 = 60_000;
/// So many looks in a row make something a finding that can last for the blink of a rewrite.
const PATIENCE: u32 = 2;

/// What a file was found to be.
#[derive(Debug)]
pub enum Sighting {
    /// It was read.
    Read(Seen, Result<Content, String>),
    /// It is too large to be read at all.
    TooLarge(Seen, u64),
    /// There is no such file.
    NotThere,
    /// It cannot be read, and why.
    Unreadable(String),
}

/// The outside of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Size in bytes.
    pub size_bytes: u64,
    /// When it was last written, in milliseconds since the epoch.
    pub modified_ms: i64,
}

/// The state of a file.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was never there.
    #[default]
    Missing,
    /// It is there and young enough.
    Fresh,
    /// It is there and too old.
    Stale,
    /// It is there and is no JSON.
    Malformed,
    /// It is there and cannot be read.
    Unreadable,
    /// It was there and is no more.
    Vanished,
}

/// Whose word a time is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFrom {
    /// It stands in the content.
    Content,
    /// The file's last change.
    File,
}

/// A file as it is judged.
#[derive(Debug)]
pub struct Judged {
    /// What it is.
    pub status: Status,
    /// In how many looks in a row it was that.
    pub streak: u32,
    /// How old it is in seconds, and whose word that is.
    pub age: Option<(f64, TimeFrom)>,
    /// The outside of it.
    pub seen: Option<Seen>,
    /// When it says that it was written, believed or not.
    pub content_ms: Option<i64>,
    /// Its content, or what is shown in its stead.
    pub shown: Option<Shown>,
    /// Why it is malformed or unreadable.
    pub error: Option<String>,
}

/// What is remembered of a file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Known {
    /// Its status at the last look.
    pub status: Status,
    /// In how many looks in a row it was that.
    pub streak: u32,
    /// Whether it was ever there.
    pub seen: bool,
    /// The finding that is open, and since when.
    pub open: Option<(Status, i64)>,
}

/// Judges one file, and brings its memory up to date.
#[must_use]
pub fn judge(known: &mut Known, target: &Target, sighting: Sighting, now_ms: i64) -> Judged {
    let (mut seen, mut content_ms, mut shown, mut error) = (None, None, None, None);
    let status = match sighting {
        Sighting::NotThere => {
            if known.seen {
                Status::Vanished
            } else {
                Status::Missing
            }
        }
        Sighting::Unreadable(reason) => {
            error = Some(reason);
            Status::Unreadable
        }
        Sighting::Read(outside, Err(reason)) => {
            seen = Some(outside);
            error = Some(reason);
            Status::Malformed
        }
        Sighting::Read(outside, Ok(content)) => {
            seen = Some(outside);
            content_ms = content.time_ms;
            shown = Some(content.shown);
            Status::Fresh
        }
        Sighting::TooLarge(outside, limit) => {
            seen = Some(outside);
            let because = format!("{} bytes, of which at most {limit} are read", outside.size_bytes);
            shown = Some(Shown::Summary(Summary { kind: "unread", because, ..Summary::default() }));
            Status::Fresh
        }
    };
    let age = seen.map(|seen| age(seen, content_ms, now_ms));
    let too_old = age.is_some_and(|(seconds, _)| seconds > f64::from(target.max_age_seconds));
    let status = if status == Status::Fresh && too_old { Status::Stale } else { status };
    known.streak = if known.status == status { known.streak.saturating_add(1) } else { 1 };
    known.status = status;
    known.seen |= !matches!(status, Status::Missing | Status::Vanished | Status::Unreadable);
    Judged { status, streak: known.streak, age, seen, content_ms, shown, error }
}

/// What is wrong with a file now, and what no longer is.
#[must_use]
pub fn findings(known: &mut Known, target: &Target, judged: &Judged, now_ms: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let wrong = trouble(judged);
    // Until it is certain that something else is wrong, the old trouble is not over either.
    let waiting = wrong.is_none() && !matches!(judged.status, Status::Fresh | Status::Missing);
    if let Some((open, first_ms)) = known.open
        && wrong != Some(open)
        && !waiting
    {
        findings.push(new(&target.name, open, over(open)).seen(first_ms, now_ms).resolved());
        known.open = None;
    }
    let Some(open) = wrong.or(known.open.map(|(open, _)| open)) else { return findings };
    let (_, first_ms) = *known.open.get_or_insert((open, now_ms));
    let finding = new(&target.name, open, &title(open, target, judged)).seen(first_ms, now_ms);
    findings.push(finding.source(format!("{}:{}", target.root, target.path)));
    findings
}

/// What was open of a file that is no longer configured.
#[must_use]
pub fn forget(known: &Known, name: &str, now_ms: i64) -> Option<Finding> {
    let (open, first_ms) = known.open?;
    Some(new(name, open, "is no longer configured").seen(first_ms, now_ms).resolved())
}

/// How old it is: by its content where that says so, since a program may go on writing what it no longer
/// knows; else by the file.
#[expect(clippy::cast_precision_loss, reason = "ages stay far below 2^53 ms")]
fn age(seen: Seen, content_ms: Option<i64>, now_ms: i64) -> (f64, TimeFrom) {
    let believed = content_ms.filter(|&at| at <= now_ms.saturating_add(MAX_AHEAD_MS));
    let (at, from) = believed.map_or((seen.modified_ms, TimeFrom::File), |at| (at, TimeFrom::Content));
    (now_ms.saturating_sub(at).max(0) as f64 / 1000.0, from)
}

fn trouble(judged: &Judged) -> Option<Status> {
    match judged.status {
        Status::Fresh | Status::Missing => None,
        Status::Stale => Some(Status::Stale),
        Status::Malformed | Status::Unreadable | Status::Vanished => {
            (judged.streak >= PATIENCE).then_some(judged.status)
        }
    }
}

fn title(open: Status, target: &Target, judged: &Judged) -> String {
    let error = judged.error.as_deref().unwrap_or("no reason known");
    match open {
        Status::Stale => match judged.age {
            Some((seconds, _)) => format!("was last updated {seconds:.0} s ago (at most {} s)", target.max_age_seconds),
            None => "is stale".to_owned(),
        },
        Status::Malformed => format!("is no valid JSON: {error}"),
        Status::Unreadable => format!("cannot be read: {error}"),
        Status::Vanished => "is gone".to_owned(),
        Status::Fresh | Status::Missing => "is fine".to_owned(),
    }
}

fn over(open: Status) -> &'static str {
    match open {
        Status::Stale => "was stale and is not any more",
        Status::Malformed => "was no valid JSON and is not that any more",
        Status::Unreadable => "could not be read and can be again",
        Status::Vanished => "was gone and is not any more",
        Status::Fresh | Status::Missing => "is fine",
    }
}

fn new(name: &str, open: Status, what: &str) -> Finding {
    let (word, severity) = match open {
        Status::Stale => ("stale", Severity::Medium),
        Status::Malformed => ("malformed", Severity::Medium),
        Status::Vanished => ("vanished", Severity::Medium),
        Status::Unreadable | Status::Fresh | Status::Missing => ("unreadable", Severity::Low),
    };
    Finding::new(&format!("telemetry:{name}:{word}"), severity, format!("telemetry `{name}` {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target() -> Target {
        Target {
            name: "relay".to_owned(),
            root: "r".to_owned(),
            path: "relay.json".to_owned(),
            max_age_seconds: 60,
            max_bytes: 1000,
        }
    }

    fn read(modified_ms: i64, time_ms: Option<i64>) -> Sighting {
        Sighting::Read(Seen { size_bytes: 2, modified_ms }, Ok(Content { shown: Shown::Whole(json!({})), time_ms }))
    }

    fn bad() -> Sighting {
        Sighting::Read(Seen { size_bytes: 1, modified_ms: 0 }, Err("line 1".to_owned()))
    }

    /// One look: the status, and the findings by the end of their fingerprints.
    fn look(known: &mut Known, sighting: Sighting, now_ms: i64) -> (Status, Vec<String>) {
        let judged = judge(known, &target(), sighting, now_ms);
        let findings = findings(known, &target(), &judged, now_ms);
        let word = |finding: &Finding| {
            let word = finding.fingerprint.strip_prefix("telemetry:relay:").unwrap();
            if finding.resolved { format!("{word} resolved") } else { word.to_owned() }
        };
        (judged.status, findings.iter().map(word).collect())
    }

    #[test]
    fn a_file_that_was_never_there_is_missing_and_nobodys_alarm() {
        let mut known = Known::default();
        for _ in 0..5 {
            assert_eq!(look(&mut known, Sighting::NotThere, 0), (Status::Missing, vec![]));
        }
    }

    #[test]
    fn a_file_that_vanished_is_a_finding_at_the_second_look() {
        let mut known = Known::default();
        assert_eq!(look(&mut known, read(0, None), 0), (Status::Fresh, vec![]));
        assert_eq!(look(&mut known, Sighting::NotThere, 10), (Status::Vanished, vec![]));
        assert_eq!(look(&mut known, Sighting::NotThere, 20), (Status::Vanished, vec!["vanished".to_owned()]));
        assert_eq!(look(&mut known, read(20, None), 30), (Status::Fresh, vec!["vanished resolved".to_owned()]));
        assert_eq!(look(&mut known, read(20, None), 40), (Status::Fresh, vec![]));
    }

    #[test]
    fn the_contents_time_wins_over_the_files_unless_it_lies_ahead() {
        let mut known = Known::default();
        assert_eq!(look(&mut known, read(100_000, Some(0)), 100_000).0, Status::Stale);
        assert_eq!(look(&mut known, read(0, Some(90_000)), 100_000).0, Status::Fresh);
        assert_eq!(look(&mut known, read(0, Some(170_000)), 100_000).0, Status::Stale, "70 s ahead");
        let judged = judge(&mut known, &target(), read(99_000, Some(159_000)), 100_000);
        assert_eq!((judged.status, judged.age), (Status::Fresh, Some((0.0, TimeFrom::Content))));
    }

    #[test]
    fn stale_is_a_finding_at_once_and_exactly_beyond_the_limit() {
        let mut known = Known::default();
        assert_eq!(look(&mut known, read(0, None), 60_000), (Status::Fresh, vec![]));
        assert_eq!(look(&mut known, read(0, None), 60_001), (Status::Stale, vec!["stale".to_owned()]));
    }

    #[test]
    fn a_half_written_file_is_malformed_and_a_finding_when_it_stays_so() {
        let mut known = Known::default();
        assert_eq!(look(&mut known, bad(), 0), (Status::Malformed, vec![]));
        assert_eq!(look(&mut known, read(0, None), 10), (Status::Fresh, vec![]));
        look(&mut known, bad(), 20);
        assert_eq!(look(&mut known, bad(), 30).1, ["malformed"]);
    }

    #[test]
    fn one_trouble_gives_way_to_another_when_that_is_certain() {
        let mut known = Known::default();
        assert_eq!(look(&mut known, read(0, None), 100_000).1, ["stale"]);
        assert_eq!(look(&mut known, bad(), 110_000).1, ["stale"]);
        assert_eq!(look(&mut known, bad(), 120_000).1, ["stale resolved", "malformed"]);
        assert_eq!(look(&mut known, read(0, None), 130_000).1, ["malformed resolved", "stale"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_taken_for_one_that_was_there() {
        let mut known = Known::default();
        look(&mut known, Sighting::Unreadable("no".to_owned()), 0);
        assert_eq!(look(&mut known, Sighting::NotThere, 10).0, Status::Missing);
        look(&mut known, Sighting::Unreadable("no".to_owned()), 20);
        assert_eq!(look(&mut known, Sighting::Unreadable("no".to_owned()), 30).1, ["unreadable"]);
    }

    #[test]
    fn what_is_too_large_to_be_read_goes_by_the_files_time() {
        let mut known = Known::default();
        let large = |modified_ms| Sighting::TooLarge(Seen { size_bytes: 9_000_000, modified_ms }, 1_048_576);
        let judged = judge(&mut known, &target(), large(0), 0);
        assert_eq!(judged.status, Status::Fresh);
        assert_eq!(look(&mut known, large(0), 100_000).0, Status::Stale);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_older_than_now() {
        let mut known = Known::default();
        let judged = judge(&mut known, &target(), read(500_000, None), 100_000);
        assert_eq!(judged.age, Some((0.0, TimeFrom::File)));
    }

    #[test]
    fn a_file_that_is_no_longer_configured_leaves_nothing_open() {
        let mut known = Known::default();
        look(&mut known, read(0, None), 100_000);
        let finding = forget(&known, "relay", 110_000).unwrap();
        assert!(finding.resolved && finding.first_ms == Some(100_000));
        assert_eq!(forget(&Known::default(), "relay", 0), None);
    }
}
