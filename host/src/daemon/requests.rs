//! What the control socket is asked, and a new configuration.

use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::{Daemon, Message};
use crate::access::Access;
use crate::collect::Collectors;
use crate::config::Loaded;
use crate::control::{self, Answer, LogLine, PruneReport, PrunedSnapshot, Request, Status};
use crate::maintenance::ByHand;
use crate::model::{EventKind, EventSeverity, Moment, Trigger};
use crate::recorder::Auditor;
use crate::store::{Entry, Pruned};
use crate::wiring::{self, Machinery};

/// Reads a request beside the loop and hands it over.
pub(super) fn receive(mut stream: UnixStream, inbox: mpsc::Sender<Message>, auditor: Auditor) {
    tokio::spawn(async move {
        if !control::is_allowed(&stream) {
            auditor.access(refused(&stream));
            let error = "this ghostd belongs to another user".to_owned();
            return control::send_answer(stream, &Answer::Failed { error }).await;
        }
        match control::read_request(&mut stream).await {
            Ok(request) => {
                let _ = inbox.send(Message::Asked(request, Asker::Socket(stream))).await;
            }
            Err(error) => control::send_answer(stream, &Answer::Failed { error }).await,
        }
    });
}

/// Somebody else's request to the control socket, which was not even read.
fn refused(stream: &UnixStream) -> Access {
    let who = stream.peer_cred().map_or_else(|_| String::new(), |peer| format!("uid {}", peer.uid()));
    Access {
        who,
        from: "socket".to_owned(),
        what: "control socket".to_owned(),
        status: 403,
        refused: true,
        changes: false,
    }
}

/// What retention did, or would do, as it is told.
pub(crate) fn prune_report(pruned: &Pruned, dry_run: bool) -> PruneReport {
    let row = |entry: &Entry, reason: &str| PrunedSnapshot {
        id: entry.id,
        sequence: entry.sequence,
        captured_at: entry.captured_at,
        size_bytes: entry.size_bytes,
        reason: reason.to_owned(),
    };
    PruneReport {
        dry_run,
        removed: pruned.removed.iter().map(|gone| row(&gone.entry, gone.reason.as_str())).collect(),
        spared: pruned.spared.iter().map(|spared| row(&spared.entry, &spared.why)).collect(),
        kept: pruned.kept.len() as u64,
        freed_bytes: pruned.freed_bytes,
        postponed: pruned.postponed as u64,
        doubt: pruned.doubt.map(|doubt| doubt.to_string()),
    }
}

/// Who asks, and is to be answered.
#[derive(Debug)]
pub(super) enum Asker {
    /// A command, by the control socket.
    Socket(UnixStream),
    /// A request of the API.
    Api(oneshot::Sender<Answer>),
}

impl Asker {
    /// Answers, beside the loop.
    pub(super) fn answer(self, answer: Answer) {
        match self {
            Self::Socket(stream) => _ = tokio::spawn(async move { control::send_answer(stream, &answer).await }),
            // Whoever does not wait any more goes without.
            Self::Api(reply) => _ = reply.send(answer),
        }
    }
}

/// An answer that is given from the recorder's thread.
pub(super) struct Later {
    asker: Asker,
    runtime: tokio::runtime::Handle,
}

impl Later {
    /// Inside the runtime alone.
    pub(super) fn new(asker: Asker) -> Self {
        Self { asker, runtime: tokio::runtime::Handle::current() }
    }

    pub(super) fn give(self, result: Result<Answer, String>) {
        let answer = result.unwrap_or_else(|error| Answer::Failed { error });
        let _inside = self.runtime.enter();
        self.asker.answer(answer);
    }
}

impl Daemon {
    pub(super) fn asked(&mut self, request: Request, asker: Asker, now: &Moment) {
        let answer = match request {
            Request::Snapshot { reason, important } => {
                return self.begin_capture(Trigger::Manual, reason, important, Some(asker), now);
            }
            Request::Status => Answer::Status(Box::new(self.status())),
            Request::Reload => match self.try_reload() {
                Ok(message) => Answer::Done { message },
                Err(error) => Answer::Failed { error },
            },
            Request::CollectorLog { name } => match log_of(&self.collectors, &name) {
                Some(lines) => Answer::Log { lines },
                None => Answer::Failed { error: format!("there is no collector `{name}`") },
            },
            Request::CollectorResume { name } => {
                if self.collectors.resume(&name) {
                    Answer::Done { message: format!("collector {name} is called again") }
                } else {
                    Answer::Failed { error: format!("there is no collector `{name}`") }
                }
            }
            Request::MaintenanceOn { daemon, until, by, why } => {
                let window = ByHand { daemon, since: now.wall, until, by, why };
                done(self.begin_maintenance(window, now))
            }
            Request::MaintenanceOff { daemon } => done(self.end_maintenance(&daemon, now)),
            Request::Keep { id, by, why } => {
                let (by, why) = (self.clean(&by), why.map(|why| self.clean(&why)));
                let answer = Later::new(asker);
                return self.recorder.keep(id, by, why, move |result| {
                    answer.give(result.map(|()| Answer::Done { message: format!("{id} is kept") }));
                });
            }
            Request::Unkeep { id, by } => {
                let by = self.clean(&by);
                let answer = Later::new(asker);
                return self.recorder.unkeep(id, by, move |result| {
                    let message =
                        |had| if had { format!("{id} has no mark any more") } else { format!("{id} had no mark") };
                    answer.give(result.map(|had| Answer::Done { message: message(had) }));
                });
            }
            Request::FindingResolve { collector, fingerprint, by, why } => {
                return self.resolve_finding(&collector, &fingerprint, &by, why.as_deref(), asker, now);
            }
            Request::Silence { matchers, seconds, by, why } => {
                return self.silence(&matchers, seconds, &by, why, asker, now);
            }
            Request::Unsilence { id, by } => return self.unsilence(&id, &by, asker, now),
            Request::AlertTest { receiver } => return self.test_receivers(receiver.as_deref(), asker, now),
            Request::Prune => {
                let inbox = self.inbox.clone();
                let answer = Later::new(asker);
                return self.recorder.prune(wiring::policy(&self.machinery.config.store), move |result| {
                    let told = result.as_ref().map(|pruned| Answer::Pruned(Box::new(prune_report(pruned, false))));
                    answer.give(told.map_err(Clone::clone));
                    let _ = inbox.blocking_send(Message::Pruned(result));
                });
            }
            Request::Backup { by } => {
                let by = self.clean(&by);
                return self.begin_backup(Some(asker), Some(by));
            }
            Request::Purge(order) => return self.purge(order, Later::new(asker)),
            Request::TokenAdd { token, by } => return self.add_token(token, &by, asker),
            Request::TokenRevoke { name, by } => return self.revoke_token(name, &by, asker),
            Request::LoginLink { by } => self.login_link(&by),
        };
        asker.answer(answer);
    }

    fn status(&self) -> Status {
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started.wall,
            heartbeat: self.last_beat().cloned(),
            last_snapshot: self.captures.last,
            collectors: self.collectors.health(),
            conditions: self.recorder.conditions.list(),
            alerts: self.alerting.counts(),
            missed_heartbeats: self.beats.missed_total,
            missed_snapshots: self.captures.missed_total + self.captures.missed,
            ends_are_told: self.machinery.context.services.exits_are_told(),
            api: self.serving.address.clone(),
        }
    }

    pub(super) fn reload(&mut self) {
        if let Err(error) = self.try_reload() {
            tracing::error!(error, "The configuration was not taken; the old one stays.");
        }
    }

    /// Takes a new configuration: all of it, or nothing of it.
    fn try_reload(&mut self) -> Result<String, String> {
        let Loaded { config, effective, .. } = (self.reload)()?;
        let changes = self.machinery.config.changes(&config);
        if changes.is_empty() {
            return Ok("nothing has changed".to_owned());
        }
        let cache = self.machinery.cache_dir.clone();
        let machinery =
            Machinery::with_kept(config, cache.as_deref(), Arc::clone(&self.machinery.context.services.kept))
                .map_err(|error| crate::chain::chain(&error))?;
        let now = self.now();
        let facts = self.machinery.facts.clone();
        self.machinery = Machinery { facts, ..machinery };
        self.exits = Arc::new(self.machinery.context.services.exit_signal());
        self.prober.abort();
        self.prober = super::ask_others(&self.machinery);
        self.derived.abort();
        self.derived = super::derive_files(&self.machinery, &self.recorder);
        self.beats.reconfigure(&self.machinery.config, &now);
        self.captures.reconfigure(&self.machinery.config, &now);
        self.backups.reconfigure(&self.machinery.config.backup, &now);
        self.dead_man = super::dead_man::Switch::new(self.machinery.config.heartbeat.dead_man.as_ref(), &now);
        self.recorder.conditions.end("dead man");
        self.tell_maintenance_again(&now);
        self.forget_loaded();
        self.load_wanted(&now);
        self.serve_anew(effective.to_json(), &changes);
        self.reconfigure_alerts(&now);
        let message = format!("the configuration has changed: {}", describe(&changes));
        tracing::info!("{message}");
        self.event(
            EventKind::ConfigUpdate,
            EventSeverity::Info,
            message.clone(),
            serde_json::json!({
                "config_sha256": self.machinery.config_sha256,
            }),
        );
        self.recorder.audit("configure", serde_json::json!({"config_sha256": self.machinery.config_sha256}));
        Ok(message)
    }
}

fn done(result: Result<String, String>) -> Answer {
    match result {
        Ok(message) => Answer::Done { message },
        Err(error) => Answer::Failed { error },
    }
}

fn describe(changes: &crate::config::Changes) -> String {
    let mut parts: Vec<String> = changes.parts.iter().map(|part| format!("{part:?}").to_lowercase()).collect();
    for (what, names) in [("daemon", &changes.daemons), ("collector", &changes.collectors)] {
        for (verb, list) in [("added", &names.added), ("removed", &names.removed), ("changed", &names.changed)] {
            parts.extend(list.iter().map(|name| format!("{what} {name} {verb}")));
        }
    }
    parts.join(", ")
}

fn log_of(collectors: &Collectors, name: &str) -> Option<Vec<LogLine>> {
    let lines = collectors.log(name)?;
    Some(
        lines
            .map(|(at, line)| LogLine {
                at: *at,
                level: format!("{:?}", line.level).to_lowercase(),
                text: line.text.clone(),
            })
            .collect(),
    )
}
