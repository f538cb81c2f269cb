//! Backups: when one is due, and what becomes of it.
//!
//! It is made beside everything else, by a thread that only reads: the recorder goes on writing meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Daemon, Message};
use crate::backup::{self, BackupError, Created};
use crate::chain::chain;
use crate::config;
use crate::control::{Answer, BackupReport};
use crate::model::{EventKind, EventSeverity, Moment, Wall};
use crate::schedule::Schedule;
use crate::wiring;

/// After a start, which has enough to do, and while there is nothing to back up yet.
const SOON: Duration = Duration::from_secs(600);
/// After one that failed: a disk that is full or a mount that is away is back sooner than tomorrow.
const AGAIN_AFTER: Duration = Duration::from_secs(900);

/// A backup that was made.
#[derive(Debug)]
pub(super) struct Done {
    created: Created,
    rotated: Vec<String>,
}

/// Why one was not.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is nothing yet.
    Empty(String),
    /// It could not be written, or was not what it should be.
    Error(String),
}

/// The state of backups.
#[derive(Debug)]
pub(super) struct Backups {
    /// None where they are switched off.
    schedule: Option<Schedule>,
    config_file: PathBuf,
    /// While one is being made: who waits for it.
    running: Option<Option<super::requests::Asker>>,
}

impl Backups {
    pub(super) fn new(config: &config::Backup, data_dir: &Path, config_file: PathBuf, now: &Moment) -> Self {
        let newest = backup::newest(&wiring::backup_directory(config, data_dir)).ok().flatten();
        let schedule =
            config.enabled.then(|| Schedule::new(config.every, super::after(now, first(config, newest, now.wall))));
        Self { schedule, config_file, running: None }
    }

    pub(super) fn reconfigure(&mut self, config: &config::Backup, now: &Moment) {
        let known = self.schedule.as_ref().map(Schedule::interval);
        if known != config.enabled.then_some(config.every) {
            let wait = if known.is_none() { SOON.min(config.every) } else { config.every };
            self.schedule = config.enabled.then(|| Schedule::new(config.every, super::after(now, wait)));
        }
    }

    pub(super) fn next_ns(&self) -> Option<u64> {
        self.schedule.as_ref().map(Schedule::next_ns)
    }

    pub(super) fn take(&mut self, now: &Moment) -> bool {
        self.schedule.as_mut().is_some_and(|schedule| schedule.take(now.boottime_ns).is_some())
    }

    /// Takes the place of the one that runs, so that no backup is made meanwhile; `false` where one is.
    pub(super) fn occupy(&mut self) -> bool {
        let is_free = self.running.is_none();
        if is_free {
            self.running = Some(None);
        }
        is_free
    }

    pub(super) fn free(&mut self) {
        self.running = None;
    }

    fn again_after(&mut self, wait: Duration, now: &Moment) {
        if let Some(schedule) = &mut self.schedule {
            let wait = wait.min(schedule.interval());
            schedule.now(super::after(now, wait));
        }
    }
}

/// How long after the start the first is due: the rhythm goes on from the last one. One from the future says that a
/// clock was wrong, and nothing of when the next is due.
fn first(config: &config::Backup, newest: Option<Wall>, now: Wall) -> Duration {
    let soon = SOON.min(config.every);
    let Some(newest) = newest else { return soon };
    match u64::try_from(now.millis().saturating_sub(newest.millis())) {
        Ok(age) => config.every.saturating_sub(Duration::from_millis(age)).max(soon),
        Err(_) => config.every,
    }
}

impl Daemon {
    /// Begins a backup, because it is due or because somebody asks.
    pub(super) fn begin_backup(&mut self, client: Option<super::requests::Asker>, by: Option<String>) {
        if self.backups.running.is_some() {
            if let Some(client) = client {
                let error = "a backup is being made already, or a purge goes through them".to_owned();
                client.answer(Answer::Failed { error });
            }
            return;
        }
        self.backups.running = Some(client);
        self.event(
            EventKind::BackupStart,
            EventSeverity::Info,
            "a backup begins".to_owned(),
            serde_json::json!({ "by": by }),
        );
        let (data_dir, config_file) = (self.recorder.data_dir.clone(), self.backups.config_file.clone());
        let (config, auditor, inbox) =
            (self.machinery.config.backup.clone(), self.recorder.auditor(), self.inbox.clone());
        let now = self.now().wall;
        tokio::task::spawn_blocking(move || {
            let made = (|| -> Result<Done, Failed> {
                let options = wiring::backup_options(&config, &data_dir, &config_file).map_err(Failed::Error)?;
                let created =
                    backup::create(&data_dir, &options, now, &mut |_, _| {}).map_err(|error| match error {
                        BackupError::Empty { .. } => Failed::Empty(chain(&error)),
                        error => Failed::Error(chain(&error)),
                    })?;
                auditor.line("backup", made_line(&created, by.as_deref()));
                let keep = config.keep as usize;
                let surplus = backup::surplus(&options.directory, keep).unwrap_or_default();
                if !surplus.is_empty() {
                    auditor.line("backup_delete", serde_json::json!({ "files": surplus, "reason": "keep" }));
                }
                // What could not be removed is surplus again next time.
                let rotated = backup::prune(&options.directory, keep).unwrap_or_else(|error| {
                    tracing::warn!(error = chain(&error), "Old backups are not removed.");
                    Vec::new()
                });
                Ok(Done { created, rotated })
            })();
            let _ = inbox.blocking_send(Message::BackedUp(made));
        });
    }

    /// A backup is durable, or is not.
    pub(super) fn backed_up(&mut self, result: Result<Done, Failed>, now: &Moment) {
        let client = self.backups.running.take().flatten();
        let answer = match result {
            Ok(Done { created, rotated }) => {
                if self.recorder.conditions.end("backup") {
                    tracing::info!("Backups are made again.");
                }
                let message = format!("backup {} is durable, {} snapshots", created.info.number, created.snapshots);
                tracing::info!(path = %created.path.display(), bytes = created.size_bytes, "{message}.");
                let report = report(created, rotated);
                let data = serde_json::json!({
                    "number": report.number, "id": report.id, "size_bytes": report.size_bytes,
                    "snapshots": report.snapshots, "left_out": report.left_out, "rotated": report.rotated,
                });
                let severity = if report.left_out.is_empty() { EventSeverity::Info } else { EventSeverity::Warning };
                self.event(EventKind::BackupComplete, severity, message, data);
                Answer::BackedUp(Box::new(report))
            }
            Err(Failed::Empty(error)) => {
                self.backups.again_after(SOON, now);
                Answer::Failed { error }
            }
            Err(Failed::Error(error)) => {
                self.backups.again_after(AGAIN_AFTER, now);
                let message = format!("no backup was made: {error}");
                if self.recorder.conditions.begin("backup", message.clone()) {
                    tracing::error!("{message}");
                    self.event(EventKind::Error, EventSeverity::Error, message, serde_json::Value::Null);
                }
                Answer::Failed { error }
            }
        };
        if let Some(client) = client {
            client.answer(answer);
        }
    }
}

/// What the audit log says of a backup that was made.
pub(crate) fn made_line(created: &Created, by: Option<&str>) -> serde_json::Value {
    serde_json::json!({
        "number": created.info.number, "id": created.info.id, "by": by,
        "file": created.path.file_name().and_then(|name| name.to_str()),
        "size": created.size_bytes, "sha256": created.sha256, "snapshots": created.snapshots,
        "newest": created.info.newest_sequence,
    })
}

/// What is told of one.
pub(crate) fn report(created: Created, rotated: Vec<String>) -> BackupReport {
    BackupReport {
        number: created.info.number,
        id: created.info.id,
        encrypted: backup::is_encrypted(&created.path),
        path: created.path,
        size_bytes: created.size_bytes,
        sha256: created.sha256,
        content_bytes: created.content_bytes,
        snapshots: created.snapshots,
        without_database: created.info.without_database,
        left_out: created.left_out,
        rotated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rhythm_goes_on_from_the_last_backup() {
        let config = config::Backup {
            enabled: true,
            every: Duration::from_secs(86_400),
            keep: 10,
            level: 3,
            dir: None,
            recipient: None,
        };
        let now = Wall::from_millis(1_795_000_000_000);
        let ago = |seconds: i64| Some(Wall::from_millis(now.millis() - seconds * 1_000));
        assert_eq!(first(&config, None, now), SOON);
        assert_eq!(first(&config, ago(3_600), now), Duration::from_secs(82_800));
        assert_eq!(first(&config, ago(90_000), now), SOON);
        assert_eq!(first(&config, ago(-3_600), now), config.every);
        let often = config::Backup { every: Duration::from_secs(1), ..config };
        assert_eq!(first(&often, None, now), often.every);
    }
}
