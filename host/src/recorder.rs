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

use crate::access::{self, Access, AccessLine};
use crate::chain::chain;
use crate::clean::Sanitized;
use crate::clock::Clock;
use crate::model::{Digest, Moment, SnapshotFinding, SnapshotId};
use crate::publish::{Publisher, Stored};
use crate::retention::Policy;
use crate::seal;
use crate::sealer::Sealer;
use crate::store::{Batch, ExclusiveStore, Head, HistoryPolicy, Mark, Pruned, StoreError, snapshot_file};

/// Commands that wait for the disk. Beyond it batches are dropped and counted: memory is not where history belongs.
const QUEUE: usize = 256;

/// Batches that wait for a disk that has failed. At a beat every five seconds this is an hour and a half.
const MAX_WAITING: usize = 1_024;

/// Files that the catalog lacks and that are taken in beside other work.
const CAUGHT_UP_AT_ONCE: usize = 16;

/// How long something must have gone well before what was wrong with it is called over. On a disk that is full, what
/// retention frees is soon taken by somebody else, and each success would begin the report anew.
const CALM: Duration = Duration::from_secs(3);

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

/// Called on the recorder's thread when a batch is recorded.
type Then = Box<dyn FnOnce() + Send>;

enum Command {
    Record(Box<Batch>, Option<Then>),
    Snapshot(Box<Capture>, Reply<Stored>),
    Prune(Policy, Reply<Pruned>),
    Keep { id: SnapshotId, by: String, why: Option<String>, reply: Reply<()> },
    Unkeep { id: SnapshotId, by: String, reply: Reply<bool> },
    Audit { operation: &'static str, data: serde_json::Value, durable: bool },
    Access(Access),
    Renew(String),
    Run(Box<dyn FnOnce(&mut ExclusiveStore, &Moment) + Send>),
    Stop,
}

/// Adds lines to the audit log from wherever something is asked for. Cheap to clone; it never waits.
#[derive(Debug, Clone)]
pub struct Auditor {
    commands: SyncSender<Command>,
    lost: Arc<std::sync::atomic::AtomicU64>,
}

impl Auditor {
    /// Notes a request and what became of it. What it says must be sanitized. Repeated ones are counted into one line
    /// a minute (see [`crate::access`]); one that does not fit into the queue is counted, and the log says how many.
    pub fn access(&self, access: Access) {
        if self.commands.try_send(Command::Access(access)).is_err() {
            self.lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Adds a line and makes it durable. What `data` says must be sanitized.
    pub fn line(&self, operation: &'static str, data: serde_json::Value) {
        if self.commands.try_send(Command::Audit { operation, data, durable: true }).is_err() {
            self.lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
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

/// Notices that are kept at most: more of them say nothing more.
const MAX_NOTICES: usize = 32;

/// What befell the record: told once as an event, and written into the next snapshot.
#[derive(Debug, Clone, Default)]
pub struct Notices(Arc<Mutex<NoticesTold>>);

#[derive(Debug, Default)]
struct NoticesTold {
    unsaid: Vec<String>,
    unsealed: Vec<String>,
}

impl Notices {
    /// Adds one.
    pub fn add(&self, notice: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.unsealed.len() < MAX_NOTICES && told.unsaid.len() < MAX_NOTICES {
            told.unsaid.push(notice.to_owned());
            told.unsealed.push(notice.to_owned());
        }
    }

    /// What is not yet an event.
    pub fn take_unsaid(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).unsaid)
    }

    /// What is not yet in a snapshot.
    pub fn take_unsealed(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).unsealed)
    }

    /// The snapshot that was to have them was not stored.
    pub fn put_back(&self, mut notices: Vec<String>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notices.append(&mut told.unsealed);
        notices.truncate(MAX_NOTICES);
        told.unsealed = notices;
    }
}

/// The recorder's end of the line.
#[derive(Debug)]
pub struct Recorder {
    commands: SyncSender<Command>,
    lost_lines: Arc<std::sync::atomic::AtomicU64>,
    thread: Option<JoinHandle<()>>,
    /// What is wrong now.
    pub conditions: Conditions,
    /// What befell the record.
    pub notices: Notices,
    /// Where the store is, for those who read beside it.
    pub data_dir: PathBuf,
    /// Where it tells what has become durable.
    pub publisher: Publisher,
}

impl Recorder {
    /// Starts the thread.
    pub fn start(
        store: ExclusiveStore,
        clock: Clock,
        history: HistoryPolicy,
        policy: Policy,
        sealer: Option<Sealer>,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = sync_channel(QUEUE);
        let conditions = Conditions::default();
        let notices = Notices::default();
        let data_dir = store.directory().path().to_owned();
        let publisher = Publisher::default();
        let mut work = Work {
            store,
            clock,
            history,
            policy,
            sealer,
            next_roll_up_ns: 0,
            waiting: VecDeque::new(),
            dropped: 0,
            accesses: access::Tally::default(),
            lost_lines: Arc::default(),
            last_failed_ns: BTreeMap::new(),
            conditions: conditions.clone(),
            publisher: publisher.clone(),
            notices: notices.clone(),
        };
        let lost_lines = Arc::clone(&work.lost_lines);
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .stack_size(1 << 20)
            .spawn(move || work.run(&inbox))?;
        Ok(Self { commands, lost_lines, thread: Some(thread), conditions, notices, data_dir, publisher })
    }

    /// Records a batch. It is dropped and the loss reported when the disk has been too slow for too long.
    pub fn record(&self, batch: Batch) {
        self.record_and(batch, None);
    }

    /// The same, and `then` is called on the recorder's thread once the batch is recorded. It is not called while the
    /// disk does not take it.
    pub fn record_then(&self, batch: Batch, then: impl FnOnce() + Send + 'static) {
        self.record_and(batch, Some(Box::new(then)));
    }

    fn record_and(&self, batch: Batch, then: Option<Then>) {
        if let Err(TrySendError::Full(_)) = self.commands.try_send(Command::Record(Box::new(batch), then)) {
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
        self.send(Command::Audit { operation, data, durable: false });
    }

    /// The database was found damaged by somebody who read all of it: it is set aside, and everything goes on.
    pub fn renew_database(&self, wrong: String) {
        self.send(Command::Renew(wrong));
    }

    /// For those who serve requests.
    pub fn auditor(&self) -> Auditor {
        Auditor { commands: self.commands.clone(), lost: Arc::clone(&self.lost_lines) }
    }

    /// Has the store do something; `reply` is told on the recorder's thread what became of it.
    pub fn run<T: 'static>(
        &self,
        work: impl FnOnce(&mut ExclusiveStore, &Moment) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, String>) + Send + 'static,
    ) {
        self.send(Command::Run(Box::new(move |store, now| {
            reply(work(store, now).map_err(|error| chain(&error)));
        })));
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
    sealer: Option<Sealer>,
    next_roll_up_ns: u64,
    waiting: VecDeque<(Batch, Option<Then>)>,
    dropped: u64,
    accesses: access::Tally,
    lost_lines: Arc<std::sync::atomic::AtomicU64>,
    /// When each condition last showed, by CLOCK_BOOTTIME.
    last_failed_ns: BTreeMap<&'static str, u64>,
    conditions: Conditions,
    publisher: Publisher,
    notices: Notices,
}

impl Work {
    fn run(&mut self, inbox: &Receiver<Command>) {
        while let Ok(command) = inbox.recv() {
            match command {
                Command::Record(batch, then) => {
                    self.waiting.push_back((*batch, then));
                    self.write_waiting();
                    self.roll_up();
                    let lines = self.accesses.due(self.clock.now().boottime_ns);
                    self.write_accesses(lines);
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
                Command::Audit { operation, data, durable } => {
                    self.audit(operation, data, durable);
                }
                Command::Access(access) => {
                    let lines = self.accesses.hear(access, self.clock.now().boottime_ns);
                    self.write_accesses(lines);
                }
                Command::Renew(wrong) => {
                    let error = self.store.damaged_database(&wrong);
                    self.mend_database(Some(&error));
                }
                Command::Run(work) => {
                    let now = self.clock.now();
                    self.mend_database(None);
                    work(&mut self.store, &now);
                }
                Command::Stop => break,
            }
        }
        self.write_waiting();
        let lines = self.accesses.flush();
        self.write_accesses(lines);
    }

    fn write_accesses(&mut self, lines: Vec<AccessLine>) {
        for AccessLine { operation, data } in lines {
            self.audit(operation, data, false);
        }
    }

    fn audit(&mut self, operation: &'static str, data: serde_json::Value, durable: bool) {
        let at = self.clock.now().wall;
        let lost = self.lost_lines.swap(0, std::sync::atomic::Ordering::Relaxed);
        let said = match lost {
            0 => Ok(()),
            _ => self.store.audit(at, "lost", serde_json::json!({ "lines": lost }), false).map(drop),
        };
        match said.and_then(|()| self.store.audit(at, operation, data, durable)) {
            Ok(_) => _ = self.conditions.end("audit"),
            Err(error) => self.report("audit", &error),
        }
    }

    /// Deals with a database that is damaged, deleted or replaced. True where it can be written to again.
    fn mend_database(&mut self, error: Option<&StoreError>) -> bool {
        let error = error.filter(|error| error.is_damaged_database());
        if error.is_none() && self.store.database_is_in_place() {
            return false;
        }
        match self.store.renew_database(error, &self.clock.now()) {
            Ok(report) => {
                if let Some(notice) = report.notice() {
                    tracing::error!("{notice}");
                    self.notices.add(&notice);
                }
                true
            }
            Err(error) => {
                self.report("database", &error);
                false
            }
        }
    }

    fn write_waiting(&mut self) {
        self.mend_database(None);
        let mut may_mend = true;
        while let Some((batch, _)) = self.waiting.front() {
            match self.store.record(batch) {
                Ok(recorded) => {
                    if let Some((batch, then)) = self.waiting.pop_front() {
                        self.publisher.batch(batch, &recorded);
                        then.into_iter().for_each(|then| then());
                    }
                    self.is_over("room");
                    if self.is_over("database") {
                        tracing::info!(dropped = self.dropped, "Recording works again.");
                    }
                }
                Err(error) if std::mem::take(&mut may_mend) && self.mend_database(Some(&error)) => {}
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
        match self.store.catch_up(CAUGHT_UP_AT_ONCE) {
            Ok(_) => drop(self.is_over("catalog")),
            Err(error) => self.report("catalog", &error),
        }
    }

    /// On a full disk retention goes first; what could not be written is tried again with what comes next.
    fn make_room(&mut self, error: &StoreError) {
        if error.is_full() {
            let policy = self.policy.clone();
            match self.store.prune(&policy, &self.clock.now(), false) {
                Ok(pruned) if pruned.freed_bytes > 0 => {
                    tracing::warn!(bytes = pruned.freed_bytes, "The disk is full; retention has made some room.");
                }
                Ok(_) => {}
                Err(error) => self.report("room", &error),
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
            Ok(more) => {
                self.is_over("history");
                if more { BETWEEN_STEPS } else { ROLL_UP_EVERY }
            }
            Err(error) => {
                self.report("history", &error);
                CALM
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
        // Its link waited for the audit log.
        self.is_over("audit");
        if self.is_over("snapshot") {
            tracing::info!("Snapshots are stored again.");
        }
        // Its findings are in its file, and were published when they changed.
        self.publisher.snapshot(stored.clone());
        Ok(Stored { shown, ..stored })
    }

    fn store_sealed(&mut self, sanitized: Sanitized, batch: &Batch) -> Result<Stored, RecordError> {
        self.advance_key();
        let mut link = self.store.link()?;
        link.seal = self.sealer.as_ref().map(Sealer::named);
        let sign = self.sealer.as_ref().map(|sealer| |sha256: &Digest| sealer.sign(sha256));
        let sealed = seal::seal(sanitized, link, sign.as_ref().map(|sign| sign as _))?;
        let stored = self.store.put(&sealed, batch)?;
        if let Some(error) = stored.catalog_error()
            && self.mend_database(Some(error))
        {
            // The start has taken the snapshot in; what came with it is still to be recorded.
            self.store.record(batch)?;
        }
        let entry = stored.entry();
        Ok(Stored {
            id: entry.id,
            sequence: entry.sequence,
            captured_at: entry.captured_at,
            path: self.store.directory().path().join(crate::store::SNAPSHOTS).join(snapshot_file(entry.id)),
            size_bytes: entry.size_bytes,
            head: Head {
                at: entry.captured_at,
                store: sealed.link().store.clone(),
                sequence: entry.sequence,
                id: entry.id,
                sha256: entry.sha256,
                audit_head: sealed.link().audit_head.clone(),
            },
            shown: Vec::new(),
        })
    }

    /// The next key takes over: first its certificate is on record, then the old one is destroyed.
    fn advance_key(&mut self) {
        let now = self.clock.now();
        let Some((sealer, certificate)) = self
            .sealer
            .as_mut()
            .and_then(|sealer| sealer.due(now.boottime_ns).map(|certificate| (sealer, certificate)))
        else {
            return;
        };
        let data = serde_json::to_value(&certificate).unwrap_or_default();
        let advanced = self
            .store
            .audit(now.wall, "seal_key", data, true)
            .map_err(|error| chain(&error))
            .and_then(|_| sealer.advance(now.boottime_ns).map_err(|error| chain(&error)));
        match advanced {
            Ok(()) => _ = self.conditions.end("seal"),
            Err(error) => {
                if self.conditions.begin("seal", format!("the seal's key stays the same: {error}")) {
                    tracing::error!(error, "The seal's key stays the same.");
                }
            }
        }
    }

    fn prune(&mut self, policy: &Policy) -> Result<Pruned, String> {
        let now = self.clock.now();
        match self.store.prune(policy, &now, false) {
            Ok(report) => {
                self.is_over("retention");
                Ok(report)
            }
            Err(error) => {
                self.report("retention", &error);
                Err(chain(&error))
            }
        }
    }

    /// It went well. True when that ends what was wrong with it, which it does once it has gone well for [`CALM`].
    fn is_over(&mut self, what: &'static str) -> bool {
        let calm_ns = u64::try_from(CALM.as_nanos()).unwrap_or(u64::MAX);
        let now = || self.clock.now().boottime_ns;
        if self.last_failed_ns.get(what).is_some_and(|&failed| now().saturating_sub(failed) < calm_ns) {
            return false;
        }
        self.last_failed_ns.remove(what);
        self.conditions.end(what)
    }

    fn report(&mut self, what: &'static str, error: &dyn std::error::Error) {
        let text = chain(error);
        self.last_failed_ns.insert(what, self.clock.now().boottime_ns);
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
