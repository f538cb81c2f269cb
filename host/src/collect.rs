//! The collectors that are configured: which of them is due, which one is running, and how each is doing.
//!
//! Owns: due sections, one call at a time per collector, backoff and quarantine, the collectors' state between
//! calls, their health. Pure but for [`Call::run`]: the time is given, and what is to be done is returned.
//!
//! Must not know: the store, snapshots, the configuration's file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::board::Posted;
use crate::chain::chain;
use crate::clean::{self, CleanSection};
use crate::model::{Attributes, CallOutcome, CollectorHealth, Digest, Finding, Moment, Severity, Wall};
use crate::plugins::bindings::ghost::collector::types as wit;
use crate::plugins::call::{CallAccount, CallContext, CallFailure};
use crate::plugins::load::Loaded;
use crate::plugins::run::{Collected, Runner};
use crate::plugins::stdio::LogLine;
use crate::sanitize::{Report, Sanitizer};
use crate::schedule::{QUARANTINE_AFTER, Schedule, hold_off};

/// Durations of calls that the percentiles are made of.
const DURATIONS: usize = 128;

/// Log lines that are kept per collector, for `ghostd collector logs`.
const LOG_LINES: usize = 256;

/// How often a section is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// At an interval of its own.
    Interval(Duration),
    /// With each snapshot.
    Snapshot,
    /// With each heartbeat.
    Heartbeat,
}

/// What one collector is to do.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// How often, for sections without a schedule of their own.
    pub every: Every,
    /// Sections with one.
    pub sections: BTreeMap<String, Every>,
    /// For how many intervals a good section is carried after a failure.
    pub carry_intervals: u32,
}

/// The intervals behind [`Every::Snapshot`] and [`Every::Heartbeat`].
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Between snapshots.
    pub snapshot: Duration,
    /// Between heartbeats.
    pub heartbeat: Duration,
}

impl Intervals {
    fn of(self, every: Every) -> Duration {
        match every {
            Every::Interval(interval) => interval,
            Every::Snapshot => self.snapshot,
            Every::Heartbeat => self.heartbeat,
        }
    }
}

/// What is known of a collector from before ghostd started.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// Its state.
    pub state: BTreeMap<String, String>,
    /// Its health when it was last stored.
    pub health: Option<CollectorHealth>,
    /// How many sections of each key there were.
    pub generations: BTreeMap<String, u64>,
    /// SHA-256 of the configuration that its failures were counted with.
    pub config_sha256: Option<Digest>,
}

struct Supervised {
    spec: Spec,
    loaded: Result<Arc<Loaded>, String>,
    timers: BTreeMap<String, (Every, Option<Schedule>)>,
    due: BTreeSet<String>,
    running: Option<Running>,
    reason: &'static str,
    hold_until_ns: u64,
    attempt: u32,
    state: BTreeMap<String, String>,
    generations: BTreeMap<String, u64>,
    durations_ms: VecDeque<f64>,
    log: VecDeque<(Wall, LogLine)>,
    health: CollectorHealth,
    calls: u64,
}

struct Running {
    number: u64,
    due: Vec<String>,
    started: Moment,
}

/// One call that is to be made.
pub struct Call {
    /// The collector.
    pub collector: Arc<str>,
    /// Tells this call from others of the same collector.
    pub number: u64,
    loaded: Arc<Loaded>,
    invocation: wit::Invocation,
    state: BTreeMap<String, String>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Outcome {
    /// Its sections without secrets, or why there are none.
    pub result: Result<Vec<CleanSection>, CallFailure>,
    /// What it used and left behind; its log is clean.
    pub account: CallAccount,
}

impl From<CallFailure> for Outcome {
    fn from(failure: CallFailure) -> Self {
        Self { result: Err(failure), account: CallAccount::default() }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("collector", &self.collector).finish_non_exhaustive()
    }
}

impl Call {
    /// Makes the call. `None` when ghostd is ending.
    pub async fn run(self, runner: &Runner, context: Arc<CallContext>, sanitizer: Arc<Sanitizer>) -> Option<Outcome> {
        let then = move |collected: Collected| sanitized(&sanitizer, collected);
        runner.collect(context, self.loaded, self.invocation, self.state, then).await
    }
}

/// Removes the secrets of all that a call brought: sections, error, log and state.
fn sanitized(sanitizer: &Sanitizer, collected: Collected) -> Outcome {
    let Collected { result, mut account } = collected;
    let text = |text: &str| sanitizer.text(text, &mut Report::default()).into_owned();
    for line in &mut account.log {
        line.text = text(&line.text);
    }
    for value in account.state.iter_mut().flat_map(BTreeMap::values_mut) {
        // It was held against JSON when it was set.
        if let Ok(mut tree) = serde_json::from_str(value) {
            sanitizer.json(&mut tree, &mut Report::default());
            *value = tree.to_string();
        }
    }
    let result = match result {
        Ok(sections) => sections
            .into_iter()
            .map(|section| clean::clean_section(sanitizer, section))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CallFailure::Invalid(text(&chain(&error)))),
        Err(failure) => Err(match failure {
            CallFailure::Failed(words) => CallFailure::Failed(text(&words)),
            CallFailure::Trapped(words) => CallFailure::Trapped(text(&words)),
            CallFailure::Invalid(words) | CallFailure::Misfit(words) => CallFailure::Invalid(text(&words)),
            limit @ (CallFailure::TimedOut(_) | CallFailure::Limit(_)) => limit,
        }),
    };
    Outcome { result, account }
}

/// A collector in trouble as a finding: one that is refused or in quarantine records nothing until somebody looks at
/// it. Of one whose last call was good it is said that this is over; of others nothing can be said.
pub fn health_finding(health: &CollectorHealth, now: Wall) -> Option<Finding> {
    let what = match health.status {
        CallOutcome::Refused => Some("is refused"),
        CallOutcome::Quarantined => Some("is in quarantine"),
        CallOutcome::Ok => None,
        _ => return None,
    };
    let why = health.error.as_deref().unwrap_or("no reason is known");
    Some(Finding {
        fingerprint: format!("ghostd:collector:{}", health.name),
        severity: Severity::Medium,
        title: match what {
            Some(what) => format!("collector {} {what}: {}", health.name, why.chars().take(400).collect::<String>()),
            None => format!("collector {} works again", health.name),
        },
        detail: what.map(|_| {
            format!(
                "`ghostd collector list` shows how it is doing, `ghostd collector logs {0}` what it said; a new file, a \
                 changed configuration or `ghostd collector resume {0}` has it tried again at once.",
                health.name
            )
        }),
        source: None,
        count: u64::from(health.consecutive_failures.max(1)),
        first_seen: None,
        last_seen: Some(now),
        resolved: what.is_none(),
        attributes: Attributes::new(),
    })
}

/// What a finished call means for everybody else.
#[derive(Debug)]
pub struct Finished {
    /// The collector.
    pub collector: Arc<str>,
    /// Its sections, or why there are none.
    pub result: Result<Vec<Posted>, String>,
    /// Its state where it changed.
    pub state: Option<BTreeMap<String, String>>,
    /// SHA-256 of the configuration that it was called with.
    pub config_sha256: Option<Digest>,
    /// Whether this call put it into quarantine.
    pub quarantined: bool,
    /// Whether it works again after failures.
    pub recovered: bool,
    /// How it is doing now.
    pub health: CollectorHealth,
    /// The sections that it was asked for.
    pub due: Vec<String>,
}

/// All collectors.
#[derive(Default)]
pub struct Collectors {
    list: Vec<Supervised>,
}

impl std::fmt::Debug for Collectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list.iter().map(|one| &one.spec.name)).finish()
    }
}

impl Collectors {
    /// Adds a collector, or puts a new version in the place of an older one of the same name: what it was asked for
    /// is due at once. `loaded` says why where it is refused.
    pub fn set(
        &mut self,
        spec: Spec,
        loaded: Result<Arc<Loaded>, String>,
        remembered: Remembered,
        intervals: Intervals,
        now: &Moment,
    ) {
        let mut one = Supervised::new(spec, loaded, remembered, now);
        one.set_timers(intervals, now);
        match self.list.iter_mut().find(|other| other.spec.name == one.spec.name) {
            Some(place) => {
                // The state is the name's, not the version's. A call of the older version that is still running is
                // for nobody: `finish` knows it by its number.
                one.state = std::mem::take(&mut place.state);
                one.generations = std::mem::take(&mut place.generations);
                one.log = std::mem::take(&mut place.log);
                one.calls = place.calls;
                *place = one;
            }
            None => self.list.push(one),
        }
    }

    /// Removes collectors that are no longer wanted.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.list.retain(|one| keep(&one.spec.name));
    }

    /// The names in order, with what was loaded or why not.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Result<Arc<Loaded>, String>)> {
        self.list.iter().map(|one| (&one.spec.name, &one.loaded))
    }

    /// Which collector has a section's key, of those that are loaded.
    pub fn owner(&self, key: &str) -> Option<&Arc<str>> {
        self.list
            .iter()
            .find(|one| one.loaded.as_ref().is_ok_and(|loaded| loaded.descriptor.sections.iter().any(|k| k == key)))
            .map(|one| &one.spec.name)
    }

    /// Makes the sections with this schedule due.
    pub fn mark_due(&mut self, every: Every, reason: &'static str) {
        for one in &mut self.list {
            let keys = one.timers.iter().filter(|(_, (own, _))| *own == every).map(|(key, _)| key.clone());
            let before = one.due.len();
            one.due.extend(keys);
            if one.due.len() > before {
                one.reason = reason;
            }
        }
    }

    /// Makes everything due.
    pub fn mark_all_due(&mut self, reason: &'static str) {
        for one in &mut self.list {
            one.due = one.timers.keys().cloned().collect();
            one.reason = reason;
        }
    }

    /// Makes everything of one collector due.
    pub fn mark_collector_due(&mut self, name: &str, reason: &'static str) {
        for one in self.list.iter_mut().filter(|one| &*one.spec.name == name) {
            one.due = one.timers.keys().cloned().collect();
            one.reason = reason;
        }
    }

    /// Forgets what of the collectors' states and logs holds something. A call that is in flight brings its own back.
    pub fn forget_states(&mut self, holds: &dyn Fn(&str) -> bool) {
        for one in &mut self.list {
            one.state.retain(|key, value| !holds(key) && !holds(value));
            one.log.retain(|(_, line)| !holds(&line.text));
        }
    }

    /// Ends the quarantine of a collector. False where there is none of this name.
    pub fn resume(&mut self, name: &str) -> bool {
        let Some(one) = self.list.iter_mut().find(|one| &*one.spec.name == name) else { return false };
        one.hold_until_ns = 0;
        one.health.consecutive_failures = 0;
        one.attempt = 0;
        one.due = one.timers.keys().cloned().collect();
        one.reason = "resume";
        true
    }

    /// When something is due by an interval of its own.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.list
            .iter()
            .filter(|one| one.loaded.is_ok())
            .flat_map(|one| {
                one.timers.values().filter_map(|(_, timer)| timer.as_ref()).map(move |timer| timer.next_ns())
            })
            .min()
    }

    /// The calls that are to be made now. Each collector has one at a time; what becomes due meanwhile waits.
    pub fn start(&mut self, now: &Moment) -> Vec<Call> {
        self.list.iter_mut().filter_map(|one| one.start(now)).collect()
    }

    /// The collectors that are running.
    pub fn running(&self) -> BTreeSet<Arc<str>> {
        self.list.iter().filter(|one| one.running.is_some()).map(|one| Arc::clone(&one.spec.name)).collect()
    }

    /// Takes how a call ended. None where the collector was removed or replaced meanwhile.
    pub fn finish(
        &mut self,
        name: &str,
        number: u64,
        outcome: Outcome,
        intervals: Intervals,
        now: &Moment,
    ) -> Option<Finished> {
        let one = self.list.iter_mut().find(|one| &*one.spec.name == name)?;
        if one.running.as_ref()?.number != number {
            return None;
        }
        one.finish(outcome, intervals, now)
    }

    /// How all are doing.
    pub fn health(&self) -> Vec<CollectorHealth> {
        self.list.iter().map(|one| one.health.clone()).collect()
    }

    /// How one is doing.
    pub fn health_of(&self, name: &str) -> Option<&CollectorHealth> {
        self.list.iter().find(|one| &*one.spec.name == name).map(|one| &one.health)
    }

    /// The keys that should be in a snapshot and, for each, what to say where it is not.
    pub fn expected(&self) -> Vec<crate::merge::Expected> {
        self.list
            .iter()
            .flat_map(|one| {
                let why = one.health.error.clone().unwrap_or_else(|| match one.health.status {
                    CallOutcome::Pending => "it was not called yet".to_owned(),
                    status => format!("its last call ended as `{}`", status.as_str()),
                });
                // A collector that never loaded has not said which sections it has: its name stands in.
                let keys: Vec<String> = match &one.loaded {
                    Ok(loaded) => loaded.descriptor.sections.clone(),
                    Err(_) if one.generations.is_empty() => vec![one.spec.name.replace('-', "_")],
                    Err(_) => one.generations.keys().cloned().collect(),
                };
                keys.into_iter().map(move |key| crate::merge::Expected {
                    key,
                    collector: one.spec.name.to_string(),
                    why_missing: why.clone(),
                })
            })
            .collect()
    }

    /// The log lines of one collector, oldest first. None where there is none of this name.
    pub fn log(&self, name: &str) -> Option<impl Iterator<Item = &(Wall, LogLine)>> {
        self.list.iter().find(|one| &*one.spec.name == name).map(|one| one.log.iter())
    }
}

impl Supervised {
    fn new(spec: Spec, loaded: Result<Arc<Loaded>, String>, remembered: Remembered, now: &Moment) -> Self {
        let Remembered { state, health, generations, config_sha256 } = remembered;
        let mut fresh = CollectorHealth {
            name: spec.name.to_string(),
            version: None,
            sha256: None,
            status: CallOutcome::Pending,
            error: None,
            duration_ms: 0.0,
            peak_memory_bytes: 0,
            last_success: health.as_ref().and_then(|health| health.last_success),
            consecutive_failures: 0,
            calls: 0,
            failures: 0,
            p50_ms: 0.0,
            p95_ms: 0.0,
            denied_calls: 0,
            dropped_log_lines: 0,
            missed: 0,
        };
        let mut hold_until_ns = 0;
        match &loaded {
            Ok(loaded) => {
                fresh.version = Some(loaded.descriptor.version.clone());
                fresh.sha256 = Some(loaded.inspection.sha256);
                // The same component with the same configuration that failed before goes on being careful.
                let same = config_sha256 == Some(loaded.config_sha256);
                if let Some(before) = health.as_ref().filter(|health| same && health.sha256 == fresh.sha256)
                    && before.consecutive_failures >= QUARANTINE_AFTER
                {
                    fresh.consecutive_failures = before.consecutive_failures;
                    fresh.status = CallOutcome::Quarantined;
                    fresh.error.clone_from(&before.error);
                    let wait = hold_off(QUARANTINE_AFTER, Duration::ZERO, 0.0);
                    hold_until_ns = now.boottime_ns.saturating_add(wait.as_nanos() as u64);
                }
            }
            Err(why) => {
                fresh.status = CallOutcome::Refused;
                fresh.error = Some(why.clone());
            }
        }
        Self {
            spec,
            loaded,
            timers: BTreeMap::new(),
            due: BTreeSet::new(),
            running: None,
            reason: "start",
            hold_until_ns,
            attempt: 0,
            state,
            generations,
            durations_ms: VecDeque::new(),
            log: VecDeque::new(),
            health: fresh,
            calls: 0,
        }
    }

    fn set_timers(&mut self, intervals: Intervals, now: &Moment) {
        let Ok(loaded) = &self.loaded else { return };
        self.timers = loaded
            .descriptor
            .sections
            .iter()
            .map(|key| {
                let every = self.spec.sections.get(key).copied().unwrap_or(self.spec.every);
                let timer = match every {
                    Every::Interval(_) => Some(Schedule::new(intervals.of(every), now.boottime_ns)),
                    Every::Snapshot | Every::Heartbeat => None,
                };
                (key.clone(), (every, timer))
            })
            .collect();
        // Everything is wanted once at the start, whatever its rhythm.
        self.due = self.timers.keys().cloned().collect();
    }

    fn start(&mut self, now: &Moment) -> Option<Call> {
        let Ok(loaded) = &self.loaded else { return None };
        for (key, (_, timer)) in &mut self.timers {
            if let Some(tick) = timer.as_mut().and_then(|timer| timer.take(now.boottime_ns)) {
                self.health.missed += tick.missed + u64::from(self.running.is_some());
                if self.due.insert(key.clone()) && self.due.len() == 1 && self.health.calls > 0 {
                    self.reason = "schedule";
                }
            }
        }
        if self.running.is_some() || self.due.is_empty() {
            return None;
        }
        if now.boottime_ns < self.hold_until_ns {
            // What was due while it is left alone is not made up for.
            self.due.clear();
            return None;
        }
        let due: Vec<String> = std::mem::take(&mut self.due).into_iter().collect();
        self.attempt += 1;
        self.health.calls += 1;
        let reason = if self.attempt > 1 { "retry" } else { std::mem::replace(&mut self.reason, "schedule") };
        let invocation = invocation(&due, reason, self.attempt, loaded, self.health.last_success, now);
        self.calls += 1;
        self.running = Some(Running { number: self.calls, due, started: now.clone() });
        Some(Call {
            collector: Arc::clone(&self.spec.name),
            number: self.calls,
            loaded: Arc::clone(loaded),
            invocation,
            state: self.state.clone(),
        })
    }

    fn finish(&mut self, outcome: Outcome, intervals: Intervals, now: &Moment) -> Option<Finished> {
        let running = self.running.take()?;
        let loaded = Arc::clone(self.loaded.as_ref().ok()?);
        let failures_before = self.health.consecutive_failures;
        self.account(outcome.account.duration, &outcome.account, &running, now);
        let mut state = None;
        let result = match outcome.result {
            Ok(sections) => {
                self.attempt = 0;
                self.hold_until_ns = 0;
                self.health.consecutive_failures = 0;
                self.health.status = CallOutcome::Ok;
                self.health.error = None;
                self.health.last_success = Some(now.wall);
                if let Some(new) = outcome.account.state {
                    self.state.clone_from(&new);
                    state = Some(new);
                }
                Ok(sections.into_iter().map(|section| self.posted(section, &loaded, intervals, now)).collect())
            }
            Err(failure) => Err(self.failed(&failure, intervals, now)),
        };
        Some(Finished {
            collector: Arc::clone(&self.spec.name),
            quarantined: result.is_err() && self.health.consecutive_failures == QUARANTINE_AFTER,
            recovered: result.is_ok() && failures_before > 0,
            result,
            state,
            config_sha256: Some(loaded.config_sha256),
            health: self.health.clone(),
            due: running.due,
        })
    }

    fn account(&mut self, duration: Duration, account: &CallAccount, running: &Running, now: &Moment) {
        // A call that was given up on has no account of its own: it took as long as it was waited for.
        let duration = if duration.is_zero() { now.since(&running.started) } else { duration };
        let ms = duration.as_secs_f64() * 1e3;
        if self.durations_ms.len() == DURATIONS {
            self.durations_ms.pop_front();
        }
        self.durations_ms.push_back(ms);
        let mut sorted: Vec<f64> = self.durations_ms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let percentile = |share: f64| round(sorted[((sorted.len() - 1) as f64 * share).round() as usize]);
        self.health.p50_ms = percentile(0.5);
        self.health.p95_ms = percentile(0.95);
        self.health.duration_ms = round(ms);
        self.health.peak_memory_bytes = account.peak_memory_bytes;
        self.health.denied_calls += account.denied_calls;
        self.health.dropped_log_lines += account.dropped_log_lines;
        for line in &account.log {
            if self.log.len() == LOG_LINES {
                self.log.pop_front();
            }
            self.log.push_back((now.wall, line.clone()));
        }
    }

    fn posted(&mut self, section: CleanSection, loaded: &Loaded, intervals: Intervals, now: &Moment) -> Posted {
        let key = section.get().key.clone();
        let every = self.timers.get(&key).map_or(self.spec.every, |(every, _)| *every);
        let generation = self.generations.entry(key).or_insert(0);
        *generation += 1;
        Posted {
            collector: Arc::clone(&self.spec.name),
            section: Arc::new(section),
            collected: now.clone(),
            generation: *generation,
            component_sha256: loaded.inspection.sha256,
            config_sha256: loaded.config_sha256,
            carry: intervals.of(every).saturating_mul(self.spec.carry_intervals),
        }
    }

    fn failed(&mut self, failure: &CallFailure, intervals: Intervals, now: &Moment) -> String {
        let why = failure.to_string();
        self.health.failures += 1;
        self.health.consecutive_failures = self.health.consecutive_failures.saturating_add(1);
        let failures = self.health.consecutive_failures;
        let every = self.timers.values().map(|(every, _)| intervals.of(*every)).min().unwrap_or(intervals.snapshot);
        // The name spreads those that failed together; a random number would do no better.
        let jitter = f64::from(self.spec.name.bytes().fold(0_u8, u8::wrapping_add)) / 256.0;
        let wait = hold_off(failures, every, jitter);
        self.hold_until_ns = now.boottime_ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        self.health.status = match failure {
            _ if failures >= QUARANTINE_AFTER => CallOutcome::Quarantined,
            CallFailure::Failed(_) => CallOutcome::Failed,
            CallFailure::TimedOut(_) => CallOutcome::TimedOut,
            CallFailure::Trapped(_) => CallOutcome::Trapped,
            CallFailure::Limit(_) => CallOutcome::LimitExceeded,
            CallFailure::Invalid(_) | CallFailure::Misfit(_) => CallOutcome::Invalid,
        };
        self.health.error = Some(why.clone());
        why
    }
}

fn invocation(
    due: &[String],
    reason: &str,
    attempt: u32,
    loaded: &Loaded,
    last_success: Option<Wall>,
    now: &Moment,
) -> wit::Invocation {
    let text = |key: &str, value: &str| wit::Attribute { key: key.to_owned(), value: wit::Value::S(value.to_owned()) };
    wit::Invocation {
        id: uuid::Uuid::new_v4().to_string(),
        reason: reason.to_owned(),
        due: due.to_vec(),
        attempt,
        now_ms: now.wall.millis(),
        monotonic_ns: now.boottime_ns,
        boot_id: now.boot_id.to_string(),
        budget_ms: u64::try_from(loaded.settings.limits.wall.as_millis()).unwrap_or(u64::MAX),
        last_success_ms: last_success.map(Wall::millis),
        attributes: vec![text("ghostd.version", env!("CARGO_PKG_VERSION")), text("host.os", std::env::consts::OS)],
    }
}

/// Milliseconds with three digits: finer is noise that every snapshot would carry.
fn round(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}
