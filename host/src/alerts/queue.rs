//! What is to be sent, to whom, and when it is tried again.
//!
//! Each receiver has a line of its own, in order, with one sending under way at a time: one that is dead never delays
//! another. A notification is sent only after it is durable ([`Queue::committed`]); where the disk does not take it
//! within [`COMMIT_PATIENCE`] it is sent all the same, because the alert that the disk is full must not wait for the
//! disk. It leaves the queue when the receiver has taken it, so every notification arrives at least once, and once in
//! the ordinary case: the same one twice only where ghostd died between the receiver's answer and its own note of it.
//!
//! Notifications of one group that wait at the same time are sent together; two of the same alert never are, so that
//! a receiver that was away hears of the beginning and of the end.
//!
//! Owns: order, retries, limits. Pure: the time is given, rows to be stored are handed out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value as Json;

use super::payload::{Notification, Telling, TellingKind, key};
use crate::model::{Alert, Digest, Moment, RECEIVERS, ReceiverHealth};

/// The namespace of what is to be sent among the store's documents; the key is the number, twenty digits.
pub const OUTBOX: &str = "alert_outbox";

/// Notifications in one sending.
const MAX_TOGETHER: usize = 50;

/// The first and the longest wait after a failure. It doubles in between, and up to a quarter more spreads senders
/// that failed together.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// Tries of what the receiver understands and refuses (HTTP 400, an unknown mailbox). More would hold up the line.
const REFUSED_TRIES: u64 = 5;

/// How long the disk is waited for.
const COMMIT_PATIENCE: Duration = Duration::from_secs(10);

/// A sending of which nothing is heard for so long is tried again.
const LOST_AFTER: Duration = Duration::from_secs(180);

/// The longest error that is kept, in characters.
const MAX_ERROR_CHARACTERS: usize = 500;

/// A receiver as the queue needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Its kind, for people.
    pub kind: &'static str,
    /// Notifications that may wait. Beyond it the oldest are given up.
    pub max_queued: usize,
    /// How old one may become before it is given up.
    pub give_up_after: Duration,
    /// Whether it is told of the end.
    pub send_resolved: bool,
    /// How often what fires is sent again by itself, where the receiver forgets it otherwise (Alertmanager).
    pub resend_every: Option<Duration>,
}

/// A document to be stored, or removed where it is null.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which kind.
    pub namespace: &'static str,
    /// Which of its kind.
    pub key: String,
    /// What it says.
    pub document: Json,
}

/// A sending that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// Whom it is for.
    pub receiver: String,
    /// What it tells; empty for a refresh.
    pub notifications: Vec<Notification>,
    /// For a refresh: that nothing is told that was not told before.
    pub is_refresh: bool,
    /// Names this attempt, for [`Queue::finished`].
    pub attempt: u64,
}

/// What an attempt to send changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What is to be stored.
    pub rows: Vec<Row>,
    /// What was given up, with why.
    pub given_up: Vec<(Notification, String)>,
    /// The receiver fails, and did not before: why.
    pub began_to_fail: Option<String>,
    /// The receiver works again.
    pub recovered: bool,
}

#[derive(Debug)]
struct Line {
    lane: Lane,
    waiting: VecDeque<Notification>,
    health: ReceiverHealth,
    sending: Option<Sending>,
    next_try_ns: u64,
    tries_of_head: u64,
    next_refresh_ns: u64,
}

#[derive(Debug)]
struct Sending {
    numbers: Vec<u64>,
    attempt: u64,
    since_ns: u64,
}

/// All lines.
#[derive(Debug, Default)]
pub struct Queue {
    lines: BTreeMap<String, Line>,
    group_wait: Duration,
    next_number: u64,
    next_attempt: u64,
    uncommitted: BTreeSet<u64>,
}

impl Queue {
    /// Goes on from what was stored; the rows say what is not needed any more.
    pub fn new(
        lanes: Vec<Lane>,
        group_wait: Duration,
        waiting: Vec<Notification>,
        healths: Vec<ReceiverHealth>,
        now: &Moment,
    ) -> (Self, Outcome) {
        let mut queue = Self { group_wait, ..Self::default() };
        for health in healths {
            let lane = Lane {
                name: health.name.clone(),
                kind: "",
                max_queued: usize::MAX,
                give_up_after: Duration::MAX,
                send_resolved: true,
                resend_every: None,
            };
            queue.lines.insert(health.name.clone(), Line { health, ..Line::new(lane, now) });
        }
        let mut waiting = waiting;
        waiting.sort_by_key(|one| one.number);
        let mut lost = Outcome::default();
        for one in waiting {
            queue.next_number = queue.next_number.max(one.number + 1);
            match queue.lines.get_mut(&one.receiver) {
                Some(line) => line.waiting.push_back(one),
                None if lanes.iter().any(|lane| lane.name == one.receiver) => {
                    let lane = Lane {
                        name: one.receiver.clone(),
                        kind: "",
                        max_queued: usize::MAX,
                        give_up_after: Duration::MAX,
                        send_resolved: true,
                        resend_every: None,
                    };
                    let mut line = Line::new(lane, now);
                    line.waiting.push_back(one.clone());
                    queue.lines.insert(one.receiver, line);
                }
                None => lost.give_up(one, "its receiver is not in the configuration any more"),
            }
        }
        let more = queue.reconfigure(lanes, group_wait, now);
        lost.rows.extend(more.rows);
        lost.given_up.extend(more.given_up);
        (queue, lost)
    }

    /// Other receivers from now on.
    pub fn reconfigure(&mut self, lanes: Vec<Lane>, group_wait: Duration, now: &Moment) -> Outcome {
        self.group_wait = group_wait;
        let mut outcome = Outcome::default();
        let gone: Vec<String> =
            self.lines.keys().filter(|name| lanes.iter().all(|lane| lane.name != **name)).cloned().collect();
        for name in gone {
            let Some(line) = self.lines.remove(&name) else { continue };
            for one in line.waiting {
                self.uncommitted.remove(&one.number);
                outcome.give_up(one, "its receiver is not in the configuration any more");
            }
            outcome.rows.push(Row { namespace: RECEIVERS, key: name, document: Json::Null });
        }
        for lane in lanes {
            let line = self.lines.entry(lane.name.clone()).or_insert_with(|| Line::new(lane.clone(), now));
            // Whoever changes a receiver wants to see whether it works now.
            if line.lane != lane {
                line.next_try_ns = now.boottime_ns;
                line.tries_of_head = 0;
            }
            line.health.kind = lane.kind.to_owned();
            line.health.queued = line.waiting.len() as u64;
            line.lane = lane;
            outcome.rows.push(line.health_row());
        }
        outcome
    }

    /// Puts something into a line. It is sent once it is [`Queue::committed`]. What is put in for nobody is passed over.
    pub fn push(&mut self, telling: Telling, now: &Moment) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(line) = self.lines.get_mut(&telling.receiver) else { return outcome };
        if telling.kind == TellingKind::Resolved && !line.lane.send_resolved {
            return outcome;
        }
        // What waits says it already.
        let waits = |one: &Notification| one.alert.id == telling.alert.id;
        if telling.kind == TellingKind::Repeated && line.waiting.iter().any(waits) {
            return outcome;
        }
        let number = self.next_number;
        self.next_number += 1;
        let notification = Notification::new(number, telling, now);
        outcome.rows.push(Row {
            namespace: OUTBOX,
            key: row_key(number),
            document: serde_json::to_value(&notification).unwrap_or_default(),
        });
        self.uncommitted.insert(number);
        line.waiting.push_back(notification);
        let sending: Vec<u64> = line.sending.iter().flat_map(|sending| sending.numbers.clone()).collect();
        while line.waiting.len() > line.lane.max_queued {
            let Some(oldest) = line.waiting.iter().position(|one| !sending.contains(&one.number)) else { break };
            let Some(one) = line.waiting.remove(oldest) else { break };
            self.uncommitted.remove(&one.number);
            line.health.dropped += 1;
            outcome.give_up(one, "too many wait for its receiver");
        }
        line.health.queued = line.waiting.len() as u64;
        outcome.rows.push(line.health_row());
        outcome
    }

    /// The number that the next notification will have: what is below it is durable with the batch that holds it.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Everything below this number is durable.
    pub fn committed(&mut self, below: u64) {
        self.uncommitted = self.uncommitted.split_off(&below);
    }

    /// What is to be sent now.
    pub fn due<'a>(&mut self, firing: impl Fn(&str) -> Vec<&'a Alert>, now: &Moment) -> Vec<Dispatch> {
        let mut due = Vec::new();
        for line in self.lines.values_mut() {
            if line.sending.as_ref().is_some_and(|one| now.boottime_ns.saturating_sub(one.since_ns) < ns(LOST_AFTER)) {
                continue;
            }
            line.sending = None;
            if now.boottime_ns < line.next_try_ns {
                continue;
            }
            let ready = line.ready(&self.uncommitted, self.group_wait, now);
            let is_refresh = ready.is_empty();
            if is_refresh {
                // Never past what waits: the receiver would hear of the end after it.
                let wants = line.lane.resend_every.filter(|_| line.waiting.is_empty());
                let Some(every) = wants.filter(|_| now.boottime_ns >= line.next_refresh_ns) else { continue };
                if firing(&line.lane.name).is_empty() {
                    line.next_refresh_ns = now.boottime_ns.saturating_add(ns(every));
                    continue;
                }
            }
            line.next_refresh_ns = now.boottime_ns.saturating_add(ns(line.lane.resend_every.unwrap_or(Duration::MAX)));
            self.next_attempt += 1;
            line.sending = Some(Sending {
                numbers: ready.iter().map(|one| one.number).collect(),
                attempt: self.next_attempt,
                since_ns: now.boottime_ns,
            });
            due.push(Dispatch {
                receiver: line.lane.name.clone(),
                notifications: ready,
                is_refresh,
                attempt: self.next_attempt,
            });
        }
        due
    }

    /// When something is due next, by BOOTTIME.
    pub fn next_due_ns(&self) -> Option<u64> {
        let of = |line: &Line| match &line.sending {
            Some(sending) => Some(sending.since_ns.saturating_add(ns(LOST_AFTER))),
            None => {
                let head = line.waiting.front().map(|head| {
                    let patience =
                        if self.uncommitted.contains(&head.number) { COMMIT_PATIENCE } else { self.group_wait };
                    line.next_try_ns.max(head.boottime_ns.saturating_add(ns(patience)))
                });
                let refresh = line.lane.resend_every.map(|_| line.next_try_ns.max(line.next_refresh_ns));
                head.or(refresh)
            }
        };
        self.lines.values().filter_map(of).min()
    }

    /// An attempt ended. `refused` says that the receiver understood it and will never take it.
    pub fn finished(
        &mut self,
        receiver: &str,
        attempt: u64,
        result: Result<(), (String, bool)>,
        now: &Moment,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(line) = self.lines.get_mut(receiver) else { return outcome };
        let Some(sending) = line.sending.take_if(|sending| sending.attempt == attempt) else { return outcome };
        let failed_before = line.health.failures_in_a_row > 0;
        match result {
            Ok(()) => {
                line.tries_of_head = 0;
                line.next_try_ns = now.boottime_ns;
                line.health.delivered += sending.numbers.len() as u64;
                line.health.failures_in_a_row = 0;
                line.health.last_error = None;
                line.health.last_success = Some(now.wall);
                outcome.recovered = failed_before;
                for number in sending.numbers {
                    line.waiting.retain(|one| one.number != number);
                    self.uncommitted.remove(&number);
                    outcome.rows.push(Row { namespace: OUTBOX, key: row_key(number), document: Json::Null });
                }
            }
            Err((error, refused)) => {
                let error: String = error.chars().take(MAX_ERROR_CHARACTERS).collect();
                line.tries_of_head += 1;
                line.health.failures += 1;
                line.health.failures_in_a_row += 1;
                line.health.last_failure = Some(now.wall);
                outcome.began_to_fail = (!failed_before).then(|| error.clone());
                let wait = backoff(line.health.failures_in_a_row, &format!("{receiver} {attempt}"));
                line.next_try_ns = now.boottime_ns.saturating_add(ns(wait));
                let give_up_after = line.lane.give_up_after;
                let mut given_up = Vec::new();
                line.waiting.retain(|one| {
                    let old = now.since(&one.moment()) >= give_up_after;
                    let hopeless =
                        refused && line.tries_of_head >= REFUSED_TRIES && sending.numbers.contains(&one.number);
                    if old || hopeless {
                        let why = if hopeless { "its receiver refuses it" } else { "it is too old" };
                        given_up.push((one.clone(), format!("{why}: {error}")));
                    }
                    !(old || hopeless)
                });
                if !given_up.is_empty() {
                    line.tries_of_head = 0;
                }
                for (one, why) in given_up {
                    self.uncommitted.remove(&one.number);
                    line.health.dropped += 1;
                    outcome.give_up(one, &why);
                }
                line.health.last_error = Some(error);
            }
        }
        line.health.queued = line.waiting.len() as u64;
        outcome.rows.push(line.health_row());
        outcome
    }

    /// How the receivers do, by name.
    pub fn healths(&self) -> Vec<ReceiverHealth> {
        self.lines.values().map(|line| line.health.clone()).collect()
    }
}

impl Line {
    fn new(lane: Lane, now: &Moment) -> Self {
        let health = ReceiverHealth { name: lane.name.clone(), kind: lane.kind.to_owned(), ..Default::default() };
        Self {
            lane,
            waiting: VecDeque::new(),
            health,
            sending: None,
            next_try_ns: now.boottime_ns,
            tries_of_head: 0,
            next_refresh_ns: now.boottime_ns,
        }
    }

    /// The head of the line, with what goes with it.
    fn ready(&self, uncommitted: &BTreeSet<u64>, group_wait: Duration, now: &Moment) -> Vec<Notification> {
        let is_ready = |one: &Notification| {
            let age = now.since(&one.moment());
            !uncommitted.contains(&one.number) || age >= COMMIT_PATIENCE
        };
        let Some(head) = self.waiting.front().filter(|head| is_ready(head)) else { return Vec::new() };
        // What was stored before a boot has waited long enough, whatever the clock says.
        let waited = head.boot_id != *now.boot_id || now.since(&head.moment()) >= group_wait;
        if !waited {
            return Vec::new();
        }
        let mut together: Vec<Notification> = vec![head.clone()];
        for one in self.waiting.iter().skip(1) {
            let is_other = together.iter().all(|sent| sent.alert.id != one.alert.id);
            if together.len() == MAX_TOGETHER {
                break;
            }
            if one.group == head.group {
                // Nothing of this group may overtake it.
                if !is_other || !is_ready(one) {
                    break;
                }
                together.push(one.clone());
            }
        }
        together
    }

    fn health_row(&self) -> Row {
        let document = serde_json::to_value(&self.health).unwrap_or_default();
        Row { namespace: RECEIVERS, key: self.lane.name.clone(), document }
    }
}

impl Outcome {
    fn give_up(&mut self, one: Notification, why: &str) {
        self.rows.push(Row { namespace: OUTBOX, key: row_key(one.number), document: Json::Null });
        self.given_up.push((one, why.to_owned()));
    }
}

impl Dispatch {
    /// The same for the same notifications, whatever the attempt.
    pub fn key(&self) -> String {
        key(&self.notifications)
    }
}

fn row_key(number: u64) -> String {
    format!("{number:020}")
}

/// How long a receiver is left alone after so many failures. The spread comes from `seed`, so that it is the same in
/// a test.
fn backoff(failures: u64, seed: &str) -> Duration {
    let times = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let wait = BACKOFF.0.saturating_mul(1 << times).min(BACKOFF.1);
    let spread = f64::from(Digest::of(seed.as_bytes()).as_bytes()[0]) / 255.0;
    wait.mul_f64(1.0 + spread / 4.0)
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
