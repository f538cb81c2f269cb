//! The daemon: one loop that knows everybody and does nothing itself that takes long.
//!
//! Guests run on the collectors' threads, files are written by the recorder, components are compiled by children;
//! what they bring comes back as a [`Message`]. Between messages the loop sleeps until the next thing is due. So the
//! control socket, the heartbeat and SIGTERM are answered whatever a collector does.
//!
//! Owns: the order of things. It is the only place that knows everybody.

mod alerting;
mod backups;
mod beat;
mod capture;
mod dead_man;
mod episodes;
mod events;
mod heads;
mod loading;
mod maintenance;
mod purge;
mod requests;
mod scrub;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::alerts::Sent;
use crate::board::Board;
use crate::collect::{Collectors, Every, Outcome};
use crate::config::{Config, Loaded as LoadedConfig};
use crate::control::{ApiAddress, Request};
use crate::derived;
use crate::maintenance::{Maintenance, NAMESPACE};
use crate::memory::{self, Memory};
use crate::model::{Event, EventKind, EventSeverity, Heartbeat, Moment, Wall};
use crate::plugins::load::Loaded;
use crate::publish::Stored;
use crate::recorder::Recorder;
use crate::schedule::{Schedule, TokenBucket};
use crate::store::{Batch, DatabaseCheck, Pruned, Scrub};
use crate::wiring::{self, Machinery};

/// The longest sleep: after a suspend the loop notices within this time what has become due.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How often files of components and the drop-in directory are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How long an orderly end may take: SIGTERM ends the daemon within a second.
const END_WITHIN: Duration = Duration::from_millis(700);

/// How long what is being sent at the end is waited for.
const SENT_WITHIN: Duration = Duration::from_millis(200);

/// Messages that wait for the loop.
const INBOX: usize = 1024;

/// What others tell the loop.
enum Message {
    /// A call ended.
    Called { collector: Arc<str>, number: u64, outcome: Option<Outcome> },
    /// A component was loaded, or was not.
    Loading(Box<loading::LoadResult>),
    /// Somebody asks.
    Asked(Request, requests::Asker),
    /// A snapshot is durable, or is not.
    Stored(Result<Stored, String>),
    /// Everything up to that notification is durable.
    NotificationsDurable(u64),
    /// A receiver was told, or was not.
    Sent(Sent),
    /// Retention ran.
    Pruned(Result<Pruned, String>),
    /// A backup is durable, or is not.
    BackedUp(Result<backups::Done, backups::Failed>),
    /// Every page of the database was read again.
    DatabaseChecked(Result<DatabaseCheck, String>),
    /// The head was published, or was not.
    HeadTold(Result<(), String>),
    /// A purge is over; what it took for itself is free again.
    Purged,
    /// A part of the stored files was read again.
    Scrubbed(Result<Scrub, String>),
    /// Where the API listens.
    Listens(ApiAddress),
    /// What `[host.versions]` answered.
    Versions(BTreeMap<String, String>),
    /// The dead man's URL was asked for.
    DeadMan(Result<(), String>),
}

/// What the daemon is started with.
pub struct Setup {
    /// Everything that runs.
    pub machinery: Machinery,
    /// What writes.
    pub recorder: Recorder,
    /// What was stored before.
    pub memory: Memory,
    /// The control socket.
    pub listener: UnixListener,
    /// The configuration's file, which goes into backups.
    pub config_file: PathBuf,
    /// The API's socket, where the configuration names none.
    pub api_socket: PathBuf,
    /// The effective configuration with the origin of each value.
    pub effective: serde_json::Value,
    /// Reads the configuration anew, for SIGHUP.
    pub reload: Box<dyn Fn() -> Result<LoadedConfig, String>>,
    /// Told of each snapshot and beat, for a terminal.
    pub watcher: Box<dyn Fn(&Told<'_>)>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").finish_non_exhaustive()
    }
}

/// What a terminal may be told.
pub enum Told<'a> {
    /// A snapshot is durable.
    Snapshot(&'a Stored, Option<&'a Heartbeat>),
    /// A capture failed.
    Failed(&'a str),
    /// The dashboard is served; makes a link that logs a browser in, once.
    Dashboard(&'a dyn Fn() -> Option<String>),
}

impl std::fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Snapshot(..) => "Snapshot",
            Self::Failed(_) => "Failed",
            Self::Dashboard(_) => "Dashboard",
        })
    }
}

/// The daemon.
pub(crate) struct Daemon {
    machinery: Machinery,
    recorder: Recorder,
    board: Board,
    collectors: Collectors,
    remembered: BTreeMap<String, crate::collect::Remembered>,
    loading: loading::Loading,
    beats: beat::Beats,
    captures: capture::Captures,
    prober: tokio::task::JoinHandle<()>,
    derived: tokio::task::JoinHandle<()>,
    alerting: alerting::Alerting,
    exits: Arc<Option<crate::probe::processes::ExitSignal>>,
    triggered: TokenBucket,
    backups: backups::Backups,
    episodes: episodes::Episodes,
    heads: heads::Heads,
    cleanup: Schedule,
    scrubs: scrub::Scrubs,
    watch: Schedule,
    started: Moment,
    last_moment: Moment,
    previous_daemons: BTreeMap<String, String>,
    previous_patches: BTreeMap<String, String>,
    maintenance: Maintenance,
    in_maintenance: BTreeSet<String>,
    dead_man: Option<dead_man::Switch>,
    serving: serving::Serving,
    /// Held while the file of tokens is changed.
    changing_tokens: Arc<std::sync::Mutex<()>>,
    inbox: mpsc::Sender<Message>,
    reload: Box<dyn Fn() -> Result<LoadedConfig, String>>,
    watcher: Box<dyn Fn(&Told<'_>)>,
}

/// Runs until a signal ends it.
pub async fn run(setup: Setup) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let (inbox, mut messages) = mpsc::channel(INBOX);
    let now = setup.machinery.clock.now();
    let Setup { machinery, recorder, memory, listener, config_file, api_socket, effective, reload, watcher } = setup;
    let backups = backups::Backups::new(&machinery.config.backup, &recorder.data_dir, config_file, &now);
    let serving = serving::Serving::new(api_socket, effective);
    let mut daemon = Daemon::new(machinery, recorder, memory, backups, serving, reload, watcher, inbox.clone(), now);
    let auditor = daemon.recorder.auditor();
    daemon.begin();
    daemon.serve();
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let mut watchdog = Watchdog::new();
    loop {
        let now = daemon.now();
        daemon.tick(&now);
        watchdog.feed(now.boottime_ns);
        let sleep = daemon.sleep(&now).min(watchdog.interval());
        let exits = Arc::clone(&daemon.exits);
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => daemon.reload(),
            Some(message) = messages.recv() => daemon.take(message),
            () = wait_for_exit(&exits) => daemon.process_ended(),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => requests::receive(stream, inbox.clone(), auditor.clone()),
                // Out of descriptors: the next try must not come at once.
                Err(error) => {
                    tracing::warn!(%error, "Cannot accept a connection to the control socket.");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            () = tokio::time::sleep(sleep) => {}
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    // What is on its way has a moment to arrive: else it would be sent again after the start.
    let settled = async {
        while daemon.alerting.is_sending() {
            match messages.recv().await {
                Some(message @ Message::Sent(_)) => daemon.take(message),
                Some(_) => {}
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(SENT_WITHIN, settled).await;
    daemon.end().await;
    Ok(())
}

/// Asks others beside the loop: for the time, whether they answer, for signs of life.
fn ask_others(machinery: &Machinery) -> tokio::task::JoinHandle<()> {
    let services = Arc::clone(&machinery.context.services);
    tokio::spawn(async move { services.ask_others().await })
}

/// Writes the files of `[publish]`, and ghostd's own sign of life, beside the loop.
fn derive_files(machinery: &Machinery, recorder: &Recorder) -> tokio::task::JoinHandle<()> {
    let settings = wiring::derived(&machinery.config, &recorder.data_dir);
    let (conditions, publisher) = (recorder.conditions.clone(), recorder.publisher.clone());
    tokio::spawn(async move {
        let settings = match settings {
            Ok(settings) => settings,
            Err(why) => {
                conditions.begin("publish", format!("nothing is published: {why}"));
                return tracing::error!("Nothing is published: {why}");
            }
        };
        let report = |trouble: Option<String>| match trouble {
            Some(why) => {
                if conditions.begin("publish", format!("the published files are not written: {why}")) {
                    tracing::error!("The published files are not written: {why}");
                }
            }
            None => {
                if conditions.end("publish") {
                    tracing::info!("The published files are written again.");
                }
            }
        };
        derived::run(settings, publisher, report).await;
    })
}

async fn wait_for_exit(signal: &Option<crate::probe::processes::ExitSignal>) {
    match signal {
        Some(signal) if signal.wait().await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

/// systemd's watchdog, fed by the main loop alone: a loop that hangs is not alive.
struct Watchdog {
    every_ns: u64,
    last_ns: u64,
}

impl Watchdog {
    fn new() -> Self {
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 3);
        Self { every_ns: every.map_or(0, |every| every.as_nanos() as u64), last_ns: 0 }
    }

    fn interval(&self) -> Duration {
        if self.every_ns == 0 { LONGEST_SLEEP } else { Duration::from_nanos(self.every_ns) }
    }

    fn feed(&mut self, now_ns: u64) {
        if self.every_ns > 0 && now_ns.saturating_sub(self.last_ns) >= self.every_ns {
            self.last_ns = now_ns;
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }
}

impl Daemon {
    #[expect(clippy::too_many_arguments, reason = "it takes apart what it is set up with")]
    fn new(
        machinery: Machinery,
        recorder: Recorder,
        memory: Memory,
        backups: backups::Backups,
        serving: serving::Serving,
        reload: Box<dyn Fn() -> Result<LoadedConfig, String>>,
        watcher: Box<dyn Fn(&Told<'_>)>,
        inbox: mpsc::Sender<Message>,
        now: Moment,
    ) -> Self {
        let config = &machinery.config;
        let captures = capture::Captures::new(config, memory.last_snapshot, &now);
        let windows = memory.documents.iter().filter(|document| document.namespace == NAMESPACE);
        let (alerting, unwanted) = alerting::Alerting::new(config, &memory.documents, &now);
        let mut daemon = Self {
            alerting,
            beats: beat::Beats::new(config, memory.next_heartbeat, &now),
            captures,
            prober: ask_others(&machinery),
            derived: derive_files(&machinery, &recorder),
            exits: Arc::new(machinery.context.services.exit_signal()),
            backups,
            episodes: episodes::Episodes::new(&now),
            heads: heads::Heads::default(),
            triggered: TokenBucket::new(3, Duration::from_secs(10), now.boottime_ns),
            cleanup: Schedule::new(config.store.cleanup_every, now.boottime_ns),
            scrubs: scrub::Scrubs::new(config.store.verify_every, &recorder.data_dir, &now),
            watch: Schedule::new(WATCH_EVERY, now.boottime_ns),
            loading: loading::Loading::default(),
            collectors: Collectors::default(),
            remembered: memory.collectors,
            board: memory.board,
            previous_daemons: BTreeMap::new(),
            previous_patches: BTreeMap::new(),
            maintenance: Maintenance::recall(windows.map(|document| &document.document)),
            in_maintenance: BTreeSet::new(),
            dead_man: dead_man::Switch::new(config.heartbeat.dead_man.as_ref(), &now),
            started: now.clone(),
            last_moment: now,
            machinery,
            recorder,
            serving,
            changing_tokens: Arc::default(),
            inbox,
            reload,
            watcher,
        };
        daemon.alerting.restore(&mut daemon.board);
        let now = daemon.started.clone();
        daemon.record_outcome(unwanted, &now);
        daemon
    }

    fn begin(&mut self) {
        let now = self.now();
        let config = &self.machinery.config;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            snapshot_every = crate::config::format_duration(config.snapshot.every),
            heartbeat_every = crate::config::format_duration(config.heartbeat.every),
            daemons = config.daemons.len(),
            collectors = config.collectors.values().filter(|collector| collector.enabled).count(),
            "ghostd runs."
        );
        self.event(
            EventKind::SystemStartup,
            EventSeverity::Info,
            "ghostd started".to_owned(),
            serde_json::json!({
                "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(),
            }),
        );
        self.recorder.audit(
            "start",
            serde_json::json!({
                "version": env!("CARGO_PKG_VERSION"), "config_sha256": self.machinery.config_sha256,
            }),
        );
        self.note_patches();
        self.load_wanted(&now);
        let commands = config_versions(&self.machinery.config);
        if !commands.is_empty() {
            let inbox = self.inbox.clone();
            tokio::task::spawn_blocking(move || {
                let _ = inbox.blocking_send(Message::Versions(crate::hostinfo::versions(&commands)));
            });
        }
    }

    fn now(&self) -> Moment {
        self.machinery.clock.now()
    }

    /// Does everything that is due now.
    fn tick(&mut self, now: &Moment) {
        self.notice_jumps(now);
        for notice in self.recorder.notices.take_unsaid() {
            self.event(EventKind::Store, EventSeverity::Critical, notice, serde_json::Value::Null);
        }
        if self.watch.take(now.boottime_ns).is_some() {
            self.look_for_components(now);
        }
        if let Some(tick) = self.beats.schedule.take(now.boottime_ns) {
            self.beats.due(tick.missed, now);
            self.look_at_maintenance(now);
            self.machinery.context.services.look();
            self.collectors.mark_due(Every::Heartbeat, "schedule");
        }
        if let Some(tick) = self.captures.schedule.take(now.boottime_ns) {
            self.captures.missed += tick.missed;
            let trigger = self.captures.scheduled_trigger();
            self.begin_capture(trigger, None, false, None, now);
        }
        if self.cleanup.take(now.boottime_ns).is_some() {
            let inbox = self.inbox.clone();
            self.recorder.prune(wiring::policy(&self.machinery.config.store), move |result| {
                let _ = inbox.blocking_send(Message::Pruned(result));
            });
        }
        if self.scrubs.schedule.take(now.boottime_ns).is_some() {
            self.scrub();
        }
        if self.backups.take(now) {
            self.begin_backup(None, None);
        }
        if self.machinery.context.services.next_look_ns().is_some_and(|due| now.boottime_ns >= due) {
            self.machinery.context.services.look();
        }
        for key in self.board.expire(now) {
            tracing::warn!(section = key, "A section is too old to be carried any further.");
        }
        self.start_calls(now);
        let before = self.last_beat().map(|beat| beat.sequence);
        self.finish_beat(now);
        if self.last_beat().map(|beat| beat.sequence) != before {
            self.look_at_alerts(now);
        }
        self.send_notifications(now);
        self.feed_dead_man(now);
        self.finish_capture(now);
    }

    fn sleep(&self, now: &Moment) -> Duration {
        let due = [
            Some(self.beats.schedule.next_ns()),
            Some(self.captures.schedule.next_ns()),
            Some(self.cleanup.next_ns()),
            Some(self.scrubs.schedule.next_ns()),
            self.backups.next_ns(),
            Some(self.watch.next_ns()),
            self.beats.deadline_ns(),
            // Before the first beat there is nothing to say.
            self.dead_man.as_ref().filter(|_| self.beats.last.is_some()).and_then(dead_man::Switch::next_ns),
            self.captures.deadline_ns(),
            self.alerting.next_due_ns(),
            self.collectors.next_due_ns(),
            self.machinery.context.services.next_look_ns(),
        ];
        let next = due.into_iter().flatten().min().unwrap_or(u64::MAX);
        Duration::from_nanos(next.saturating_sub(now.boottime_ns)).min(LONGEST_SLEEP)
    }

    fn start_calls(&mut self, now: &Moment) {
        for call in self.collectors.start(now) {
            let (collector, number) = (Arc::clone(&call.collector), call.number);
            let (runner, context, sanitizer, inbox) = (
                Arc::clone(&self.machinery.runner),
                Arc::clone(&self.machinery.context),
                Arc::clone(&self.machinery.sanitizer),
                self.inbox.clone(),
            );
            tokio::spawn(async move {
                let outcome = call.run(&runner, context, sanitizer).await;
                let _ = inbox.send(Message::Called { collector, number, outcome }).await;
            });
        }
    }

    fn take(&mut self, message: Message) {
        let now = self.now();
        match message {
            Message::Called { collector, number, outcome: Some(outcome) } => {
                self.called(&collector, number, outcome, &now)
            }
            Message::Called { outcome: None, .. } => {}
            Message::Loading(result) => self.loaded(*result, &now),
            Message::Asked(request, asker) => self.asked(request, asker, &now),
            Message::Stored(result) => self.stored(result, &now),
            Message::NotificationsDurable(below) => self.alerting.committed(below),
            Message::Sent(sent) => self.sent(sent, &now),
            Message::Pruned(Ok(pruned)) => self.pruned(&pruned),
            // The recorder has reported it.
            Message::Pruned(Err(_)) => {}
            Message::BackedUp(result) => self.backed_up(result, &now),
            Message::Purged => self.backups.free(),
            Message::HeadTold(result) => self.head_told(result),
            Message::DatabaseChecked(result) => self.database_checked(result),
            Message::Scrubbed(result) => self.scrubbed(result, &now),
            Message::DeadMan(result) => self.dead_man_asked(result),
            Message::Listens(address) => self.listens(address),
            Message::Versions(versions) => {
                let clean = versions.into_iter().map(|(name, text)| (name, self.clean(&text))).collect();
                self.machinery.facts = self.machinery.facts.clone().with_versions(clean);
            }
        }
    }

    fn called(&mut self, collector: &str, number: u64, outcome: Outcome, now: &Moment) {
        for line in &outcome.account.log {
            tracing::debug!(collector, level = ?line.level, "{}", line.text);
        }
        let intervals = self.machinery.intervals();
        let Some(finished) = self.collectors.finish(collector, number, outcome, intervals, now) else { return };
        let mut batch = Batch { healths: vec![finished.health.clone()], ..Batch::default() };
        match finished.result {
            Ok(posted) => {
                self.machinery.context.services.succeeded(collector);
                if finished.recovered {
                    self.event(
                        EventKind::Collector,
                        EventSeverity::Info,
                        format!("collector {collector} works again"),
                        serde_json::Value::Null,
                    );
                }
                memory::arrived(&mut batch, &posted, finished.state, collector);
                let is_first = self.board.get("patch").is_none();
                let has_patches = posted.iter().any(|one| one.section.get().key == "patch");
                let changes = self.board.post(posted);
                match (has_patches, is_first) {
                    (true, true) => self.note_patches(),
                    (true, false) => self.patches_changed(&mut batch, now),
                    (false, _) => {}
                }
                self.findings_changed(&mut batch, &changes, now);
                self.daemons_changed(&mut batch, now);
            }
            Err(why) => {
                let first = finished.health.consecutive_failures == 1;
                if first || finished.quarantined {
                    let what = if finished.quarantined { "is in quarantine" } else { "failed" };
                    tracing::warn!(collector, error = why, "A collector {what}.");
                    self.event(
                        EventKind::Collector,
                        EventSeverity::Warning,
                        format!("collector {collector} {what}: {why}"),
                        serde_json::Value::Null,
                    );
                }
                self.board.fail(collector, &why);
            }
        }
        self.note_health(&mut batch, collector, now);
        self.recorder.record(batch);
        self.look_at_alerts(now);
    }

    /// Resume from suspend, a step of the clock: what was collected before says little about now.
    fn notice_jumps(&mut self, now: &Moment) {
        let passed = i128::from(now.boottime_ns) - i128::from(self.last_moment.boottime_ns);
        let wall = i128::from(now.wall.0) - i128::from(self.last_moment.wall.0);
        let jumped_ns = wall - passed;
        self.last_moment = now.clone();
        if jumped_ns.unsigned_abs() > u128::from(STEP_NS) {
            let seconds = jumped_ns as f64 / 1e9;
            tracing::warn!(seconds, "The wall clock was stepped.");
            self.event(
                EventKind::ClockSync,
                EventSeverity::Warning,
                format!("the wall clock was stepped by {seconds:.3} s"),
                serde_json::json!({"step_seconds": seconds}),
            );
            self.collectors.mark_all_due("event");
        }
    }

    fn process_ended(&mut self) {
        let now = self.now();
        let transitions = self.machinery.context.services.on_exit();
        for (daemon, message, data) in transitions {
            self.beats.ended.insert(daemon.clone(), now.boottime_ns);
            tracing::info!(daemon, "{message}");
            self.event(EventKind::DaemonCheck, EventSeverity::Error, message, data);
        }
        // A crash loop is not a storm.
        if self.triggered.take(now.boottime_ns) {
            self.beats.trigger(&now);
            self.collectors.mark_collector_due("daemon", "event");
        }
    }

    fn pruned(&mut self, pruned: &Pruned) {
        if let Some(doubt) = &pruned.doubt {
            tracing::warn!(?doubt, "Retention removes nothing for its age: the clock cannot be trusted.");
        }
        for spared in &pruned.spared {
            tracing::warn!(id = %spared.entry.id, why = spared.why, "A snapshot that should go stays.");
        }
        if !pruned.removed.is_empty() {
            let count = pruned.removed.len();
            self.event(EventKind::Cleanup, EventSeverity::Info, format!("retention removed {count} snapshots"), serde_json::json!({
                "removed": pruned.removed.iter().map(|gone| serde_json::json!({"id": gone.entry.id, "reason": gone.reason})).collect::<Vec<_>>(),
            }));
        }
    }

    fn event(&self, event_type: EventKind, severity: EventSeverity, message: String, data: serde_json::Value) {
        let event = self.make_event(event_type, severity, message, data, self.now().wall);
        self.recorder.record(Batch { events: vec![event], ..Batch::default() });
    }

    fn make_event(
        &self,
        event_type: EventKind,
        severity: EventSeverity,
        message: String,
        mut data: serde_json::Value,
        at: Wall,
    ) -> Event {
        self.machinery.sanitizer.json(&mut data, &mut crate::sanitize::Report::default());
        Event { timestamp: at, event_type, severity, message: self.clean(&message), data }
    }

    fn clean(&self, text: &str) -> String {
        self.machinery.sanitizer.text(text, &mut crate::sanitize::Report::default()).into_owned()
    }

    /// What is wanted and known by name: the sections that belong to somebody.
    fn owners(&self) -> BTreeSet<String> {
        self.collectors.iter().map(|(name, _)| name.to_string()).collect()
    }

    async fn end(mut self) {
        self.serving.stop();
        self.record_alerts(&self.now());
        self.event(
            EventKind::SystemShutdown,
            EventSeverity::Info,
            "ghostd ends".to_owned(),
            serde_json::json!({"pid": std::process::id()}),
        );
        let socket = self.machinery.config.control.socket.clone();
        let Self { recorder, machinery, .. } = self;
        // The recorder writes what it has. A disk that does not answer must not keep ghostd from ending: what it has
        // not acknowledged is nobody's.
        let stopped = tokio::task::spawn_blocking(move || recorder.stop());
        if tokio::time::timeout(END_WITHIN, stopped).await.is_err() {
            tracing::error!("The disk does not answer; ghostd ends without it.");
        }
        drop((machinery, socket));
    }
}

/// The BOOTTIME so long after a moment.
fn after(now: &Moment, wait: Duration) -> u64 {
    now.boottime_ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

/// A step that is worth an event: slewing and the time between two readings stay far below it.
const STEP_NS: u64 = 500_000_000;

fn config_versions(config: &Config) -> BTreeMap<String, Vec<String>> {
    config.host.versions.clone()
}

/// For messages that others make.
pub(crate) fn loaded_text(loaded: &Loaded) -> String {
    format!("{} {}", loaded.descriptor.name, loaded.descriptor.version)
}

/// Where a component stands, where it stands in a file.
pub(crate) fn file_of(collector: &crate::config::Collector) -> Option<PathBuf> {
    match &collector.source {
        crate::config::Source::Builtin(_) => None,
        crate::config::Source::File(path) | crate::config::Source::DropIn(path) => Some(path.clone()),
    }
}

pub(crate) use backups::{made_line as backup_line, report as backup_report};
pub(crate) use beat::word;
pub(crate) use purge::{Pattern as PurgePattern, event as purge_event, sweep as sweep_for_purge};
pub(crate) use requests::prune_report;
