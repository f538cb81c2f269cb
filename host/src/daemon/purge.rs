//! Purging beside everything that goes on.
//!
//! The recorder takes it out of the store, between two records; then a thread of its own goes through the backups.
//! What the collectors remember and what the board shows is in memory, and would be written again: it goes first.

use std::path::Path;

use regex::{Regex, RegexBuilder};

use super::requests::Later;
use super::{Daemon, Message};
use crate::backup::{self, Fate, Keys, Purge, Recipient};
use crate::chain::chain;
use crate::config;
use crate::control::{Answer, PurgeOrder, PurgeReport, PurgedBackup};
use crate::derived;
use crate::model::{Event, EventKind, EventSeverity, Wall};
use crate::store::{Batch, Purged, purge_derived};
use crate::wiring;

/// A pattern may cost so many bytes when it is compiled.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// What is looked for, if anything is.
pub(crate) struct Pattern(Option<Regex>);

impl Pattern {
    /// Reads it. The error repeats nothing of it: it may be a secret.
    pub(crate) fn new(pattern: Option<&str>) -> Result<Self, String> {
        let Some(pattern) = pattern else { return Ok(Self(None)) };
        let regex = RegexBuilder::new(pattern)
            .size_limit(MAX_PATTERN_BYTES)
            .build()
            .map_err(|_| "the pattern is no regular expression (`--fixed` takes it as plain text)".to_owned())?;
        if regex.is_match("") {
            return Err("the pattern matches an empty text, and so everything".to_owned());
        }
        Ok(Self(Some(regex)))
    }

    /// Whether a text holds it.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    /// Whether anything is looked for.
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl Daemon {
    pub(super) fn purge(&mut self, order: PurgeOrder, answer: Later) {
        let pattern = match Pattern::new(order.matching.as_deref()) {
            Ok(pattern) => pattern,
            Err(error) => return answer.give(Err(error)),
        };
        if !self.backups.occupy() {
            return answer.give(Err("a backup is being made: try again when it is done".to_owned()));
        }
        let order = PurgeOrder { by: self.clean(&order.by), why: self.clean(&order.why), ..order };
        if !order.dry_run && pattern.is_some() {
            let holds = |text: &str| pattern.holds(text);
            for key in self.board.forget(&holds) {
                tracing::info!(section = key, "A section held what is purged, and is collected anew.");
            }
            self.collectors.forget_states(&holds);
            self.collectors.mark_all_due("event");
        }
        let config = self.machinery.config.backup.clone();
        let directory = wiring::backup_directory(&config, &self.recorder.data_dir);
        let published = self.machinery.config.publish.dir.clone();
        let (auditor, inbox) = (self.recorder.auditor(), self.inbox.clone());
        let runtime = tokio::runtime::Handle::current();
        let (ids, by, why, dry_run) = (order.ids.clone(), order.by.clone(), order.why.clone(), order.dry_run);
        let pattern = std::sync::Arc::new(pattern);
        let looked_for = std::sync::Arc::clone(&pattern);
        let now = self.now().wall;
        self.recorder.run(
            move |store, now| {
                let purged = if looked_for.is_some() {
                    store.purge_matching(&|text| looked_for.holds(text), &by, &why, now.wall, dry_run)?
                } else {
                    store.purge(&ids, &by, &why, now.wall, dry_run)?
                };
                if !dry_run {
                    store.record(&Batch {
                        events: vec![event(&purged, now.wall)],
                        durable: true,
                        ..Batch::default()
                    })?;
                }
                Ok(purged)
            },
            move |result| match result {
                Err(error) => {
                    answer.give(Err(error));
                    let _ = inbox.blocking_send(Message::Purged);
                }
                Ok(purged) => {
                    runtime.spawn_blocking(move || {
                        let report = sweep(&order, &pattern, purged, &config, &directory, published.as_deref(), now);
                        for (file, fate) in report.iter().flat_map(|(_, lines)| lines) {
                            auditor.line(file, fate.clone());
                        }
                        answer.give(report.map(|(report, _)| Answer::Purged(Box::new(report))));
                        let _ = inbox.blocking_send(Message::Purged);
                    });
                }
            },
        );
    }
}

/// What the record says happened.
pub(crate) fn event(purged: &Purged, at: Wall) -> Event {
    let rows: u64 = purged.rows.values().sum();
    Event {
        timestamp: at,
        event_type: EventKind::Store,
        severity: EventSeverity::Warning,
        message: format!("{} snapshots and {rows} rows were purged", purged.snapshots.len()),
        data: serde_json::json!({ "snapshots": purged.snapshots }),
    }
}

/// Lines for the audit log: operation and what it says.
pub(crate) type Lines = Vec<(&'static str, serde_json::Value)>;

/// Goes through the backups after the store itself was purged, and says all that was done.
pub(crate) fn sweep(
    order: &PurgeOrder,
    pattern: &Pattern,
    purged: Purged,
    config: &config::Backup,
    directory: &Path,
    published: Option<&Path>,
    now: Wall,
) -> Result<(PurgeReport, Lines), String> {
    let keys = order.identity.as_deref().map(Keys::read).transpose().map_err(|error| chain(&error))?;
    let recipient = config.recipient.as_deref().and_then(|text| Recipient::parse(text).ok());
    let holds = |text: &str| pattern.holds(text);
    let purge = Purge {
        ids: &order.ids,
        holds: pattern.is_some().then_some(&holds),
        audit_line: purged.audit_line.unwrap_or(0),
        why: &order.why,
        recipient: recipient.as_ref(),
        level: i32::try_from(config.level).unwrap_or(3),
        dry_run: order.dry_run,
        remove_closed: order.remove_closed,
    };
    let swept = backup::sweep(directory, &keys.unwrap_or_default(), &purge, now).map_err(|error| chain(&error))?;
    let mut lines = Lines::new();
    let mut report = PurgeReport {
        dry_run: order.dry_run,
        snapshots: purged.snapshots,
        rows: purged.rows,
        marks: purged.marks,
        set_aside: purged.set_aside,
        published: match published {
            Some(directory) if pattern.is_some() => {
                purge_derived(directory, derived::FILES, &holds, order.dry_run).map_err(|error| chain(&error))?
            }
            _ => Vec::new(),
        },
        backups: Vec::new(),
        left: purged.left,
    };
    for backup::Swept { file, fate } in swept {
        let mut told = PurgedBackup { file: file.clone(), state: String::new(), snapshots: 0, rows: 0, why: None };
        match fate {
            Fate::Clean => told.state = "clean".to_owned(),
            Fate::Rewritten { snapshots, rows, sha256 } => {
                told.state = "rewritten".to_owned();
                told.snapshots = snapshots.len() as u64;
                told.rows = rows;
                if let Some(sha256) = sha256 {
                    let data =
                        serde_json::json!({ "file": file, "sha256": sha256, "snapshots": snapshots, "rows": rows });
                    lines.push(("backup_rewrite", data));
                }
            }
            Fate::Removed { why } => {
                told.state = "removed".to_owned();
                if !order.dry_run {
                    lines.push(("backup_delete", serde_json::json!({ "files": [file], "reason": "purge" })));
                }
                told.why = Some(why);
            }
            Fate::Left { why } => {
                told.state = "left".to_owned();
                told.why = Some(why);
            }
        }
        report.backups.push(told);
    }
    Ok((report, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_finds_everything_or_nothing_is_refused_without_repeating_it() {
        assert!(Pattern::new(Some("hunter2")).unwrap().holds("it was hunter2!"));
        assert!(!Pattern::new(None).unwrap().holds("anything"));
        for bad in ["", "x*", "(?:)", "(secret"] {
            let error = Pattern::new(Some(bad)).err().unwrap();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
