//! The states of alerts: pending, firing, resolved, and who is to be told of each change.
//!
//! `for` counts time that was seen to be bad: time without data, while ghostd did not run, or between two looks that
//! lie further apart than [`Engine::set_longest_gap`] says does not count, and a new boot begins anew. What fires goes
//! on firing over restarts and boots, until it is seen to be over.
//!
//! Nobody is told of bad news that is silenced, or that follows from what fires already. When that ends and it still
//! fires, they are told. That something is over is told to those who were told that it fires, silence or not.
//!
//! Owns: [`Alert`]s and [`Silence`]s. Pure: facts and time are given, and what changed is handed out to be stored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::expression::{Judgement, Subject};
use super::facts::Facts;
use super::payload::{Telling, TellingKind};
use super::rule::{OnNoData, Rule};
use super::silence;
use crate::model::{Alert, AlertSeverity, AlertState, Finding, Moment, Severity, Silence, Told, Wall};

/// Under which collector's name firing alerts stand among the findings. Conditions never see these: an alert on
/// findings would keep itself alive.
pub const ALERTS_COLLECTOR: &str = "alerts";

/// Resolved alerts that are kept to be seen, and for how long. The history of all is in the events.
const MAX_RESOLVED: usize = 100;
const RESOLVED_FOR: Duration = Duration::from_secs(86_400);

/// How long after a start "no data" says nothing: collectors have not answered yet.
const SETTLING: Duration = Duration::from_secs(60);

/// How often what is stored of an alert is brought up to date where only its value or its progress changed.
const REFRESH_EVERY: Duration = Duration::from_secs(15);

/// Two looks that lie further apart say nothing of the time between them.
const DEFAULT_GAP: Duration = Duration::from_secs(60);

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionKind {
    /// The condition holds and waits for its time.
    Pending,
    /// It fires.
    Fired,
    /// It is over.
    Resolved,
}

/// That something became of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// What.
    pub kind: TransitionKind,
    /// Of which, as it is now.
    pub alert: Alert,
}

/// What one look changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// What became of alerts.
    pub transitions: Vec<Transition>,
    /// Who is to be told of what.
    pub tellings: Vec<Telling>,
    /// Alerts to be stored.
    pub stored: Vec<Alert>,
    /// Ids of alerts to be removed from the store.
    pub removed: Vec<String>,
    /// Silences that are over, to be removed from the store.
    pub silences_over: Vec<Silence>,
    /// Rules of which so many subjects are beyond the limit, where that changed.
    pub overflows: Vec<(String, usize)>,
}

/// What is known of an alert beside what is stored.
#[derive(Debug, Clone)]
struct Looked {
    /// When the condition was last seen to hold, with no look since at which it was not.
    held_at: Option<u64>,
    stored_at: u64,
}

/// The states of all alerts.
#[derive(Debug, Default)]
pub struct Engine {
    rules: Vec<Rule>,
    alerts: BTreeMap<String, Alert>,
    silences: BTreeMap<String, Silence>,
    looked: BTreeMap<String, Looked>,
    overflowing: BTreeMap<String, usize>,
    started_ns: Option<u64>,
    longest_gap: Option<Duration>,
}

impl Engine {
    /// Goes on from what was stored.
    pub fn new(rules: Vec<Rule>, alerts: Vec<Alert>, silences: Vec<Silence>) -> Self {
        Self {
            rules,
            alerts: alerts.into_iter().map(|alert| (alert.id.clone(), alert)).collect(),
            silences: silences.into_iter().map(|silence| (silence.id.clone(), silence)).collect(),
            ..Self::default()
        }
    }

    /// Two looks that lie further apart than this say nothing of the time between them.
    pub fn set_longest_gap(&mut self, gap: Duration) {
        self.longest_gap = Some(gap.max(DEFAULT_GAP));
    }

    /// Other rules from now on. The next look ends the alerts of rules that are gone.
    pub fn set_rules(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// All alerts by id.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// All silences by id.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// Adds a silence. It acts at the next look.
    pub fn silence(&mut self, silence: Silence) -> Result<(), String> {
        if self.silences.len() >= silence::MAX_SILENCES && !self.silences.contains_key(&silence.id) {
            return Err(format!("there are {} silences already", silence::MAX_SILENCES));
        }
        self.silences.insert(silence.id.clone(), silence);
        Ok(())
    }

    /// Takes a silence away before its end. It is named by its id or a beginning of it that is one alone.
    pub fn unsilence(&mut self, id: &str) -> Option<Silence> {
        let mut found = self.silences.keys().filter(|known| known.starts_with(id) && !id.is_empty());
        let (Some(id), None) = (found.next().cloned(), found.next()) else { return None };
        self.silences.remove(&id)
    }

    /// What fires, as findings.
    pub fn findings(&self) -> Vec<Finding> {
        let firing = self.alerts.values().filter(|alert| alert.state == AlertState::Firing);
        firing.filter_map(finding_of).collect()
    }

    /// Looks at everything, and says what changed.
    pub fn look(&mut self, facts: &Facts<'_>, now: &Moment) -> Step {
        let started_ns = *self.started_ns.get_or_insert(now.boottime_ns);
        let settling = now.boottime_ns.saturating_sub(started_ns) < ns(SETTLING);
        let facts = Facts { settling, ..facts.clone() };
        let mut step = Step::default();
        let mut dirty = BTreeSet::new();
        for over in self.silences.extract_if(.., |_, silence| silence::is_over(silence, now)) {
            step.silences_over.push(over.1);
        }
        self.begin_new_boot(now);
        let rules = std::mem::take(&mut self.rules);
        for rule in &rules {
            self.look_at_rule(rule, &facts, now, &mut step, &mut dirty);
        }
        self.end_orphans(&rules, now, &mut step, &mut dirty);
        self.suppress(&rules, &mut dirty);
        self.tell(&rules, now, &mut step, &mut dirty);
        self.rules = rules;
        self.forget_resolved(now, &mut step);
        for id in dirty {
            if let Some(alert) = self.alerts.get(&id) {
                if let Some(looked) = self.looked.get_mut(&id) {
                    looked.stored_at = now.boottime_ns;
                }
                step.stored.push(alert.clone());
            }
        }
        step
    }

    /// What was measured by another boot's clock is measured anew.
    fn begin_new_boot(&mut self, now: &Moment) {
        for alert in self.alerts.values_mut() {
            if self.looked.contains_key(&alert.id) {
                continue;
            }
            // The first look at it since ghostd started.
            if alert.state == AlertState::Pending && alert.told.is_empty() && alert.boot_id != *now.boot_id {
                alert.held_seconds = 0.0;
            }
            for told in alert.told.values_mut().filter(|told| told.boot_id != *now.boot_id) {
                told.boottime_ns = now.boottime_ns;
                told.boot_id = now.boot_id.to_string();
            }
        }
    }

    fn look_at_rule(
        &mut self,
        rule: &Rule,
        facts: &Facts<'_>,
        now: &Moment,
        step: &mut Step,
        dirty: &mut BTreeSet<String>,
    ) {
        let (mut subjects, dropped) = rule.when.instances(facts);
        if self.overflowing.insert(rule.name.clone(), dropped).unwrap_or(0) != dropped {
            step.overflows.push((rule.name.clone(), dropped));
        }
        let speaks_of_some = subjects.iter().any(|subject| !subject.is_empty());
        let known = self.alerts.values().filter(|alert| alert.rule == rule.name).map(|alert| alert.subject.clone());
        for subject in known.collect::<Vec<_>>() {
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        for subject in subjects {
            // It stood for there being no data at all, and now there is some.
            let superseded = subject.is_empty() && speaks_of_some && rule.when.has_subjects();
            let judgement = if superseded {
                Judgement { holds: Some(false), ..Judgement::default() }
            } else {
                rule.when.judge(facts, &subject)
            };
            self.look_at(rule, facts, &subject, judgement, now, step, dirty);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one look is made of all of these")]
    fn look_at(
        &mut self,
        rule: &Rule,
        facts: &Facts<'_>,
        subject: &Subject,
        judgement: Judgement,
        now: &Moment,
        step: &mut Step,
        dirty: &mut BTreeSet<String>,
    ) {
        let id = rule.id(subject);
        let no_data = judgement.holds.is_none();
        let is_bad = judgement.holds == Some(true) || (no_data && rule.on_no_data == OnNoData::Fire && !facts.settling);
        let state = self.alerts.get(&id).map(|alert| alert.state);
        if !is_bad && matches!(state, None | Some(AlertState::Resolved)) {
            self.looked.remove(&id);
            return;
        }
        let looked = self.looked.entry(id.clone()).or_insert(Looked { held_at: None, stored_at: now.boottime_ns });
        let gap = ns(self.longest_gap.unwrap_or(DEFAULT_GAP));
        let held_ns = looked.held_at.map(|before| now.boottime_ns.saturating_sub(before)).filter(|held| *held <= gap);
        looked.held_at = is_bad.then_some(now.boottime_ns);
        let stale = now.boottime_ns.saturating_sub(looked.stored_at) >= ns(REFRESH_EVERY);
        let is_new = matches!(state, None | Some(AlertState::Resolved));
        if is_new {
            let told = BTreeMap::new();
            let alert = new_alert(rule, subject, &id, told, now);
            self.alerts.insert(id.clone(), alert);
        }
        let Some(alert) = self.alerts.get_mut(&id) else { return };
        describe(alert, rule, &judgement, now);
        if is_bad {
            alert.held_seconds += held_ns.map_or(0.0, |ns| ns as f64 / 1e9);
        }
        let mut transition = None;
        match alert.state {
            AlertState::Pending if is_bad => {
                if alert.held_seconds >= alert.for_seconds {
                    alert.state = AlertState::Firing;
                    alert.held_seconds = alert.for_seconds;
                    alert.fired_at = Some(now.wall);
                    transition = Some(TransitionKind::Fired);
                } else if is_new {
                    transition = Some(TransitionKind::Pending);
                }
            }
            // A pending one that is seen not to be bad, or that nobody can judge and the rule wants cleared, is
            // forgotten: nobody was told of it.
            AlertState::Pending if !no_data || rule.on_no_data == OnNoData::Clear => {
                self.alerts.remove(&id);
                self.looked.remove(&id);
                step.removed.push(id);
                return;
            }
            AlertState::Pending => {}
            AlertState::Firing => {
                alert.held_seconds = alert.for_seconds;
                if let Some(resolution) = is_over(rule, facts, subject, is_bad, no_data) {
                    alert.state = AlertState::Resolved;
                    alert.resolved_at = Some(now.wall);
                    alert.resolution = resolution;
                    self.looked.remove(&id);
                    transition = Some(TransitionKind::Resolved);
                }
            }
            AlertState::Resolved => {}
        }
        if stale || transition.is_some() {
            dirty.insert(id);
        }
        if let Some(kind) = transition {
            step.transitions.push(Transition { kind, alert: alert.clone() });
        }
    }

    /// Ends the alerts of rules that are not there any more.
    fn end_orphans(&mut self, rules: &[Rule], now: &Moment, step: &mut Step, dirty: &mut BTreeSet<String>) {
        let is_known = |name: &str| rules.iter().any(|rule| rule.name == name);
        let orphans: Vec<String> =
            self.alerts.values().filter(|alert| !is_known(&alert.rule)).map(|alert| alert.id.clone()).collect();
        for id in orphans {
            let Some(alert) = self.alerts.get_mut(&id) else { continue };
            self.looked.remove(&id);
            match alert.state {
                AlertState::Pending => {
                    self.alerts.remove(&id);
                    step.removed.push(id);
                }
                AlertState::Firing => {
                    alert.state = AlertState::Resolved;
                    alert.resolved_at = Some(now.wall);
                    alert.resolution = Some("its rule is not in the configuration any more".to_owned());
                    step.transitions.push(Transition { kind: TransitionKind::Resolved, alert: alert.clone() });
                    dirty.insert(id);
                }
                AlertState::Resolved => {}
            }
        }
    }

    /// Says of each alert what keeps it from being told.
    fn suppress(&mut self, rules: &[Rule], dirty: &mut BTreeSet<String>) {
        let firing: Vec<(String, String, Subject)> = self
            .alerts
            .values()
            .filter(|alert| alert.state == AlertState::Firing)
            .map(|alert| (alert.id.clone(), alert.rule.clone(), alert.subject.clone()))
            .collect();
        for alert in self.alerts.values_mut().filter(|alert| alert.state != AlertState::Resolved) {
            let silenced: Vec<String> =
                self.silences.values().filter(|one| silence::matches(one, alert)).map(|one| one.id.clone()).collect();
            let follows = rules.iter().find(|rule| rule.name == alert.rule).map_or(&[][..], |rule| &rule.inhibited_by);
            let inhibited: Vec<String> = firing
                .iter()
                .filter(|(id, rule, subject)| {
                    *id != alert.id && follows.contains(rule) && !contradict(subject, &alert.subject)
                })
                .map(|(id, ..)| id.clone())
                .collect();
            if alert.silenced_by != silenced || alert.inhibited_by != inhibited {
                alert.silenced_by = silenced;
                alert.inhibited_by = inhibited;
                dirty.insert(alert.id.clone());
            }
        }
    }

    /// Says who is to be told of what.
    fn tell(&mut self, rules: &[Rule], now: &Moment, step: &mut Step, dirty: &mut BTreeSet<String>) {
        for alert in self.alerts.values_mut() {
            let rule = rules.iter().find(|rule| rule.name == alert.rule);
            let group = group_of(rule, alert);
            let mut kinds: Vec<(String, TellingKind)> = Vec::new();
            match alert.state {
                AlertState::Pending => {}
                AlertState::Resolved => {
                    kinds.extend(alert.told.keys().map(|receiver| (receiver.clone(), TellingKind::Resolved)));
                }
                AlertState::Firing if alert.is_suppressed() => {}
                AlertState::Firing => {
                    let repeat = rule.and_then(|rule| rule.repeat);
                    for receiver in &alert.receivers {
                        let is_due = |told: &Told| {
                            repeat.is_some_and(|repeat| now.boottime_ns.saturating_sub(told.boottime_ns) >= ns(repeat))
                        };
                        match alert.told.get(receiver) {
                            None => kinds.push((receiver.clone(), TellingKind::Fired)),
                            Some(told) if is_due(told) => kinds.push((receiver.clone(), TellingKind::Repeated)),
                            Some(_) => {}
                        }
                    }
                }
            }
            if kinds.is_empty() {
                continue;
            }
            dirty.insert(alert.id.clone());
            let told = Told { at: now.wall, boottime_ns: now.boottime_ns, boot_id: now.boot_id.to_string() };
            for (receiver, kind) in kinds {
                if kind == TellingKind::Resolved {
                    alert.told.remove(&receiver);
                } else {
                    alert.told.insert(receiver.clone(), told.clone());
                }
                step.tellings.push(Telling { receiver, kind, alert: alert.clone(), group: group.clone() });
            }
        }
    }

    fn forget_resolved(&mut self, now: &Moment, step: &mut Step) {
        let mut resolved: Vec<(Wall, String)> = self
            .alerts
            .values()
            .filter(|alert| alert.state == AlertState::Resolved)
            .map(|alert| (alert.resolved_at.unwrap_or(alert.since), alert.id.clone()))
            .collect();
        resolved.sort_by(|a, b| b.cmp(a));
        let oldest = now.wall.minus(RESOLVED_FOR);
        for (place, (at, id)) in resolved.into_iter().enumerate() {
            if place >= MAX_RESOLVED || at < oldest {
                self.alerts.remove(&id);
                step.removed.push(id);
            }
        }
    }
}

/// Why a firing alert is over; none while it is not.
fn is_over(rule: &Rule, facts: &Facts<'_>, subject: &Subject, is_bad: bool, no_data: bool) -> Option<Option<String>> {
    if is_bad {
        return None;
    }
    if rule.when.is_gone(facts, subject) {
        return Some(Some("it is not watched any more".to_owned()));
    }
    if no_data {
        let words = "there is no data any more".to_owned();
        return (rule.on_no_data == OnNoData::Clear).then_some(Some(words));
    }
    match &rule.clear_when {
        Some(clear) => (clear.judge(facts, subject).holds == Some(true)).then_some(None),
        None => Some(None),
    }
}

fn new_alert(rule: &Rule, subject: &Subject, id: &str, told: BTreeMap<String, Told>, now: &Moment) -> Alert {
    Alert {
        id: id.to_owned(),
        rule: rule.name.clone(),
        state: AlertState::Pending,
        severity: rule.severity,
        subject: subject.clone(),
        labels: BTreeMap::new(),
        summary: String::new(),
        condition: String::new(),
        value: None,
        threshold: None,
        no_data_since: None,
        since: now.wall,
        boot_id: now.boot_id.to_string(),
        fired_at: None,
        resolved_at: None,
        resolution: None,
        for_seconds: 0.0,
        held_seconds: 0.0,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        receivers: Vec::new(),
        told,
    }
}

/// What the rule and the last look say.
fn describe(alert: &mut Alert, rule: &Rule, judgement: &Judgement, now: &Moment) {
    alert.severity = rule.severity;
    alert.labels = rule.labels_of(&alert.subject);
    alert.condition = rule.when.text().to_owned();
    alert.for_seconds = rule.hold.as_secs_f64();
    alert.receivers.clone_from(&rule.receivers);
    if judgement.holds.is_none() {
        alert.no_data_since = alert.no_data_since.or(Some(now.wall));
        alert.value = None;
        if alert.summary.is_empty() {
            alert.summary = rule.summarize(&alert.subject, None, None);
        }
        return;
    }
    alert.no_data_since = None;
    alert.value.clone_from(&judgement.value);
    alert.threshold.clone_from(&judgement.threshold);
    alert.summary = rule.summarize(&alert.subject, judgement.value.as_ref(), judgement.threshold.as_deref());
}

fn group_of(rule: Option<&Rule>, alert: &Alert) -> BTreeMap<String, String> {
    let Some(rule) = rule else { return BTreeMap::from([("rule".to_owned(), alert.rule.clone())]) };
    let value = |name: &str| match name {
        "rule" => Some(alert.rule.clone()),
        "severity" => Some(alert.severity.as_str().to_owned()),
        label => alert.labels.get(label).cloned(),
    };
    rule.group_by.iter().filter_map(|name| Some((name.clone(), value(name)?))).collect()
}

/// Whether two subjects give one label different values.
fn contradict(a: &Subject, b: &Subject) -> bool {
    a.iter().any(|(name, value)| b.get(name).is_some_and(|other| other != value))
}

/// Information is no finding.
fn finding_of(alert: &Alert) -> Option<Finding> {
    let severity = match alert.severity {
        AlertSeverity::Info => return None,
        AlertSeverity::Low => Severity::Low,
        AlertSeverity::Medium => Severity::Medium,
        AlertSeverity::High => Severity::High,
        AlertSeverity::Critical => Severity::Critical,
    };
    Some(Finding {
        fingerprint: alert.id.clone(),
        severity,
        title: alert.summary.clone(),
        detail: Some(format!("alert {}: {}", alert.rule, alert.condition)),
        source: None,
        count: 1,
        first_seen: alert.fired_at,
        last_seen: alert.fired_at,
        resolved: alert.state == AlertState::Resolved,
        attributes: alert.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
    })
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
