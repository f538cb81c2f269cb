//! The one thread that writes: it owns the store, and everybody else sends it what is to be recorded.
//!
//! An I/O error is a condition, not an end: what could not be written waits, bounded and counted, and is tried again
//! with what comes next. The condition is reported once when it begins and once when it is over.
//!
//! Must not know: collectors, schedules, who asked.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::chain::chain;
use crate::clean::Sanitized;
use crate::clock::Clock;
use crate::model::{SnapshotFinding, SnapshotId};
use crate::publish::{Publisher, Stored};
use crate::retention::Policy;
use crate::seal;
use crate::store::{Batch, ExclusiveStore, HistoryPolicy, Mark, Pruned, StoreError, snapshot_file};

/// Commands that wait for the disk. Beyond it batches are dropped and counted: memory is not where history belongs.
const QUEUE: usize = 256;

/// Batches that wait for a disk that has failed. At a beat every five seconds this is an hour and a half.
const MAX_WAITING: usize = 1_024;

/// How often old history is looked for.
const ROLL_UP_EVERY: Duration = Duration::from_secs(60);

/// Between two steps of shrinking it, where there is more to do.
const BETWEEN_STEPS: Duration = Duration::from_secs(1);

/// A capture that is to be sealed and stored.
#[derive(Debug)]
pub struct Capture {
    /// The snapshot.
    pub sanitized: Sanitized,
    /// The findings that it shows.
    pub shown: Vec<SnapshotFinding>,
    /// What is recorded with it. It is not published: a running daemon records its batches by themselves.
    pub batch: Batch,
}

type Reply<T> = Box<dyn FnOnce(Result<T, String>) + Send>;

enum Command {
    Record(Box<Batch>),
    Snapshot(Box<Capture>, Reply<Stored>),
    Prune(Policy, Reply<Pruned>),
    Keep { id: SnapshotId, by: String, why: Option<String>, reply: Reply<()> },
    Unkeep { id: SnapshotId, by: String, reply: Reply<bool> },
    Audit { operation: &'static str, data: serde_json::Value },
    Stop,
}

/// What is wrong now, by what it concerns.
#[derive(Debug, Clone, Default)]
pub struct Conditions(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Conditions {
    /// Notes that something is wrong. True when it was not before.
    pub fn begin(&self, what: &'static str, text: String) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(what, text).is_none()
    }

    /// Notes that it is right again. True when it was not before.
    pub fn end(&self, what: &'static str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(what).is_some()
    }

    /// All that is wrong now.
    pub fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// The recorder's end of the line.
#[derive(Debug)]
pub struct Recorder {
    commands: SyncSender<Command>,
    thread: Option<JoinHandle<()>>,
    /// What is wrong now.
    pub conditions: Conditions,
    /// Where the store is, for those who read beside it.
    pub data_dir: PathBuf,
    /// Where it tells what has become durable.
    pub publisher: Publisher,
}

impl Recorder {
    /// Starts the thread.
    pub fn start(store: ExclusiveStore, clock: Clock, history: HistoryPolicy, policy: Policy) -> std::io::Result<Self> {
        let (commands, inbox) = sync_channel(QUEUE);
        let conditions = Conditions::default();
        let data_dir = store.directory().path().to_owned();
        let publisher = Publisher::default();
        let mut work = Work {
            store,
            clock,
            history,
            policy,
            next_roll_up_ns: 0,
            waiting: VecDeque::new(),
            dropped: 0,
            conditions: conditions.clone(),
            publisher: publisher.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .stack_size(1 << 20)
            .spawn(move || work.run(&inbox))?;
        Ok(Self { commands, thread: Some(thread), conditions, data_dir, publisher })
    }

    /// Records a batch. It is dropped and the loss reported when the disk has been too slow for too long.
    pub fn record(&self, batch: Batch) {
        if let Err(TrySendError::Full(_)) = self.commands.try_send(Command::Record(Box::new(batch))) {
            if self.conditions.begin("queue", "the disk is too slow: records are being dropped".to_owned()) {
                tracing::error!(queue = QUEUE, "The disk is too slow: records are being dropped.");
            }
        } else {
            self.conditions.end("queue");
        }
    }

    /// Seals and stores a snapshot; `reply` is called on the recorder's thread when it is durable, or is not.
    pub fn snapshot(&self, capture: Capture, reply: impl FnOnce(Result<Stored, String>) + Send + 'static) {
        self.send(Command::Snapshot(Box::new(capture), Box::new(reply)));
    }

    /// Applies retention.
    pub fn prune(&self, policy: Policy, reply: impl FnOnce(Result<Pruned, String>) + Send + 'static) {
        self.send(Command::Prune(policy, Box::new(reply)));
    }

    /// Marks a snapshot to be kept, by hand. What `by` and `why` say must be sanitized.
    pub fn keep(
        &self,
        id: SnapshotId,
        by: String,
        why: Option<String>,
        reply: impl FnOnce(Result<(), String>) + Send + 'static,
    ) {
        self.send(Command::Keep { id, by, why, reply: Box::new(reply) });
    }

    /// Takes the mark from a snapshot; `reply` is told whether it had one.
    pub fn unkeep(&self, id: SnapshotId, by: String, reply: impl FnOnce(Result<bool, String>) + Send + 'static) {
        self.send(Command::Unkeep { id, by, reply: Box::new(reply) });
    }

    /// Adds a line to the audit log. What `data` says must be sanitized.
    pub fn audit(&self, operation: &'static str, data: serde_json::Value) {
        self.send(Command::Audit { operation, data });
    }

    fn send(&self, command: Command) {
        // A full queue means a disk that does not answer; a command that is lost here is answered by nobody, and
        // whoever waits for it has a deadline.
        if self.commands.try_send(command).is_err() {
            tracing::error!("The recorder does not keep up; a command to it was dropped.");
        }
    }

    /// Writes what is waiting, and ends the thread.
    pub fn stop(mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    store: ExclusiveStore,
    clock: Clock,
    history: HistoryPolicy,
    policy: Policy,
    next_roll_up_ns: u64,
    waiting: VecDeque<Batch>,
    dropped: u64,
    conditions: Conditions,
    publisher: Publisher,
}

impl Work {
    fn run(&mut self, inbox: &Receiver<Command>) {
        while let Ok(command) = inbox.recv() {
            match command {
                Command::Record(batch) => {
                    self.waiting.push_back(*batch);
                    self.write_waiting();
                    self.roll_up();
                }
                Command::Snapshot(capture, reply) => {
                    // In order: what arrived before the snapshot is recorded before it.
                    self.write_waiting();
                    reply(self.snapshot(*capture));
                }
                Command::Prune(policy, reply) => reply(self.prune(&policy)),
                Command::Keep { id, by, why, reply } => {
                    let mark = Mark { by, why, at: self.clock.now().wall, by_hand: true };
                    reply(self.store.keep(id, &mark).map_err(|error| chain(&error)));
                }
                Command::Unkeep { id, by, reply } => {
                    let at = self.clock.now().wall;
                    reply(self.store.unkeep(id, &by, at).map_err(|error| chain(&error)));
                }
                Command::Audit { operation, data } => {
                    let at = self.clock.now().wall;
                    if let Err(error) = self.store.audit(at, operation, data, false) {
                        self.report("audit", &error);
                    }
                }
                Command::Stop => break,
            }
        }
        self.write_waiting();
    }

    fn write_waiting(&mut self) {
        while let Some(batch) = self.waiting.front() {
            match self.store.record(batch) {
                Ok(recorded) => {
                    if let Some(batch) = self.waiting.pop_front() {
                        self.publisher.batch(batch, &recorded);
                    }
                    if self.conditions.end("database") {
                        tracing::info!(dropped = self.dropped, "Recording works again.");
                    }
                }
                Err(error) => {
                    self.make_room(&error);
                    self.report("database", &error);
                    while self.waiting.len() > MAX_WAITING {
                        self.waiting.pop_front();
                        self.dropped += 1;
                    }
                    return;
                }
            }
        }
        if self.store.uncatalogued() > 0
            && let Err(error) = self.store.catch_up(16)
        {
            self.report("catalog", &error);
        }
    }

    /// On a full disk retention goes first; what could not be written is tried again with what comes next.
    fn make_room(&mut self, error: &StoreError) {
        if error.is_full() {
            let policy = self.policy.clone();
            if let Ok(pruned) = self.store.prune(&policy, &self.clock.now(), false)
                && pruned.freed_bytes > 0
            {
                tracing::warn!(bytes = pruned.freed_bytes, "The disk is full; retention has made some room.");
            }
        }
    }

    /// Shrinks old history by one small step, when nothing waits: a beat never waits for it.
    fn roll_up(&mut self) {
        let now = self.clock.now();
        if now.boottime_ns < self.next_roll_up_ns || !self.waiting.is_empty() {
            return;
        }
        let wait = match self.store.roll_up(&self.history, &now) {
            Ok(true) => BETWEEN_STEPS,
            Ok(false) => ROLL_UP_EVERY,
            Err(error) => {
                self.report("history", &error);
                ROLL_UP_EVERY
            }
        };
        self.next_roll_up_ns = now.boottime_ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
    }

    fn snapshot(&mut self, capture: Capture) -> Result<Stored, String> {
        let Capture { sanitized, shown, mut batch } = capture;
        // Retention goes first when the disk is full: what waits is history too.
        batch.durable = true;
        let stored = self.store_sealed(sanitized, &batch).map_err(|error| {
            let text = chain(&error);
            if let RecordError::Store(error) = &error {
                self.make_room(error);
            }
            self.report("snapshot", &error);
            text
        })?;
        if self.conditions.end("snapshot") {
            tracing::info!("Snapshots are stored again.");
        }
        let stored = Stored { shown, ..stored };
        self.publisher.snapshot(stored.clone());
        Ok(stored)
    }

    fn store_sealed(&mut self, sanitized: Sanitized, batch: &Batch) -> Result<Stored, RecordError> {
        let link = self.store.link()?;
        let sealed = seal::seal(sanitized, link, None)?;
        let stored = self.store.put(&sealed, batch)?;
        let entry = stored.entry();
        Ok(Stored {
            id: entry.id,
            sequence: entry.sequence,
            captured_at: entry.captured_at,
            path: self.store.directory().path().join(crate::store::SNAPSHOTS).join(snapshot_file(entry.id)),
            size_bytes: entry.size_bytes,
            shown: Vec::new(),
        })
    }

    fn prune(&mut self, policy: &Policy) -> Result<Pruned, String> {
        let now = self.clock.now();
        match self.store.prune(policy, &now, false) {
            Ok(report) => {
                self.conditions.end("retention");
                Ok(report)
            }
            Err(error) => {
                self.report("retention", &error);
                Err(chain(&error))
            }
        }
    }

    fn report(&self, what: &'static str, error: &dyn std::error::Error) {
        let text = chain(error);
        if self.conditions.begin(what, text.clone()) {
            tracing::error!(error = text, "Recording failed; it is tried again.");
        }
    }
}

/// Why a capture was not stored.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Seal(#[from] seal::SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
