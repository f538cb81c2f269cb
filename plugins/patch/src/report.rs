//! The section: what the queue looks like, in the form `ghost.patch/1`.
//!
//! Owns names and bounds of what is shown. Decides nothing.

use ghostd_sdk::Metric;
use serde::Serialize;

use crate::config::{Config, State};
use crate::facts::Content;
use crate::judge::{Executing, Since};
use crate::patch::{self, Patch, TimeFrom};
use crate::queue::{Folder, Queue};
use crate::time::rfc3339;

/// The name and version of the body's form.
pub const SCHEMA: &str = "ghost.patch/1";
/// The most patches that are shown as executing, the longest first.
pub const MAX_EXECUTING: usize = 20;
/// The most files that are named as malformed or as no patch.
pub const MAX_NAMED: usize = 10;

/// The body of the section.
#[derive(Debug, Serialize)]
pub struct Body {
    /// Whether a queue is lent. Where it is not, there is nothing else here.
    pub configured: bool,
    /// The name of the root that is the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// What was seen of it; none where it could not be listed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// What was seen of a queue.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// Patches by state.
    pub queue: Counts,
    /// Every folder with the files in it, whatever they are.
    pub folders: Vec<Folder>,
    /// The completed patch that comes last by version, phase and time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_completed: Option<Shown>,
    /// The completed patch that says the latest time of itself, where that is another one: an earlier
    /// version came later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_completed: Option<Shown>,
    /// Completed and failed patches, the last by version, phase and time first.
    pub history: Vec<Shown>,
    /// What is being carried out, the longest first; at most [`MAX_EXECUTING`].
    pub executing: Vec<Running>,
    /// How many of those, shown or not, have been executing for too long.
    pub stuck: usize,
    /// The age of the pending patch whose time is the oldest, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pending_seconds: Option<i64>,
    /// Files that should be JSON and are not.
    pub malformed: Named<Malformed>,
    /// Files in the states' folders that are no patches.
    pub not_patches: Named<String>,
    /// Files whose content is yet to be looked at.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread: u32,
}

/// Patches by state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each field counts the patches of the state of that name")]
pub struct Counts {
    pub pending: u64,
    pub executing: u64,
    pub completed: u64,
    pub failed: u64,
}

/// One patch as it is recorded. Nothing else of its content is.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// What its folder says of it.
    pub state: State,
    /// Its version, without the leading `v`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its phase, with the `P`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its time, RFC 3339.
    pub time: String,
    /// Whose word that is.
    pub time_from: TimeFrom,
    /// Its path below the root.
    pub path: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
}

/// A patch that is being carried out.
#[derive(Debug, Serialize)]
pub struct Running {
    /// The patch.
    #[serde(flatten)]
    pub patch: Shown,
    /// Since when, RFC 3339.
    pub since: String,
    /// `seen`: it was first seen executing then; `file`: it was there at the first look of all, and its
    /// file was last written then.
    pub since_from: &'static str,
    /// For how long, in seconds.
    pub seconds: i64,
    /// Whether that is too long.
    pub stuck: bool,
}

/// Some files by name, and how many there are in all.
#[derive(Debug, Serialize)]
pub struct Named<T> {
    /// How many there are.
    pub count: usize,
    /// At most [`MAX_NAMED`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<T>,
}

/// A file that should be JSON and is not.
#[derive(Debug, Serialize)]
pub struct Malformed {
    /// Its path below the root.
    pub path: String,
    /// Where the fault is.
    pub reason: String,
}

impl Body {
    /// No queue is lent.
    #[must_use]
    pub fn not_configured() -> Self {
        Self { configured: false, root: None, seen: None }
    }

    /// A queue is lent and could not be listed.
    #[must_use]
    pub fn unseen(root: &str) -> Self {
        Self { configured: true, root: Some(root.to_owned()), seen: None }
    }

    /// What was seen of the queue.
    #[must_use]
    pub fn new(root: &str, queue: &Queue, executing: &[Executing<'_>], config: &Config, now_ms: i64) -> Self {
        let mut done: Vec<&Patch> = queue
            .files
            .iter()
            .filter(|patch| patch.is_patch() && matches!(patch.state, State::Completed | State::Failed))
            .collect();
        done.sort_by(|a, b| patch::order(b, a));
        let completed = || done.iter().filter(|patch| patch.state == State::Completed);
        let last = completed().next();
        let dated = completed().filter(|patch| patch.time_from == TimeFrom::Patch);
        let latest = dated.max_by_key(|patch| patch.time_ms);
        let latest = latest.filter(|latest| last.is_none_or(|last| last.time_ms < latest.time_ms));
        let oldest_pending = queue
            .files
            .iter()
            .filter(|patch| patch.is_patch() && patch.state == State::Pending)
            .map(|patch| (now_ms.saturating_sub(patch.time_ms) / 1000).max(0))
            .max();
        let seen = Seen {
            queue: Counts::of(queue),
            folders: queue.folders.clone(),
            last_completed: last.map(|patch| Shown::new(patch)),
            latest_completed: latest.map(|patch| Shown::new(patch)),
            history: done.iter().take(config.history).map(|patch| Shown::new(patch)).collect(),
            executing: executing.iter().take(MAX_EXECUTING).map(Running::new).collect(),
            stuck: executing.iter().filter(|executing| executing.stuck).count(),
            oldest_pending_seconds: oldest_pending,
            malformed: malformed(queue),
            not_patches: not_patches(queue),
            unread: queue.unread,
        };
        Self { configured: true, root: Some(root.to_owned()), seen: Some(seen) }
    }

    /// The metric points that go with it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of files and ages stay far below 2^53")]
    pub fn metrics(&self, executing: &[Executing<'_>]) -> Vec<Metric> {
        let Some(seen) = &self.seen else { return Vec::new() };
        let Counts { pending, executing: running, completed, failed } = seen.queue;
        let states = [("pending", pending), ("executing", running), ("completed", completed), ("failed", failed)];
        let mut metrics: Vec<_> = states
            .into_iter()
            .map(|(state, count)| Metric::gauge("patch.queue.size", "{patch}", count as f64).label("state", state))
            .collect();
        let longest = executing.iter().map(|executing| executing.seconds).max().unwrap_or(0);
        metrics.push(Metric::gauge("patch.executing.longest", "s", longest as f64));
        metrics.push(Metric::gauge("patch.executing.stuck", "{patch}", seen.stuck as f64));
        metrics.push(Metric::gauge("patch.malformed", "{file}", seen.malformed.count as f64));
        metrics
    }
}

impl Counts {
    fn of(queue: &Queue) -> Self {
        let mut counts = Self::default();
        for patch in queue.files.iter().filter(|patch| patch.is_patch()) {
            let count = match patch.state {
                State::Pending => &mut counts.pending,
                State::Executing => &mut counts.executing,
                State::Completed => &mut counts.completed,
                State::Failed => &mut counts.failed,
            };
            *count += 1;
        }
        counts
    }
}

impl Shown {
    fn new(patch: &Patch) -> Self {
        Self {
            id: patch.id.clone(),
            state: patch.state,
            version: patch.version.as_ref().map(|version| version.text().to_owned()),
            phase: patch.phase.as_ref().map(|phase| phase.text().to_owned()),
            time: rfc3339(patch.time_ms),
            time_from: patch.time_from,
            path: patch.path(),
            size_bytes: patch.size_bytes,
        }
    }
}

impl Running {
    fn new(executing: &Executing<'_>) -> Self {
        let since_from = match executing.since {
            Since::Seen(_) => "seen",
            Since::File(_) => "file",
        };
        Self {
            patch: Shown::new(executing.patch),
            since: rfc3339(executing.since.ms()),
            since_from,
            seconds: executing.seconds,
            stuck: executing.stuck,
        }
    }
}

fn malformed(queue: &Queue) -> Named<Malformed> {
    let all = queue.files.iter().filter_map(|patch| match &patch.content {
        Some(Content::Malformed(reason)) => Some((patch, reason)),
        _ => None,
    });
    let files = all
        .clone()
        .take(MAX_NAMED)
        .map(|(patch, reason)| Malformed { path: patch.path(), reason: reason.clone() })
        .collect();
    Named { count: all.count(), files }
}

fn not_patches(queue: &Queue) -> Named<String> {
    let by_content = queue.files.iter().filter(|patch| matches!(patch.content, Some(Content::NoPatch(_))));
    let by_content = by_content.map(Patch::path);
    let all = queue.strangers.iter().cloned().chain(by_content);
    Named { count: all.clone().count(), files: all.take(MAX_NAMED).collect() }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
