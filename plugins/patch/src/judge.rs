//! What is wrong with the queue, and since when.
//!
//! Owns the memory that this needs. Knows nothing of files or of how anything is shown.

use std::collections::{BTreeMap, BTreeSet};

use ghostd_sdk::{Finding, Severity};
use serde::{Deserialize, Serialize};

use crate::config::{Config, State};
use crate::facts::{self, Content};
use crate::patch::Patch;
use crate::queue::Queue;

/// The most patches that are findings of their own, per kind; one more finding counts the rest.
pub const MAX_FINDINGS: usize = 20;
/// The most failed patches that are remembered as known, so that the state stays small.
const MAX_REMEMBERED: usize = 4096;
/// The longest part of a fingerprint that comes from a name, in bytes.
const MAX_SLUG_BYTES: usize = 80;

/// What is remembered from look to look. Paths are kept as hashes: they are shorter, and a sanitizer
/// has nothing to find in a number.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Memory {
    /// The root this is about: with another one everything starts anew.
    root: String,
    /// Patches that are executing, and since when at the earliest.
    executing: Vec<(u64, Since)>,
    /// Patches in a folder for failed ones.
    failed: Vec<u64>,
    /// Those of them that came after the first look, and when they were seen first.
    news: Vec<(u64, i64)>,
    /// Findings that are open.
    open: Vec<Open>,
}

/// Since when a patch has been executing, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Since {
    /// It was first seen executing then: it may have begun since the look before.
    #[serde(rename = "s")]
    Seen(i64),
    /// It was there at the first look of all, and its file was last written then.
    #[serde(rename = "f")]
    File(i64),
}

/// A patch that is executing.
#[derive(Debug)]
pub struct Executing<'a> {
    /// The patch.
    pub patch: &'a Patch,
    /// Since when.
    pub since: Since,
    /// For how long, in seconds.
    pub seconds: i64,
    /// Whether that is too long.
    pub stuck: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Open {
    fingerprint: String,
    title: String,
    severity: u8,
    first_ms: i64,
}

impl Since {
    /// Milliseconds since the epoch.
    #[must_use]
    pub fn ms(self) -> i64 {
        match self {
            Self::Seen(ms) | Self::File(ms) => ms,
        }
    }
}

impl Memory {
    /// What was open at the last look, for a call that could not look.
    #[must_use]
    pub fn still_open(&self) -> Vec<Finding> {
        let finding = |open: &Open| {
            let finding = Finding::new(&open.fingerprint, severity(open.severity), open.title.clone());
            Finding { first_ms: Some(open.first_ms), ..finding }
        };
        self.open.iter().map(finding).collect()
    }
}

/// Compares the queue with what is remembered. `before` is none at the first look of all; `redact` takes
/// the secrets out of what becomes part of a fingerprint.
#[must_use]
pub fn judge<'a>(
    before: Option<Memory>,
    root: &str,
    queue: &'a Queue,
    config: &Config,
    now_ms: i64,
    redact: fn(&str) -> String,
) -> (Memory, Vec<Executing<'a>>, Vec<Finding>) {
    let mut open = Vec::new();
    let before = before.and_then(|mut memory| {
        open = std::mem::take(&mut memory.open);
        (memory.root == root).then_some(memory)
    });
    let mut after = Memory { root: root.to_owned(), ..Memory::default() };
    let executing = executing(before.as_ref(), queue, config, now_ms, &mut after);
    let failed = newly_failed(before.as_ref(), queue, config, now_ms, &mut after);
    let mut findings = Vec::new();
    let stuck: Vec<_> = executing.iter().filter(|executing| executing.stuck).collect();
    for executing in stuck.iter().take(MAX_FINDINGS) {
        findings.push(stuck_finding(executing, now_ms, redact));
    }
    for (patch, since_ms) in failed.iter().take(MAX_FINDINGS) {
        findings.push(
            Finding::new(
                &fingerprint("failed", patch, redact),
                Severity::Medium,
                format!("patch `{}` failed", patch.id),
            )
            .source(patch.path())
            .seen(*since_ms, *since_ms),
        );
    }
    findings.extend(others("stuck", "patches that have been executing for too long", stuck.len(), Severity::High));
    findings.extend(others("failed", "patches that failed", failed.len(), Severity::Medium));
    findings.extend(malformed_finding(queue));
    settle(&mut after, open, &mut findings, now_ms);
    (after, executing, findings)
}

fn executing<'a>(
    before: Option<&Memory>,
    queue: &'a Queue,
    config: &Config,
    now_ms: i64,
    after: &mut Memory,
) -> Vec<Executing<'a>> {
    let known: BTreeMap<_, _> = before.into_iter().flat_map(|memory| memory.executing.iter().copied()).collect();
    let mut executing = Vec::new();
    for patch in queue.files.iter().filter(|patch| patch.state == State::Executing && !is_stranger(patch)) {
        let key = hash(&patch.path());
        let at_first_look = || if before.is_none() { Since::File(patch.modified_ms) } else { Since::Seen(now_ms) };
        let since = known.get(&key).copied().unwrap_or_else(at_first_look);
        after.executing.push((key, since));
        // A clock that was set back must not make it stuck for ever, nor end in a negative age.
        let seconds = (now_ms.saturating_sub(since.ms()) / 1000).max(0);
        let stuck = seconds > i64::from(config.stuck_after_seconds);
        executing.push(Executing { patch, since, seconds, stuck });
    }
    executing.sort_by_key(|executing| std::cmp::Reverse(executing.seconds));
    if queue.incomplete {
        keep(&mut after.executing, known.into_iter());
    }
    after.executing.truncate(MAX_REMEMBERED);
    executing
}

/// Failed patches that are news, the latest first.
fn newly_failed<'a>(
    before: Option<&Memory>,
    queue: &'a Queue,
    config: &Config,
    now_ms: i64,
    after: &mut Memory,
) -> Vec<(&'a Patch, i64)> {
    let mut here: Vec<&Patch> =
        queue.files.iter().filter(|patch| patch.state == State::Failed && !is_stranger(patch)).collect();
    here.sort_by_key(|patch| std::cmp::Reverse(patch.modified_ms));
    let known: BTreeSet<u64> = before.into_iter().flat_map(|memory| memory.failed.iter().copied()).collect();
    let news: BTreeMap<u64, i64> = before.into_iter().flat_map(|memory| memory.news.iter().copied()).collect();
    let oldest_news_ms = now_ms.saturating_sub(i64::from(config.failed_is_news_for_seconds).saturating_mul(1000));
    let mut newly = Vec::new();
    for patch in here {
        let key = hash(&patch.path());
        if after.failed.len() < MAX_REMEMBERED {
            after.failed.push(key);
        } else if !known.contains(&key) {
            continue;
        }
        let since_ms = match news.get(&key) {
            Some(&since_ms) => since_ms,
            None if before.is_some() && !known.contains(&key) => now_ms,
            None => continue,
        };
        if since_ms >= oldest_news_ms {
            after.news.push((key, since_ms));
            newly.push((patch, since_ms));
        }
    }
    if queue.incomplete {
        let here: BTreeSet<u64> = after.failed.iter().copied().collect();
        after.failed.extend(known.difference(&here));
        after.failed.truncate(MAX_REMEMBERED);
    }
    after.news.truncate(MAX_REMEMBERED);
    newly.sort_by_key(|&(_, since_ms)| std::cmp::Reverse(since_ms));
    newly
}

fn stuck_finding(executing: &Executing<'_>, now_ms: i64, redact: fn(&str) -> String) -> Finding {
    let Executing { patch, since, seconds, .. } = executing;
    let detail = match since {
        Since::Seen(_) => "It was seen to be taken up then.",
        Since::File(_) => "It was there when ghostd first looked; the time is that of its file.",
    };
    Finding::new(
        &fingerprint("stuck", patch, redact),
        Severity::High,
        format!("patch `{}` has been executing for {}", patch.id, duration(*seconds)),
    )
    .detail(detail)
    .source(patch.path())
    .seen(since.ms(), now_ms)
}

fn others(kind: &str, what: &str, count: usize, severity: Severity) -> Option<Finding> {
    let more = count.checked_sub(MAX_FINDINGS).filter(|&more| more > 0)?;
    let finding = Finding::new(&format!("patch:{kind}:others"), severity, format!("{more} more {what}"));
    Some(finding.count(more as u64))
}

fn malformed_finding(queue: &Queue) -> Option<Finding> {
    let malformed: Vec<_> =
        queue.files.iter().filter(|patch| matches!(patch.content, Some(Content::Malformed(_)))).collect();
    let first = malformed.first()?;
    let title = match malformed.len() {
        1 => format!("`{}` is no valid JSON", first.path()),
        count => format!("{count} patches are no valid JSON"),
    };
    let mut detail = String::new();
    for patch in malformed.iter().take(MAX_FINDINGS) {
        if let Some(Content::Malformed(reason)) = &patch.content {
            detail.push_str(&format!("{}: {reason}\n", patch.path()));
        }
    }
    let finding = Finding::new("patch:malformed", Severity::Low, title).detail(detail).source(first.path());
    Some(finding.count(malformed.len() as u64))
}

/// Dates what is open, and reports what no longer is once more, as resolved.
fn settle(after: &mut Memory, open: Vec<Open>, findings: &mut Vec<Finding>, now_ms: i64) {
    let mut over = Vec::new();
    for was in &open {
        match findings.iter_mut().find(|finding| finding.fingerprint == was.fingerprint) {
            Some(finding) => finding.first_ms = finding.first_ms.or(Some(was.first_ms)),
            None => over.push(
                Finding::new(&was.fingerprint, severity(was.severity), was.title.clone())
                    .seen(was.first_ms, now_ms)
                    .resolved(),
            ),
        }
    }
    for finding in &mut *findings {
        let first_ms = *finding.first_ms.get_or_insert(now_ms);
        finding.last_ms.get_or_insert(now_ms);
        after.open.push(Open {
            fingerprint: finding.fingerprint.clone(),
            title: facts::cut(finding.title.clone(), 200),
            severity: finding.severity as u8,
            first_ms,
        });
    }
    findings.extend(over);
}

fn severity(number: u8) -> Severity {
    [Severity::Low, Severity::Medium, Severity::High]
        .into_iter()
        .find(|&known| known as u8 == number)
        .unwrap_or(Severity::Critical)
}

/// Whether it was read and is no patch at all. What is malformed may well be a patch.
fn is_stranger(patch: &Patch) -> bool {
    matches!(patch.content, Some(Content::NoPatch(_)))
}

/// From the name of the file, which stays when the patch moves; unambiguous though it is cut.
fn fingerprint(kind: &str, patch: &Patch, redact: fn(&str) -> String) -> String {
    let stem = redact(crate::name::stem(&patch.file));
    let plain = stem.len() <= MAX_SLUG_BYTES
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-'));
    if plain {
        return format!("patch:{kind}:{stem}");
    }
    let slug = facts::cut(stem.clone(), MAX_SLUG_BYTES);
    format!("patch:{kind}:{slug}-{:016x}", hash(&stem))
}

fn keep(now: &mut Vec<(u64, Since)>, known: impl Iterator<Item = (u64, Since)>) {
    let here: BTreeSet<u64> = now.iter().map(|&(key, _)| key).collect();
    now.extend(known.filter(|(key, _)| !here.contains(key)));
}

fn duration(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// FNV-1a: the same on every machine and in every release, which a fingerprint and a state need.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn file(folder: &str, file: &str, state: State, modified_ms: i64) -> Patch {
        let mut patch = Patch::new(folder, file, state, 10, modified_ms, None);
        patch.content = Some(Content::Patch);
        patch
    }

    fn queue(files: Vec<Patch>) -> Queue {
        Queue { files, ..Queue::default() }
    }

    fn look<'a>(
        before: Option<Memory>,
        root: &str,
        queue: &'a Queue,
        config: &Config,
        now_ms: i64,
    ) -> (Memory, Vec<Executing<'a>>, Vec<Finding>) {
        judge(before, root, queue, config, now_ms, str::to_owned)
    }

    fn titles(findings: &[Finding]) -> Vec<(String, bool)> {
        findings.iter().map(|finding| (finding.fingerprint.clone(), finding.resolved)).collect()
    }

    #[test]
    fn a_patch_is_stuck_by_how_long_it_was_seen_executing_not_by_the_age_of_its_file() {
        let config = Config::default();
        let empty = queue(vec![]);
        let (memory, _, _) = look(None, "q", &empty, &config, 100 * HOUR_MS);
        // Written long ago, taken up just now.
        let busy = queue(vec![file(".executing", "patch-a.json", State::Executing, HOUR_MS)]);
        let (memory, executing, findings) = look(Some(memory), "q", &busy, &config, 101 * HOUR_MS);
        assert_eq!((executing[0].seconds, executing[0].since), (0, Since::Seen(101 * HOUR_MS)));
        assert!(findings.is_empty());
        let (memory, executing, findings) = look(Some(memory), "q", &busy, &config, 102 * HOUR_MS);
        assert!(executing[0].stuck);
        assert_eq!(titles(&findings), [("patch:stuck:patch-a".to_owned(), false)]);
        assert_eq!(findings[0].title, "patch `patch-a` has been executing for 60 min");
        assert_eq!((findings[0].first_ms, findings[0].last_ms), (Some(101 * HOUR_MS), Some(102 * HOUR_MS)));
        // Done: resolved once, then gone.
        let (memory, _, findings) = look(Some(memory), "q", &empty, &config, 103 * HOUR_MS);
        assert_eq!(titles(&findings), [("patch:stuck:patch-a".to_owned(), true)]);
        assert_eq!(findings[0].severity, Severity::High);
        let (_, _, findings) = look(Some(memory), "q", &empty, &config, 104 * HOUR_MS);
        assert!(findings.is_empty());
    }

    #[test]
    fn at_the_first_look_the_file_says_since_when() {
        let busy = queue(vec![file(".executing", "patch-a.json", State::Executing, HOUR_MS)]);
        let (_, executing, findings) = look(None, "q", &busy, &Config::default(), 4 * HOUR_MS);
        assert_eq!((executing[0].since, executing[0].seconds), (Since::File(HOUR_MS), 3 * 3600));
        assert_eq!(findings.len(), 1);
        let (_, executing, _) = look(None, "q", &busy, &Config::default(), 0);
        assert_eq!((executing[0].seconds, executing[0].stuck), (0, false), "the clock was set back");
    }

    #[test]
    fn only_patches_that_failed_after_the_first_look_are_news_and_news_grows_old() {
        let config = Config::default();
        let old = file(".failed", "patch-old.json", State::Failed, 1);
        let (memory, _, findings) = look(None, "q", &queue(vec![old.clone()]), &config, HOUR_MS);
        assert!(findings.is_empty());
        let both = queue(vec![old, file(".failed", "patch-new.json", State::Failed, 0)]);
        let (memory, _, findings) = look(Some(memory), "q", &both, &config, 2 * HOUR_MS);
        assert_eq!(titles(&findings), [("patch:failed:patch-new".to_owned(), false)]);
        let (memory, _, findings) = look(Some(memory), "q", &both, &config, 20 * HOUR_MS);
        assert_eq!(findings[0].first_ms, Some(2 * HOUR_MS));
        let (memory, _, findings) = look(Some(memory), "q", &both, &config, 27 * HOUR_MS);
        assert_eq!(titles(&findings), [("patch:failed:patch-new".to_owned(), true)]);
        let (_, _, findings) = look(Some(memory), "q", &both, &config, 28 * HOUR_MS);
        assert!(findings.is_empty(), "what is no longer news does not become news again");
    }

    #[test]
    fn a_look_that_saw_half_makes_nothing_new() {
        let config = Config::default();
        let full = queue(vec![
            file(".failed", "patch-a.json", State::Failed, 1),
            file(".executing", "patch-b.json", State::Executing, 1),
        ]);
        let (memory, _, _) = look(None, "q", &full, &config, HOUR_MS);
        let half = Queue { incomplete: true, ..Queue::default() };
        let (memory, _, _) = look(Some(memory), "q", &half, &config, HOUR_MS + 1);
        let (_, executing, findings) = look(Some(memory), "q", &full, &config, HOUR_MS + 2);
        assert_eq!(executing[0].since, Since::File(1));
        assert!(titles(&findings).iter().all(|(fingerprint, _)| !fingerprint.contains("failed")), "{findings:?}");
    }

    #[test]
    fn another_root_starts_anew() {
        let config = Config::default();
        let (memory, _, _) = look(None, "q", &queue(vec![]), &config, 0);
        let failed = queue(vec![file(".failed", "patch-a.json", State::Failed, 1)]);
        let (_, _, findings) = look(Some(memory), "other", &failed, &config, 1);
        assert!(findings.is_empty());
    }

    #[test]
    fn a_flood_of_failures_is_bounded_and_counted() {
        let config = Config::default();
        let (memory, _, _) = look(None, "q", &queue(vec![]), &config, 0);
        let files = (0..5000).map(|n| file(".failed", &format!("patch-{n}.json"), State::Failed, n)).collect();
        let (memory, _, findings) = look(Some(memory), "q", &queue(files), &config, 1);
        assert_eq!(findings.len(), MAX_FINDINGS + 1);
        let last = findings.last().unwrap();
        assert_eq!((last.fingerprint.as_str(), last.count), ("patch:failed:others", 4096 - 20));
        assert!(serde_json::to_string(&memory).unwrap().len() < 200 * 1024);
    }

    #[test]
    fn a_malformed_patch_is_named_and_a_strange_name_makes_a_sound_fingerprint() {
        let mut bad = file(".pending", "pätch a.json", State::Pending, 1);
        bad.content = Some(Content::Malformed("expected value at line 1 column 2".to_owned()));
        let seen = queue(vec![bad.clone()]);
        let (_, _, findings) = look(None, "q", &seen, &Config::default(), 5);
        assert_eq!(findings[0].title, "`.pending/pätch a.json` is no valid JSON");
        let print = fingerprint("stuck", &bad, str::to_owned);
        assert!(print.starts_with("patch:stuck:pätch a-"));
        let long = file(".pending", &format!("{}.json", "a".repeat(250)), State::Pending, 1);
        assert!(fingerprint("stuck", &long, str::to_owned).len() <= 128);
    }

    #[test]
    fn a_secret_in_a_name_stays_out_of_the_fingerprint() {
        let patch = file(".failed", "patch-hunter2.json", State::Failed, 1);
        let print = fingerprint("failed", &patch, |text| text.replace("hunter2", "[REDACTED:x]"));
        assert!(print.starts_with("patch:failed:patch-[REDACTED:x]-"), "{print}");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!([duration(5), duration(150), duration(7300), duration(200_000)], ["5 s", "2 min", "2 h", "2 days"]);
    }
}
