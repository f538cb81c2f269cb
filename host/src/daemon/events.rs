//! What arrivals mean: which rows are recorded, and which of them are worth an event.

use serde_json::{Value as Json, json};

use super::Daemon;
use super::requests::{Asker, Later};
use crate::board::{FindingChange, FindingChangeKind};
use crate::collect::health_finding;
use crate::control::Answer;
use crate::model::{CallOutcome, CollectorHealth, EventKind, EventSeverity, Finding, Moment, Severity};
use crate::store::{Batch, HandResolution, StoredFinding};

impl Daemon {
    /// Records what became of findings, and tells of it.
    pub(super) fn findings_changed(&mut self, batch: &mut Batch, changes: &[FindingChange], now: &Moment) {
        for change in changes {
            let finding = &change.finding;
            let (word, severity) = match change.kind {
                FindingChangeKind::Opened => ("new", severity_of(finding.severity)),
                FindingChangeKind::Worse => ("worse", severity_of(finding.severity)),
                FindingChangeKind::Resolved => ("resolved", EventSeverity::Info),
            };
            let key = format!("finding:{}/{}", change.collector, finding.fingerprint);
            match change.kind {
                FindingChangeKind::Resolved => self.episode_ends(&key),
                _ if finding.severity == Severity::Critical => {
                    self.episode_begins(&key, &format!("critical: {}", finding.title), now);
                }
                _ => {}
            }
            let data = json!({
                "collector": &*change.collector, "fingerprint": finding.fingerprint, "severity": finding.severity,
                "count": finding.count,
            });
            batch.durable |= finding.severity >= Severity::High;
            batch.events.push(self.make_event(
                EventKind::Anomaly,
                severity,
                format!("{word}: {}", finding.title),
                data,
                now.wall,
            ));
            batch.findings.push(StoredFinding {
                collector: change.collector.to_string(),
                opened_at: now.wall,
                resolved_at: (change.kind == FindingChangeKind::Resolved).then_some(now.wall),
                by_hand: None,
                finding: finding.clone(),
            });
        }
    }

    /// Somebody resolves a finding by hand: it stays so until it is seen again.
    pub(super) fn resolve_finding(
        &mut self,
        collector: &str,
        fingerprint: &str,
        by: &str,
        why: Option<&str>,
        asker: Asker,
        now: &Moment,
    ) {
        let answer = Later::new(asker);
        let Some(change) = self.board.settle(collector, fingerprint) else {
            let name = self.clean(&format!("{collector}/{fingerprint}"));
            return answer.give(Err(format!("there is no open finding `{name}`")));
        };
        let (by, why) = (self.clean(by), why.map(|why| self.clean(why)));
        let mut batch = Batch::default();
        self.findings_changed(&mut batch, std::slice::from_ref(&change), now);
        batch.durable = true;
        for stored in &mut batch.findings {
            stored.by_hand = Some(HandResolution { by: by.clone(), why: why.clone(), at: now.wall });
        }
        self.recorder.audit(
            "resolve",
            json!({"collector": collector, "fingerprint": change.finding.fingerprint, "by": by, "why": why}),
        );
        let message = format!("resolved: {}", change.finding.title);
        self.recorder.record_then(batch, move || answer.give(Ok(Answer::Done { message })));
    }

    /// A collector that was refused or put into quarantine is a finding until it works again.
    pub(super) fn note_health(&mut self, batch: &mut Batch, collector: &str, now: &Moment) {
        let Some(health) = self.collectors.health_of(collector) else { return };
        let Some(mut finding) = health_finding(health, now.wall) else { return };
        finding.title = self.clean(&finding.title);
        if let Some(change) = self.board.found(finding) {
            self.findings_changed(batch, &[change], now);
        }
    }

    /// One that is no longer configured is in no trouble.
    pub(super) fn forget_health(&mut self, collector: &str, now: &Moment) {
        let Some(health) = self.collectors.health_of(collector) else { return };
        let gone = CollectorHealth { status: CallOutcome::Ok, ..health.clone() };
        let mut batch = Batch::default();
        let Some(finding) = health_finding(&gone, now.wall) else { return };
        let finding = Finding { title: format!("collector {collector} was removed"), ..finding };
        if let Some(change) = self.board.found(finding) {
            self.findings_changed(&mut batch, &[change], now);
            self.recorder.record(batch);
        }
    }

    /// Tells of daemons whose status is another than before.
    pub(super) fn daemons_changed(&mut self, batch: &mut Batch, now: &Moment) {
        let Some(place) = self.board.get("daemon") else { return };
        let rows = place.posted.section.get().body.get("daemons").and_then(Json::as_array).cloned().unwrap_or_default();
        for row in rows {
            let text = |key: &str| row.get(key).and_then(Json::as_str).map(str::to_owned);
            let (Some(name), Some(status)) = (text("name"), text("status")) else { continue };
            let before = self.previous_daemons.insert(name.clone(), status.clone());
            let quiet =
                before.as_ref() == Some(&status) || (before.is_none() && matches!(&*status, "unknown" | "running"));
            if quiet {
                continue;
            }
            // A failure that was found at the start of ghostd is older than any of its snapshots.
            let key = format!("daemon:{name}");
            match &*status {
                "failed" if before.is_some() => self.episode_begins(&key, &format!("daemon {name} failed"), now),
                "running" => self.episode_ends(&key),
                _ => {}
            }
            let severity = match &*status {
                "failed" => EventSeverity::Error,
                "paused" | "restarted" => EventSeverity::Warning,
                _ => EventSeverity::Info,
            };
            let data = json!({"daemon": name, "status": status, "before": before, "pid": row.get("pid")});
            batch.durable = true;
            batch.events.push(self.make_event(
                EventKind::DaemonCheck,
                severity,
                format!("daemon {name} is {status}"),
                data,
                now.wall,
            ));
        }
    }

    /// Notes the patches that are known: what is in them is no news.
    pub(super) fn note_patches(&mut self) {
        for (id, state, _) in patches(&self.board) {
            self.previous_patches.insert(id, state);
        }
    }

    /// Tells of patches that were taken up, completed or failed since.
    pub(super) fn patches_changed(&mut self, batch: &mut Batch, now: &Moment) {
        for (id, state, shown) in patches(&self.board) {
            let before = self.previous_patches.insert(id.clone(), state.clone());
            if before.as_ref() == Some(&state) {
                continue;
            }
            let severity = if state == "failed" { EventSeverity::Error } else { EventSeverity::Info };
            let data = json!({
                "patch": id, "state": state, "before": before, "version": shown.get("version"), "phase": shown.get("phase"),
                "path": shown.get("path"),
            });
            batch.events.push(self.make_event(
                EventKind::Patch,
                severity,
                format!("patch {id} is {state}"),
                data,
                now.wall,
            ));
        }
        // The oldest names are those of patches that no list shows any more.
        while self.previous_patches.len() > MAX_PATCHES {
            self.previous_patches.pop_first();
        }
    }
}

/// Patches that are remembered, so that each is told of once.
const MAX_PATCHES: usize = 1_000;

/// What the section `patch` shows as executing, completed or failed: id, state and all that it says.
fn patches(board: &crate::board::Board) -> Vec<(String, String, Json)> {
    let Some(place) = board.get("patch") else { return Vec::new() };
    let body = &place.posted.section.get().body;
    let lists = ["history", "executing"].into_iter().filter_map(|list| body.get(list).and_then(Json::as_array));
    let named = |shown: &Json| {
        let text = |key: &str| shown.get(key).and_then(Json::as_str).map(str::to_owned);
        Some((text("id")?, text("state")?, shown.clone()))
    };
    lists.flatten().filter_map(named).collect()
}

fn severity_of(severity: Severity) -> EventSeverity {
    match severity {
        Severity::Low => EventSeverity::Info,
        Severity::Medium => EventSeverity::Warning,
        Severity::High => EventSeverity::Error,
        Severity::Critical => EventSeverity::Critical,
    }
}
