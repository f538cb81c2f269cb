//! Alerts in the daemon: what they are told of the machine, what becomes of what they say.
//!
//! A look is taken when a call of a collector ended and after each beat, so that a threshold that is crossed is acted
//! on at once. What a look changes is recorded as a whole: states, findings, events, and what is to be sent, which is
//! sent only after that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::requests::{Asker, Later};
use super::{Daemon, Message};
use crate::alerts::{
    self, ALERTS_COLLECTOR, Courier, Dispatch, Engine, Facts, Job, Kind, Notification, OUTBOX, Outcome, Queue,
    Receiver, Row, SectionFacts, Sent, Step, Transition, TransitionKind,
};
use crate::board::{Board, FindingChangeKind, GHOSTD, Place};
use crate::config::Config;
use crate::control::{AlertCounts, AlertTest, Answer};
use crate::model::{
    ALERTS, Alert, AlertSeverity, AlertState, Event, EventKind, EventSeverity, Heartbeat, Moment, RECEIVERS,
    ReceiverHealth, SILENCES, Silence,
};
use crate::store::{Batch, Document, StoredFinding};
use crate::wiring;

/// A section is data for at least so long, whatever its collector's interval: after a suspend all are old.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// The longest silence: what is silenced for longer is better changed in the configuration.
const MAX_SILENCE: Duration = Duration::from_secs(366 * 86_400);

/// Tests of receivers that run at a time.
const MAX_TESTS: usize = 8;

/// Attempts from here on are tests; the queue does not know them.
const FIRST_TEST: u64 = 1 << 63;

/// Everything about alerts.
pub(super) struct Alerting {
    engine: Engine,
    queue: Queue,
    receivers: BTreeMap<String, Arc<Receiver>>,
    courier: Option<Courier>,
    source: Arc<str>,
    sending: BTreeSet<u64>,
    tests: Vec<Test>,
    next_test: u64,
}

/// A test of receivers, and who waits for it.
struct Test {
    client: Asker,
    left: BTreeSet<u64>,
    results: Vec<AlertTest>,
}

impl Alerting {
    /// Goes on from what was stored, and says what of that is not wanted any more.
    pub(super) fn new(config: &Config, documents: &[Document], now: &Moment) -> (Self, Outcome) {
        let of = |namespace: &'static str| documents.iter().filter(move |one| one.namespace == namespace);
        fn read<T: serde::de::DeserializeOwned>(one: &Document) -> Option<T> {
            serde_json::from_value(one.document.clone())
                .inspect_err(|error| tracing::warn!(key = one.key, %error, "A stored alert cannot be read."))
                .ok()
        }
        let mut engine = Engine::new(
            wiring::alert_rules(config),
            of(ALERTS).filter_map(read::<Alert>).collect(),
            of(SILENCES).filter_map(read::<Silence>).collect(),
        );
        engine.set_longest_gap(config.heartbeat.every * 3);
        let (queue, outcome) = Queue::new(
            wiring::lanes(config),
            config.alerts.group_wait,
            of(OUTBOX).filter_map(read::<Notification>).collect(),
            of(RECEIVERS).filter_map(read::<ReceiverHealth>).collect(),
            now,
        );
        let alerting = Self {
            engine,
            queue,
            receivers: wiring::receivers(config),
            courier: None,
            source: ALERTS_COLLECTOR.into(),
            sending: BTreeSet::new(),
            tests: Vec::new(),
            next_test: FIRST_TEST,
        };
        (alerting, outcome)
    }

    /// Puts the findings of what fires back on the board.
    pub(super) fn restore(&self, board: &mut Board) {
        board.restore_host(&self.source, self.engine.findings());
    }

    pub(super) fn next_due_ns(&self) -> Option<u64> {
        self.queue.next_due_ns()
    }

    /// Whether something is on its way.
    pub(super) fn is_sending(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Everything up to that notification is durable.
    pub(super) fn committed(&mut self, below: u64) {
        self.queue.committed(below);
    }

    pub(super) fn counts(&self) -> AlertCounts {
        let mut counts = AlertCounts::default();
        for alert in self.engine.alerts() {
            match alert.state {
                AlertState::Firing => {
                    let is_info = alert.severity == AlertSeverity::Info;
                    *if is_info { &mut counts.info } else { &mut counts.firing } += 1;
                    counts.suppressed += u64::from(alert.is_suppressed());
                }
                AlertState::Pending => counts.pending += 1,
                AlertState::Resolved => {}
            }
        }
        counts.queued = self.queue.healths().iter().map(|one| one.queued).sum();
        counts
    }
}

impl Daemon {
    /// Looks at what is known, and has what follows recorded and told.
    pub(super) fn look_at_alerts(&mut self, now: &Moment) {
        let names: Vec<&str> = self.collectors.iter().map(|(name, _)| &**name).collect();
        let gap = self.beats.schedule.interval() * 3;
        let facts = facts(&self.board, self.beats.last.as_ref(), &names, &self.started, gap, now);
        let step = self.alerting.engine.look(&facts, now);
        self.take_step(step, now);
    }

    fn take_step(&mut self, step: Step, now: &Moment) {
        let Step { transitions, tellings, stored, removed, silences_over, overflows } = step;
        let mut batch = Batch::default();
        for alert in stored {
            let alert = self.clean_alert(alert);
            let document = serde_json::to_value(&alert).unwrap_or_default();
            batch.documents.push(document_of(ALERTS, alert.id, document, now));
        }
        batch.documents.extend(removed.into_iter().map(|id| document_of(ALERTS, id, Json::Null, now)));
        for silence in silences_over {
            batch.documents.push(document_of(SILENCES, silence.id.clone(), Json::Null, now));
            let message = format!("silence {} is over", silence.id);
            let data = json!({"silence": silence.id});
            batch.events.push(self.make_event(EventKind::Alert, EventSeverity::Info, message, data, now.wall));
        }
        for (rule, beyond) in overflows.into_iter().filter(|(_, beyond)| *beyond > 0) {
            tracing::warn!(rule, beyond, "A rule has more subjects than it may have; the rest is not looked at.");
            let message = format!("alert rule {rule} has {beyond} subjects more than are looked at");
            let data = json!({"rule": rule, "beyond": beyond});
            batch.events.push(self.make_event(EventKind::Alert, EventSeverity::Warning, message, data, now.wall));
        }
        let speaks = !transitions.is_empty();
        for transition in transitions {
            batch.durable |= transition.kind != TransitionKind::Pending;
            let key = format!("alert:{}", transition.alert.id);
            match transition.kind {
                TransitionKind::Fired if transition.alert.severity >= AlertSeverity::Medium => {
                    self.episode_begins(&key, &format!("alert {} fires", transition.alert.id), now);
                }
                TransitionKind::Resolved => self.episode_ends(&key),
                TransitionKind::Fired | TransitionKind::Pending => {}
            }
            batch.events.extend(self.event_of(&transition, now));
        }
        if speaks {
            self.post_alert_findings(&mut batch, now);
        }
        let tells = !tellings.is_empty();
        for mut telling in tellings {
            telling.alert = self.clean_alert(telling.alert);
            let outcome = self.alerting.queue.push(telling, now);
            self.take_outcome(&mut batch, outcome, now);
        }
        if tells {
            batch.durable = true;
            let (inbox, below) = (self.inbox.clone(), self.alerting.queue.next_number());
            self.recorder.record_then(batch, move || {
                let _ = inbox.blocking_send(Message::NotificationsDurable(below));
            });
        } else if !batch.documents.is_empty() || !batch.events.is_empty() {
            self.recorder.record(batch);
        }
    }

    /// What fires is a finding at once.
    fn post_alert_findings(&mut self, batch: &mut Batch, now: &Moment) {
        let mut findings = self.alerting.engine.findings();
        for finding in &mut findings {
            finding.title = self.clean(&finding.title);
        }
        let source = Arc::clone(&self.alerting.source);
        for change in self.board.post_host(&source, findings) {
            let is_over = change.kind == FindingChangeKind::Resolved;
            batch.findings.push(StoredFinding {
                collector: change.collector.to_string(),
                opened_at: change.finding.first_seen.unwrap_or(now.wall),
                resolved_at: is_over.then_some(now.wall),
                by_hand: None,
                finding: change.finding,
            });
        }
    }

    fn event_of(&self, transition: &Transition, now: &Moment) -> Option<Event> {
        let Transition { kind, alert } = transition;
        let (severity, what) = match (kind, alert.severity) {
            (TransitionKind::Pending, _) => return None,
            (TransitionKind::Resolved, _) => (EventSeverity::Info, "is over"),
            (TransitionKind::Fired, AlertSeverity::Info | AlertSeverity::Low) => (EventSeverity::Info, "fires"),
            (TransitionKind::Fired, AlertSeverity::Medium) => (EventSeverity::Warning, "fires"),
            (TransitionKind::Fired, AlertSeverity::High) => (EventSeverity::Error, "fires"),
            (TransitionKind::Fired, AlertSeverity::Critical) => (EventSeverity::Critical, "fires"),
        };
        let why = alert.resolution.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let message = format!("alert {} {what}: {}{why}", alert.id, alert.summary);
        let data = json!({
            "alert": alert.id, "rule": alert.rule, "state": alert.state, "severity": alert.severity, "value": alert.value,
            "threshold": alert.threshold, "labels": alert.labels, "since": alert.since, "fired_at": alert.fired_at,
        });
        Some(self.make_event(EventKind::Alert, severity, message, data, now.wall))
    }

    /// Sends what is due.
    pub(super) fn send_notifications(&mut self, now: &Moment) {
        let Alerting { engine, queue, .. } = &mut self.alerting;
        let engine: &Engine = engine;
        let firing = |receiver: &str| told_and_firing(engine, receiver).collect();
        for dispatch in queue.due(firing, now) {
            self.send(dispatch, now);
        }
    }

    fn send(&mut self, dispatch: Dispatch, now: &Moment) {
        let attempt = dispatch.attempt;
        let failed = |receiver: &str, error: String| Sent {
            receiver: receiver.to_owned(),
            attempt,
            result: Err((error, false)),
        };
        let Some(receiver) = self.alerting.receivers.get(&dispatch.receiver).cloned() else {
            return self.sent(failed(&dispatch.receiver, "there is no such receiver any more".to_owned()), now);
        };
        let firing = match receiver.kind {
            Kind::Alertmanager { .. } => told_and_firing(&self.alerting.engine, &receiver.name)
                .map(|alert| self.clean_alert(alert.clone()))
                .collect(),
            _ => Vec::new(),
        };
        let host = self.machinery.facts.hostname().to_owned();
        let job = Job { receiver: Arc::clone(&receiver), dispatch, firing, host, now: now.wall };
        if receiver.kind == Kind::Log {
            alerts::write_to_log(&job);
            return self.sent(Sent { receiver: receiver.name.clone(), attempt, result: Ok(()) }, now);
        }
        if self.alerting.courier.is_none() {
            match Courier::start(report_to(self.inbox.clone())) {
                Ok(courier) => self.alerting.courier = Some(courier),
                Err(error) => {
                    return self.sent(failed(&receiver.name, format!("cannot start a thread: {error}")), now);
                }
            }
        }
        let Some(courier) = &self.alerting.courier else { return };
        self.alerting.sending.insert(attempt);
        if let Err(sent) = courier.send(job) {
            self.sent(sent, now);
        }
    }

    /// A sending ended.
    pub(super) fn sent(&mut self, sent: Sent, now: &Moment) {
        self.alerting.sending.remove(&sent.attempt);
        if sent.attempt >= FIRST_TEST {
            return self.tested(sent);
        }
        let result = sent.result.map_err(|(error, refused)| (self.clean(&error), refused));
        let outcome = self.alerting.queue.finished(&sent.receiver, sent.attempt, result, now);
        let mut batch = Batch::default();
        if let Some(error) = &outcome.began_to_fail {
            tracing::warn!(receiver = sent.receiver, error, "A receiver of alerts cannot be told; it is tried again.");
            let message = format!("receiver {} cannot be told of alerts: {error}", sent.receiver);
            let data = json!({"receiver": sent.receiver});
            batch.events.push(self.make_event(EventKind::Alert, EventSeverity::Warning, message, data, now.wall));
        }
        if outcome.recovered {
            tracing::info!(receiver = sent.receiver, "A receiver of alerts can be told again.");
            let message = format!("receiver {} can be told of alerts again", sent.receiver);
            let data = json!({"receiver": sent.receiver});
            batch.events.push(self.make_event(EventKind::Alert, EventSeverity::Info, message, data, now.wall));
        }
        self.take_outcome(&mut batch, outcome, now);
        self.recorder.record(batch);
        self.note_receivers();
    }

    fn take_outcome(&self, batch: &mut Batch, outcome: Outcome, now: &Moment) {
        batch.documents.extend(outcome.rows.into_iter().map(|row| {
            let Row { namespace, key, document } = row;
            document_of(namespace, key, document, now)
        }));
        for (one, why) in outcome.given_up {
            tracing::error!(receiver = one.receiver, alert = one.alert.id, why, "A notification was given up.");
            let message = format!("a notification of alert {} for {} was given up: {why}", one.alert.id, one.receiver);
            let data = json!({"receiver": one.receiver, "alert": one.alert.id, "notification": one.id});
            batch.events.push(self.make_event(EventKind::Alert, EventSeverity::Error, message, data, now.wall));
        }
    }

    /// Receivers that fail are a condition.
    fn note_receivers(&self) {
        let failing: Vec<String> = self
            .alerting
            .queue
            .healths()
            .iter()
            .filter(|one| one.failures_in_a_row > 0)
            .map(|one| {
                let error = one.last_error.as_deref().unwrap_or_default();
                format!("receiver {} cannot be told of alerts, {} wait: {error}", one.name, one.queued)
            })
            .collect();
        if failing.is_empty() {
            self.recorder.conditions.end("receivers");
        } else {
            self.recorder.conditions.begin("receivers", failing.join("; "));
        }
    }

    /// What stored rows say is not wanted any more when alerts were set up.
    pub(super) fn record_outcome(&self, outcome: Outcome, now: &Moment) {
        let mut batch = Batch::default();
        self.take_outcome(&mut batch, outcome, now);
        if !batch.documents.is_empty() {
            self.recorder.record(batch);
        }
        self.note_receivers();
    }

    /// Other rules and receivers from now on.
    pub(super) fn reconfigure_alerts(&mut self, now: &Moment) {
        let config = &self.machinery.config;
        self.alerting.engine.set_rules(wiring::alert_rules(config));
        self.alerting.engine.set_longest_gap(config.heartbeat.every * 3);
        // The ends of alerts whose rules are gone are told before their receivers are.
        let (lanes, receivers, group_wait) =
            (wiring::lanes(config), wiring::receivers(config), config.alerts.group_wait);
        self.alerting.receivers = receivers;
        let outcome = self.alerting.queue.reconfigure(lanes, group_wait, now);
        self.record_outcome(outcome, now);
        self.look_at_alerts(now);
    }

    /// Somebody wants a silence.
    pub(super) fn silence(
        &mut self,
        matchers: &[String],
        seconds: u64,
        by: &str,
        why: Option<String>,
        client: Asker,
        now: &Moment,
    ) {
        let answer = Later::new(client);
        let lasts = Duration::from_secs(seconds);
        let made = alerts::parse_matchers(matchers).and_then(|matchers| {
            if lasts.is_zero() || lasts > MAX_SILENCE {
                return Err(format!("a silence lasts from 1 second to {} days", MAX_SILENCE.as_secs() / 86_400));
            }
            let (by, why) = (self.clean(by), why.map(|why| self.clean(&why)));
            let silence = alerts::silence(matchers, lasts, by, why, now);
            self.alerting.engine.silence(silence.clone())?;
            Ok(silence)
        });
        let silence = match made {
            Ok(silence) => silence,
            Err(error) => return answer.give(Err(error)),
        };
        let document = serde_json::to_value(&silence).unwrap_or_default();
        let (message, data) = alerts::silence_told(&silence);
        let event = self.make_event(EventKind::Alert, EventSeverity::Info, message, data.clone(), now.wall);
        let batch = Batch {
            durable: true,
            documents: vec![document_of(SILENCES, silence.id.clone(), document, now)],
            events: vec![event],
            ..Batch::default()
        };
        self.recorder.audit("silence", data);
        self.recorder.record_then(batch, move || answer.give(Ok(Answer::Silenced(Box::new(silence)))));
        self.look_at_alerts(now);
    }

    /// Somebody ends a silence.
    pub(super) fn unsilence(&mut self, id: &str, by: &str, client: Asker, now: &Moment) {
        let answer = Later::new(client);
        let Some(silence) = self.alerting.engine.unsilence(id) else {
            return answer.give(Err(format!("there is no silence `{}`", self.clean(id))));
        };
        let by = self.clean(by);
        let data = json!({"silence": silence.id, "by": by});
        let message = format!("silence {} was ended by {by}", silence.id);
        let event = self.make_event(EventKind::Alert, EventSeverity::Info, message.clone(), data.clone(), now.wall);
        let batch = Batch {
            durable: true,
            documents: vec![document_of(SILENCES, silence.id, Json::Null, now)],
            events: vec![event],
            ..Batch::default()
        };
        self.recorder.audit("unsilence", data);
        self.recorder.record_then(batch, move || answer.give(Ok(Answer::Done { message })));
        self.look_at_alerts(now);
    }

    /// Somebody wants to see whether receivers work. Tests are not queued: the answer says at once what became of them.
    pub(super) fn test_receivers(&mut self, wanted: Option<&str>, client: Asker, now: &Moment) {
        let names: Vec<String> = match wanted {
            Some(name) if !self.alerting.receivers.contains_key(name) => {
                let error = format!("there is no receiver `{}`", self.clean(name));
                return Later::new(client).give(Err(error));
            }
            Some(name) => vec![name.to_owned()],
            None => self.alerting.receivers.keys().cloned().collect(),
        };
        if names.is_empty() {
            return Later::new(client).give(Ok(Answer::AlertTests { results: Vec::new() }));
        }
        if self.alerting.tests.len() >= MAX_TESTS {
            return Later::new(client).give(Err(format!("{MAX_TESTS} tests are under way already")));
        }
        let attempts: Vec<u64> = (self.alerting.next_test..).take(names.len()).collect();
        self.alerting.next_test += names.len() as u64;
        self.alerting.tests.push(Test { client, left: attempts.iter().copied().collect(), results: Vec::new() });
        for (attempt, receiver) in attempts.into_iter().zip(names) {
            let dispatch = alerts::test_dispatch(&receiver, attempt, now);
            self.send(dispatch, now);
        }
    }

    fn tested(&mut self, sent: Sent) {
        let kind = self.alerting.receivers.get(&sent.receiver).map_or("", |one| one.kind.as_str()).to_owned();
        let error = sent.result.err().map(|(error, _)| self.clean(&error));
        let Some(place) = self.alerting.tests.iter().position(|test| test.left.contains(&sent.attempt)) else {
            return;
        };
        let test = &mut self.alerting.tests[place];
        test.left.remove(&sent.attempt);
        test.results.push(AlertTest { receiver: sent.receiver, kind, error });
        if test.left.is_empty() {
            let Test { client, mut results, .. } = self.alerting.tests.remove(place);
            results.sort_by(|a, b| a.receiver.cmp(&b.receiver));
            client.answer(Answer::AlertTests { results });
        }
    }

    /// What is pending is stored with its progress when ghostd ends.
    pub(super) fn record_alerts(&self, now: &Moment) {
        let live = self.alerting.engine.alerts().filter(|alert| alert.state != AlertState::Resolved);
        let documents: Vec<Document> = live
            .map(|alert| {
                let alert = self.clean_alert(alert.clone());
                document_of(ALERTS, alert.id.clone(), serde_json::to_value(&alert).unwrap_or_default(), now)
            })
            .collect();
        if !documents.is_empty() {
            self.recorder.record(Batch { documents, ..Batch::default() });
        }
    }

    /// An alert without secrets. One that is no alert any more without them is told without what it says of itself.
    fn clean_alert(&self, alert: Alert) -> Alert {
        let mut tree = serde_json::to_value(&alert).unwrap_or_default();
        self.machinery.sanitizer.json(&mut tree, &mut crate::sanitize::Report::default());
        serde_json::from_value(tree).unwrap_or_else(|error| {
            tracing::error!(alert = alert.id, %error, "An alert cannot be cleaned; its words are left out.");
            let summary = self.clean(&alert.rule);
            Alert { labels: BTreeMap::new(), summary, value: None, threshold: None, ..alert }
        })
    }
}

fn told_and_firing<'e>(engine: &'e Engine, receiver: &str) -> impl Iterator<Item = &'e Alert> + use<'e> {
    let receiver = receiver.to_owned();
    engine.alerts().filter(move |alert| alert.state == AlertState::Firing && alert.told.contains_key(&receiver))
}

fn report_to(inbox: mpsc::Sender<Message>) -> impl Fn(Sent) + Send + Sync + 'static {
    move |sent| {
        // Called inside a runtime, where blocking is not allowed. There is one for each receiver at most; one that
        // finds no room is taken for lost by the queue and sent again.
        if inbox.try_send(Message::Sent(sent)).is_err() {
            tracing::error!("The main loop does not keep up with receivers of alerts.");
        }
    }
}

fn document_of(namespace: &str, key: String, document: Json, now: &Moment) -> Document {
    Document { namespace: namespace.to_owned(), key, at: now.wall, document }
}

/// What counts as data: a section whose collector has answered since ghostd started and has not failed since.
fn facts<'a>(
    board: &'a Board,
    beat: Option<&'a Heartbeat>,
    collectors: &[&'a str],
    started: &Moment,
    beat_gap: Duration,
    now: &Moment,
) -> Facts<'a> {
    let is_data = |place: &&'a Place| {
        let collected = &place.posted.collected;
        place.failed.is_none()
            && collected.boot_id == now.boot_id
            && collected.boottime_ns >= started.boottime_ns
            && now.since(collected) <= place.posted.carry.max(FRESH_FOR)
    };
    let of_collectors = board.places().values().filter(is_data).map(|place| {
        let section = place.posted.section.get();
        SectionFacts { collector: &place.posted.collector, metrics: &section.metrics, findings: &section.findings }
    });
    // What the host itself finds is never missing; its alerts are no reason for alerts.
    let of_host = board
        .of_host()
        .filter(|(source, _)| &***source != ALERTS_COLLECTOR)
        .map(|(source, findings)| SectionFacts { collector: source, metrics: &[], findings });
    let own = board.own().map(|finding| SectionFacts {
        collector: GHOSTD,
        metrics: &[],
        findings: std::slice::from_ref(finding),
    });
    let sections: Vec<SectionFacts<'a>> = of_collectors.chain(of_host).chain(own).collect();
    let answers = |name: &&str| sections.iter().any(|section| section.collector == *name);
    let silent = collectors.iter().filter(|name| !answers(name)).copied().collect();
    let beat = beat.filter(|beat| {
        *beat.boot_id == *now.boot_id
            && Duration::from_nanos(now.boottime_ns.saturating_sub(beat.boottime_ns)) <= beat_gap.max(FRESH_FOR)
    });
    Facts { beat, sections, silent, settling: false }
}
