//! Snapshots: when one is taken, whom it waits for, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::requests::Asker;
use super::{Daemon, Message, Told};
use crate::chain::chain;
use crate::clean;
use crate::collect::Every;
use crate::config::Config;
use crate::control::Answer;
use crate::merge::{self, About};
use crate::model::{EventKind, EventSeverity, Moment, SnapshotId, Trigger};
use crate::publish::Stored;
use crate::recorder;
use crate::schedule::Schedule;
use crate::store::Batch;

/// Captures that are asked for while one runs. More are refused: each is a snapshot of its own.
const MAX_QUEUED: usize = 16;

/// The state of capturing.
pub(super) struct Captures {
    pub(super) schedule: Schedule,
    /// Captures that were due and not taken since the last snapshot.
    pub(super) missed: u64,
    pub(super) missed_total: u64,
    pub(super) last: Option<SnapshotId>,
    first: bool,
    running: Option<Capture>,
    /// One that is being written: who waits for it.
    writing: Option<Option<Asker>>,
    queued: Vec<Wanted>,
    /// Those in the snapshot that is being written.
    notices: Vec<String>,
    /// Whether the last one failed: a full disk is told of once, and not at every interval.
    failing: bool,
}

struct Capture {
    wanted: Wanted,
    started: Moment,
    deadline_ns: u64,
    waiting: BTreeSet<Arc<str>>,
    all: bool,
}

/// A snapshot that somebody or something wants.
struct Wanted {
    trigger: Trigger,
    reason: Option<String>,
    important: bool,
    client: Option<Asker>,
}

impl Captures {
    pub(super) fn new(config: &Config, last: Option<(SnapshotId, Moment)>, now: &Moment) -> Self {
        let every = config.snapshot.every;
        // A restart loop must not evict the history: the rhythm goes on from the last snapshot.
        let wait = match &last {
            Some((_, at)) => every.saturating_sub(now.since(at)),
            None => Duration::ZERO,
        };
        let wait = if wait.is_zero() && !config.snapshot.at_start { every } else { wait };
        let first_ns = now.boottime_ns.saturating_add(wait.as_nanos() as u64);
        Self {
            schedule: Schedule::new(every, first_ns),
            missed: 0,
            missed_total: 0,
            last: last.map(|(id, _)| id),
            first: wait.is_zero(),
            running: None,
            writing: None,
            queued: Vec::new(),
            notices: Vec::new(),
            failing: false,
        }
    }

    pub(super) fn reconfigure(&mut self, config: &Config, now: &Moment) {
        if self.schedule.interval() != config.snapshot.every {
            self.schedule =
                Schedule::new(config.snapshot.every, now.boottime_ns + config.snapshot.every.as_nanos() as u64);
        }
    }

    /// Why the snapshot that is due is due: the first after a start says so.
    pub(super) fn scheduled_trigger(&mut self) -> Trigger {
        if std::mem::take(&mut self.first) { Trigger::Start } else { Trigger::Schedule }
    }

    pub(super) fn deadline_ns(&self) -> Option<u64> {
        self.running.as_ref().map(|capture| capture.deadline_ns)
    }

    fn is_busy(&self) -> bool {
        self.running.is_some() || self.writing.is_some()
    }
}

impl Daemon {
    /// Begins a capture, or has it wait for the one that runs.
    pub(super) fn begin_capture(
        &mut self,
        trigger: Trigger,
        reason: Option<String>,
        important: bool,
        client: Option<Asker>,
        now: &Moment,
    ) {
        let wanted = Wanted { trigger, reason, important, client };
        if !self.captures.is_busy() {
            self.start_capture(wanted, now);
        } else if wanted.trigger == Trigger::Schedule {
            self.captures.missed += 1;
        } else if self.captures.queued.len() < MAX_QUEUED {
            self.captures.queued.push(wanted);
        } else if let Some(client) = wanted.client {
            let error = format!("{MAX_QUEUED} snapshots are waiting already");
            client.answer(Answer::Failed { error });
        }
    }

    fn start_capture(&mut self, wanted: Wanted, now: &Moment) {
        let all = wanted.trigger != Trigger::Schedule;
        if all {
            self.collectors.mark_all_due(if wanted.trigger == Trigger::Manual { "manual" } else { "start" });
        } else {
            self.collectors.mark_due(Every::Snapshot, "schedule");
        }
        self.start_calls(now);
        let deadline = self.machinery.config.snapshot.deadline;
        self.captures.running = Some(Capture {
            wanted,
            started: now.clone(),
            deadline_ns: now.boottime_ns.saturating_add(deadline.as_nanos() as u64),
            waiting: self.collectors.running(),
            all,
        });
    }

    /// Composes the snapshot that is due, when all that it waits for is there or its time is up.
    pub(super) fn finish_capture(&mut self, now: &Moment) {
        let Some(capture) = &mut self.captures.running else { return };
        let running = self.collectors.running();
        if capture.all {
            // What was in flight is called again after it ended; those calls are waited for as well.
            capture.waiting.extend(running.iter().cloned());
        }
        capture.waiting.retain(|name| running.contains(name));
        let loading = capture.wanted.trigger == Trigger::Start && self.loading.is_loading();
        if (loading || !capture.waiting.is_empty()) && now.boottime_ns < capture.deadline_ns {
            return;
        }
        let Some(Capture { wanted, started, .. }) = self.captures.running.take() else { return };
        let missed = std::mem::take(&mut self.captures.missed);
        self.captures.missed_total += missed;
        self.captures.notices = self.recorder.notices.take_unsealed();
        let about = About {
            notices: self.captures.notices.clone(),
            trigger: wanted.trigger,
            reason: wanted.reason,
            important: wanted.important,
            started,
            ended: now.clone(),
            missed,
            config_sha256: self.machinery.config_sha256,
            sanitizer_sha256: self.machinery.sanitizer_sha256(),
        };
        let draft = merge::merge(
            about,
            self.machinery.host(now),
            &self.board,
            &self.collectors.expected(),
            self.collectors.health(),
        );
        let shown = draft.findings().to_vec();
        self.captures.writing = Some(wanted.client);
        match clean::clean(&self.machinery.sanitizer, draft) {
            Ok(sanitized) => {
                let inbox = self.inbox.clone();
                let capture = recorder::Capture { sanitized, shown, batch: Batch::default() };
                self.recorder.snapshot(capture, move |result| {
                    let _ = inbox.blocking_send(Message::Stored(result));
                });
            }
            Err(error) => self.stored(Err(chain(&error)), now),
        }
    }

    /// A snapshot is durable, or is not.
    pub(super) fn stored(&mut self, result: Result<Stored, String>, now: &Moment) {
        let client = self.captures.writing.take().flatten();
        let answer = match result {
            Ok(stored) => {
                self.captures.failing = false;
                self.board.snapshot_stored(&stored.shown);
                self.captures.last = Some(stored.id);
                self.mark_after(stored.id);
                self.publish_head(stored.head.clone());
                (self.watcher)(&Told::Snapshot(&stored, self.last_beat()));
                self.event(
                    EventKind::SnapshotComplete,
                    EventSeverity::Info,
                    format!("snapshot {} is durable", stored.sequence),
                    serde_json::json!({"id": stored.id, "sequence": stored.sequence, "size_bytes": stored.size_bytes}),
                );
                Answer::Snapshot { id: stored.id, sequence: stored.sequence, path: stored.path }
            }
            Err(error) => {
                self.recorder.notices.put_back(std::mem::take(&mut self.captures.notices));
                if !std::mem::replace(&mut self.captures.failing, true) {
                    (self.watcher)(&Told::Failed(&error));
                    tracing::error!(error, "A capture failed; the next one is tried when it is due.");
                    self.event(
                        EventKind::SnapshotError,
                        EventSeverity::Error,
                        format!("a capture failed: {error}"),
                        serde_json::Value::Null,
                    );
                }
                Answer::Failed { error }
            }
        };
        if let Some(client) = client {
            client.answer(answer);
        }
        if !self.captures.queued.is_empty() {
            let next = self.captures.queued.remove(0);
            self.start_capture(next, now);
        }
    }
}
