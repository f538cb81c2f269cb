//! The scrub: every stored file read again beside everything else, slowly, and what becomes of the answer.

use std::path::Path;
use std::time::Duration;

use super::{Daemon, Message};
use crate::chain::chain;
use crate::model::{Attributes, EventKind, EventSeverity, Finding, Moment, Severity, Wall};
use crate::schedule::Schedule;
use crate::store::{Batch, DatabaseCheck, Reader, Scrub, StoredFinding, check_and_copy};

/// Bytes a second: a scrub of a whole gigabyte takes two minutes and nobody notices it.
const BYTES_A_SECOND: u64 = 8 << 20;
/// One that was interrupted goes on so long after a start, and one that is overdue begins.
const SOON: Duration = Duration::from_secs(60);
/// The first of a store.
const FIRST: Duration = Duration::from_secs(3_600);
/// Whose finding it is: the recorder's own.
const OWNER: &str = "ghostd";
const FINGERPRINT: &str = "record-not-intact";

/// What is known of scrubs.
#[derive(Debug)]
pub(super) struct Scrubs {
    pub(super) schedule: Schedule,
    is_running: bool,
}

impl Scrubs {
    pub(super) fn new(every: Duration, data_dir: &Path, now: &Moment) -> Self {
        let last = Reader::open(data_dir).and_then(|reader| reader.scrub()).ok().flatten();
        Self {
            schedule: Schedule::new(every, super::after(now, first(every, last.as_ref(), now.wall))),
            is_running: false,
        }
    }
}

/// How long after the start the first is due: the rhythm goes on from the last one.
fn first(every: Duration, last: Option<&Scrub>, now: Wall) -> Duration {
    match last {
        None => FIRST.min(every),
        Some(Scrub { finished_at: None, .. }) => SOON.min(every),
        Some(Scrub { finished_at: Some(at), .. }) => match u64::try_from(now.millis().saturating_sub(at.millis())) {
            Ok(age) => every.saturating_sub(Duration::from_millis(age)).max(SOON.min(every)),
            // From the future: a clock was wrong, and that says nothing of when the next is due.
            Err(_) => every,
        },
    }
}

impl Daemon {
    /// Begins, or goes on with the one that was interrupted. The database is checked first, and copied.
    pub(super) fn scrub(&mut self) {
        if std::mem::replace(&mut self.scrubs.is_running, true) {
            return;
        }
        let (path, inbox, clock) = (self.recorder.data_dir.clone(), self.inbox.clone(), self.machinery.clock.clone());
        tokio::task::spawn_blocking(move || {
            let checked = check_and_copy(&path).map_err(|error| chain(&error));
            let _ = inbox.blocking_send(Message::DatabaseChecked(checked));
            let scrub = || -> Result<(), crate::store::StoreError> {
                let last = Reader::open(&path)?.scrub()?.filter(|last| last.finished_at.is_none());
                let mut scrub = last.unwrap_or_else(|| Scrub::begin(clock.now().wall));
                loop {
                    // Opened for each step: what was rolled up and pruned meanwhile is not missed.
                    let more = Reader::open(&path)?.scrub_on(&mut scrub, clock.now().wall, &mut pace)?;
                    if inbox.blocking_send(Message::Scrubbed(Ok(scrub.clone()))).is_err() || !more {
                        return Ok(());
                    }
                }
            };
            if let Err(error) = scrub() {
                let _ = inbox.blocking_send(Message::Scrubbed(Err(chain(&error))));
            }
        });
    }

    pub(super) fn database_checked(&mut self, result: Result<DatabaseCheck, String>) {
        match result {
            Ok(DatabaseCheck::Copied | DatabaseCheck::NoRoom | DatabaseCheck::None) => {}
            Ok(DatabaseCheck::Damaged(wrong)) => {
                let wrong = wrong.join("; ");
                tracing::error!(wrong, "The database is damaged.");
                self.recorder.renew_database(wrong);
            }
            Err(error) => tracing::warn!(error, "The database could not be checked."),
        }
    }

    /// A step is done: it is remembered. With the last step the answer is an event, and a finding where it is bad.
    pub(super) fn scrubbed(&mut self, result: Result<Scrub, String>, now: &Moment) {
        let scrub = match result {
            Ok(scrub) => scrub,
            Err(error) => {
                self.scrubs.is_running = false;
                let message = format!("the record cannot be verified: {error}");
                if self.recorder.conditions.begin("verify", message.clone()) {
                    tracing::error!("{message}");
                    self.event(EventKind::Store, EventSeverity::Error, message, serde_json::Value::Null);
                }
                return;
            }
        };
        let mut batch = Batch { documents: vec![scrub.document(now.wall)], ..Batch::default() };
        if scrub.finished_at.is_some() {
            self.scrubs.is_running = false;
            let was_bad = self.recorder.conditions.end("verify");
            let (severity, message) = match scrub.faults {
                0 => (EventSeverity::Info, format!("{} snapshots were read again, all are intact", scrub.files)),
                count => {
                    let message = format!("the record is not intact: {count} faults (`ghostd verify` names them)");
                    self.recorder.conditions.begin("verify", message.clone());
                    if !was_bad {
                        tracing::error!(said = ?scrub.said, "{message}");
                        self.recorder.notices.add(&message);
                    }
                    (EventSeverity::Critical, message)
                }
            };
            let data = serde_json::json!({ "files": scrub.files, "faults": scrub.said });
            batch.events.push(self.make_event(EventKind::Store, severity, message.clone(), data, now.wall));
            batch.findings.extend(self.finding(&scrub, message, now));
            batch.durable = true;
        }
        self.recorder.record(batch);
    }

    /// The finding, or its end. One that never began has none.
    fn finding(&self, scrub: &Scrub, title: String, now: &Moment) -> Option<StoredFinding> {
        let known = Reader::open(&self.recorder.data_dir).and_then(|reader| reader.findings(now.wall)).ok();
        let known = known.unwrap_or_default().into_iter();
        let before = known.into_iter().find(|one| one.collector == OWNER && one.finding.fingerprint == FINGERPRINT);
        let before = before.filter(|one| one.resolved_at.is_none());
        if scrub.faults == 0 && before.is_none() {
            return None;
        }
        let title = match &before {
            Some(before) if scrub.faults == 0 => before.finding.title.clone(),
            _ => self.clean(&title),
        };
        let opened_at = before.as_ref().map_or(now.wall, |one| one.opened_at);
        Some(StoredFinding {
            collector: OWNER.to_owned(),
            opened_at,
            resolved_at: (scrub.faults == 0).then_some(now.wall),
            by_hand: None,
            finding: Finding {
                fingerprint: FINGERPRINT.to_owned(),
                severity: Severity::Critical,
                title,
                detail: (!scrub.said.is_empty()).then(|| self.clean(&scrub.said.join("\n"))),
                source: None,
                count: scrub.faults.max(1),
                first_seen: Some(opened_at),
                last_seen: Some(now.wall),
                resolved: scrub.faults == 0,
                attributes: Attributes::default(),
            },
        })
    }
}

/// Waits as long as that many bytes may take.
fn pace(bytes: u64) {
    std::thread::sleep(Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / BYTES_A_SECOND));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rhythm_goes_on_from_the_last_scrub() {
        let every = Duration::from_secs(86_400);
        let now = Wall::from_millis(1_795_000_000_000);
        let done = |seconds: i64| Scrub {
            finished_at: Some(Wall::from_millis(now.millis() - seconds * 1_000)),
            ..Scrub::begin(now)
        };
        assert_eq!(first(every, None, now), FIRST);
        assert_eq!(first(every, Some(&Scrub::begin(now)), now), SOON);
        assert_eq!(first(every, Some(&done(3_600)), now), Duration::from_secs(82_800));
        assert_eq!(first(every, Some(&done(100_000)), now), SOON);
        assert_eq!(first(every, Some(&done(-5)), now), every);
    }
}
