//! What a condition comes to: of which things, and whether it holds of each.

use std::collections::BTreeSet;

use super::fields::SEVERITIES;
use super::tree::{Aggregate, Arithmetic, Comparison, Datum, FindingField, LabelIs, Node, Selector};
use super::{Expression, Subject};
use crate::alerts::facts::{Facts, SectionFacts};
use crate::model::{Finding, Metric, Reading, Severity, Value};

/// Alerts of one rule. A label that never repeats (a pid, a time) would otherwise grow without end.
pub const MAX_INSTANCES: usize = 200;

/// The subject's label for `daemon("*")`.
pub(super) const DAEMON: &str = "daemon";
/// The subject's labels for `finding(...)`.
const COLLECTOR: &str = "collector";
const FINGERPRINT: &str = "fingerprint";

/// What a condition comes to for one subject.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// Whether it holds; none where there is no data.
    pub holds: Option<bool>,
    /// The left side of the comparison that decides.
    pub value: Option<Value>,
    /// What it is compared with, with the comparison.
    pub threshold: Option<String>,
}

/// A finding, or as much of one as is known.
#[derive(Clone, Copy)]
struct Seen<'f> {
    collector: &'f str,
    finding: Option<&'f Finding>,
}

impl Expression {
    /// Of which things it speaks now, and how many are beyond [`MAX_INSTANCES`]. One without labels stands for the
    /// machine as a whole, and for what has no data at all.
    pub fn instances(&self, facts: &Facts<'_>) -> (Vec<Subject>, usize) {
        let mut subjects = vec![Subject::new()];
        let mut dropped = 0;
        self.root.each_vector(&mut |node| {
            let series = series_of(node, facts);
            let mut next = Vec::new();
            for subject in &subjects {
                let before = next.len();
                for labels in &series {
                    let fits = labels.iter().all(|(key, value)| subject.get(key).is_none_or(|known| known == value));
                    if fits {
                        let mut joined = subject.clone();
                        joined.extend(labels.clone());
                        if next.len() < MAX_INSTANCES { next.push(joined) } else { dropped += 1 }
                    }
                }
                if next.len() == before && next.len() < MAX_INSTANCES {
                    next.push(subject.clone());
                }
            }
            subjects = next;
        });
        let distinct: BTreeSet<Subject> = subjects.into_iter().collect();
        (distinct.into_iter().collect(), dropped)
    }

    /// Whether it may speak of several things.
    pub fn has_subjects(&self) -> bool {
        let mut any = false;
        self.root.each_vector(&mut |_| any = true);
        any
    }

    /// Whether it holds of one.
    pub fn judge(&self, facts: &Facts<'_>, subject: &Subject) -> Judgement {
        let holds = self.root.eval(facts, subject, None).as_truth();
        let deciding = self.root.deciding(facts, subject, holds);
        let (value, threshold) = deciding.map_or((None, None), |(left, operator, right)| {
            let threshold = text_of(&right).map(|text| format!("{operator} {text}"));
            (value_of(left), threshold)
        });
        Judgement { holds, value, threshold }
    }

    /// Whether the subject is a daemon that is not watched any more.
    pub fn is_gone(&self, facts: &Facts<'_>, subject: &Subject) -> bool {
        let (Some(beat), Some(name)) = (facts.beat, subject.get(DAEMON)) else { return false };
        let mut asks = false;
        self.root.each_vector(&mut |node| asks |= matches!(node, Node::Daemon(None, _)));
        asks && beat.daemons.iter().all(|daemon| daemon.name != *name)
    }
}

/// The labels of each series of a part that has several.
fn series_of(node: &Node, facts: &Facts<'_>) -> Vec<Subject> {
    match node {
        Node::Metric(selector) => {
            facts.metrics().filter(|metric| selector.takes(metric)).map(|metric| selector.labels_of(metric)).collect()
        }
        Node::Daemon(None, _) => {
            let daemons = facts.beat.into_iter().flat_map(|beat| &beat.daemons);
            daemons.map(|daemon| Subject::from([(DAEMON.to_owned(), daemon.name.clone())])).collect()
        }
        Node::Finding(filter) => open_findings(facts)
            .filter(|(section, finding)| {
                let seen = Seen { collector: section.collector, finding: Some(finding) };
                passes(filter.as_deref(), facts, seen) == Some(true)
            })
            .map(|(section, finding)| {
                Subject::from([
                    (COLLECTOR.to_owned(), section.collector.to_owned()),
                    (FINGERPRINT.to_owned(), finding.fingerprint.clone()),
                ])
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn open_findings<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = (&'f SectionFacts<'f>, &'f Finding)> {
    facts
        .sections
        .iter()
        .flat_map(|section| section.findings.iter().filter(|one| !one.resolved).map(move |finding| (section, finding)))
}

fn passes(filter: Option<&Node>, facts: &Facts<'_>, seen: Seen<'_>) -> Option<bool> {
    filter.map_or(Some(true), |filter| filter.eval(facts, &Subject::new(), Some(seen)).as_truth())
}

impl Selector {
    fn takes(&self, metric: &Metric) -> bool {
        metric.name == self.name
            && self.labels.iter().all(|(label, is)| {
                let value = metric.labels.get(label).map(Value::to_string);
                match is {
                    LabelIs::Equal(wanted) => value.as_ref() == Some(wanted),
                    LabelIs::NotEqual(wanted) => value.as_ref() != Some(wanted),
                    LabelIs::Matches(regex) => regex.is_match(value.as_deref().unwrap_or_default()),
                    LabelIs::NotMatches(regex) => !regex.is_match(value.as_deref().unwrap_or_default()),
                }
            })
    }

    /// Labels that are chosen by `=` tell nothing apart.
    fn labels_of(&self, metric: &Metric) -> Subject {
        let chosen =
            |name: &str| self.labels.iter().any(|(label, is)| label == name && matches!(is, LabelIs::Equal(_)));
        metric
            .labels
            .iter()
            .filter(|(name, _)| !chosen(name))
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect()
    }

    fn read(&self, facts: &Facts<'_>, subject: &Subject) -> Datum {
        let fits = |metric: &&Metric| {
            self.takes(metric) && self.labels_of(metric).iter().all(|(name, value)| subject.get(name) == Some(value))
        };
        facts.metrics().find(fits).map_or(Datum::Nothing, |metric| number_of(&metric.reading))
    }
}

fn number_of(reading: &Reading) -> Datum {
    Datum::of(match reading {
        Reading::Gauge(value) => Some(*value),
        Reading::Counter(count) => Some(*count as f64),
        Reading::Histogram(histogram) => (histogram.count > 0).then(|| histogram.sum / histogram.count as f64),
    })
}

impl Node {
    fn eval(&self, facts: &Facts<'_>, subject: &Subject, seen: Option<Seen<'_>>) -> Datum {
        let eval = |node: &Node| node.eval(facts, subject, seen);
        match self {
            Self::Number(number) => Datum::Number(*number),
            Self::Text(text) => Datum::Text(text.clone()),
            Self::Truth(truth) => Datum::Truth(*truth),
            Self::Field(field) => facts.beat.map_or(Datum::Nothing, field.get),
            Self::Metric(selector) => selector.read(facts, subject),
            Self::Daemon(who, field) => {
                let name = who.as_ref().or_else(|| subject.get(DAEMON));
                let daemons = facts.beat.into_iter().flat_map(|beat| &beat.daemons);
                daemons.into_iter().find(|daemon| Some(&daemon.name) == name).map_or(Datum::Nothing, field.get)
            }
            Self::FindingCount(filter) => count_findings(filter.as_deref(), facts),
            Self::Finding(filter) => finding_holds(filter.as_deref(), facts, subject),
            Self::FindingField(field) => field.of(seen),
            Self::Aggregate(aggregate, inner) => {
                let numbers =
                    series_of(inner, facts).into_iter().filter_map(|labels| match inner.eval(facts, &labels, None) {
                        Datum::Number(number) => Some(number),
                        _ => None,
                    });
                aggregate.of(&numbers.collect::<Vec<f64>>())
            }
            Self::NoData(inner) => match eval(inner) {
                Datum::Nothing if facts.settling => Datum::Nothing,
                found => Datum::Truth(found == Datum::Nothing),
            },
            Self::Abs(inner) => map(eval(inner), f64::abs),
            Self::Negate(inner) => map(eval(inner), |number| -number),
            Self::Arithmetic(arithmetic, left, right) => match (eval(left), eval(right)) {
                (Datum::Number(left), Datum::Number(right)) => Datum::of(Some(arithmetic.of(left, right))),
                _ => Datum::Nothing,
            },
            Self::Compare(comparison, left, right, scale) => {
                Datum::truth(comparison.of(&eval(left), &eval(right), *scale))
            }
            Self::Matches(inner, regex, must_match) => match eval(inner) {
                Datum::Text(text) => Datum::Truth(regex.is_match(&text) == *must_match),
                _ => Datum::Nothing,
            },
            Self::And(left, right) => Datum::truth(match (eval(left).as_truth(), eval(right).as_truth()) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            }),
            Self::Or(left, right) => Datum::truth(match (eval(left).as_truth(), eval(right).as_truth()) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            }),
            Self::Not(inner) => Datum::truth(eval(inner).as_truth().map(|truth| !truth)),
        }
    }

    /// The comparison that people are shown: the first that comes to what the whole comes to, else the first.
    fn deciding(
        &self,
        facts: &Facts<'_>,
        subject: &Subject,
        holds: Option<bool>,
    ) -> Option<(Datum, &'static str, Datum)> {
        let mut comparisons = Vec::new();
        self.each_comparison(&mut comparisons);
        let agrees = |node: &&&Node| node.eval(facts, subject, None).as_truth() == holds;
        let node = comparisons.iter().find(agrees).or_else(|| comparisons.first())?;
        match node {
            Self::Compare(comparison, left, right, _) => {
                let eval = |node: &Node| node.eval(facts, subject, None);
                Some((eval(left), comparison.as_str(), eval(right)))
            }
            _ => None,
        }
    }

    fn each_comparison<'n>(&'n self, found: &mut Vec<&'n Node>) {
        match self {
            Self::Compare(..) => found.push(self),
            Self::And(left, right) | Self::Or(left, right) => {
                left.each_comparison(found);
                right.each_comparison(found);
            }
            Self::Not(inner) => inner.each_comparison(found),
            _ => {}
        }
    }
}

/// How many are open. Where a collector that might know of more has not answered, it is a lower bound.
fn count_findings(filter: Option<&Node>, facts: &Facts<'_>) -> Datum {
    let of = |collector, finding| passes(filter, facts, Seen { collector, finding });
    let known =
        open_findings(facts).filter(|(section, finding)| of(section.collector, Some(finding)) == Some(true)).count();
    let doubt = facts.silent.iter().any(|collector| of(collector, None) != Some(false));
    if doubt { Datum::AtLeast(known as f64) } else { Datum::Number(known as f64) }
}

fn finding_holds(filter: Option<&Node>, facts: &Facts<'_>, subject: &Subject) -> Datum {
    let (Some(collector), Some(fingerprint)) = (subject.get(COLLECTOR), subject.get(FINGERPRINT)) else {
        // Nothing is open that it speaks of; whether there should be is known where everybody has answered.
        let of = |collector| passes(filter, facts, Seen { collector, finding: None });
        let doubt = facts.silent.iter().any(|collector| of(collector) != Some(false));
        return if doubt { Datum::Nothing } else { Datum::Truth(false) };
    };
    let found = open_findings(facts)
        .find(|(section, finding)| section.collector == collector.as_str() && finding.fingerprint == *fingerprint);
    match found {
        Some((section, finding)) => {
            Datum::truth(passes(filter, facts, Seen { collector: section.collector, finding: Some(finding) }))
        }
        None if facts.silent.contains(&collector.as_str()) => Datum::Nothing,
        None => Datum::Truth(false),
    }
}

impl FindingField {
    fn of(self, seen: Option<Seen<'_>>) -> Datum {
        let Some(seen) = seen else { return Datum::Nothing };
        if self == Self::Collector {
            return Datum::text(seen.collector);
        }
        let Some(finding) = seen.finding else { return Datum::Nothing };
        match self {
            Self::Severity => Datum::text(severity(finding.severity)),
            Self::Collector => Datum::text(seen.collector),
            Self::Fingerprint => Datum::text(&finding.fingerprint),
            Self::Title => Datum::text(&finding.title),
            // One that names no source has an empty one: what is asked of it can then be answered.
            Self::Source => Datum::text(finding.source.as_deref().unwrap_or_default()),
            Self::Count => Datum::Number(finding.count as f64),
        }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => SEVERITIES[0],
        Severity::Medium => SEVERITIES[1],
        Severity::High => SEVERITIES[2],
        Severity::Critical => SEVERITIES[3],
    }
}

impl Aggregate {
    fn of(self, numbers: &[f64]) -> Datum {
        if numbers.is_empty() {
            return Datum::Nothing;
        }
        let sum = || numbers.iter().sum::<f64>();
        Datum::of(Some(match self {
            Self::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Sum => sum(),
            Self::Average => sum() / numbers.len() as f64,
            Self::Count => numbers.len() as f64,
        }))
    }
}

impl Arithmetic {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Plus => left + right,
            Self::Minus => left - right,
            Self::Times => left * right,
            // Nothing comes of a division by zero.
            Self::Over if right == 0.0 => f64::NAN,
            Self::Over => left / right,
        }
    }
}

impl Comparison {
    fn of(self, left: &Datum, right: &Datum, scale: Option<&[&str]>) -> Option<bool> {
        let rank = |text: &str| scale.and_then(|scale| scale.iter().position(|word| *word == text));
        match (left, right) {
            (Datum::Number(left), Datum::Number(right)) => self.orders(left.partial_cmp(right)?),
            (Datum::AtLeast(least), Datum::Number(right)) => self.at_least(*least, *right),
            (Datum::Number(left), Datum::AtLeast(least)) => self.turned().at_least(*least, *left),
            (Datum::Truth(left), Datum::Truth(right)) => self.orders(left.cmp(right)),
            (Datum::Text(left), Datum::Text(right)) => match (rank(left), rank(right)) {
                (Some(left), Some(right)) => self.orders(left.cmp(&right)),
                _ if matches!(self, Self::Equal | Self::NotEqual) => self.orders(left.cmp(right)),
                _ => None,
            },
            _ => None,
        }
    }

    fn orders(self, order: std::cmp::Ordering) -> Option<bool> {
        Some(match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
        })
    }

    /// What is certain of a number that is `least` or more.
    fn at_least(self, least: f64, right: f64) -> Option<bool> {
        match self {
            Self::Greater => (least > right).then_some(true),
            Self::GreaterOrEqual => (least >= right).then_some(true),
            Self::NotEqual => (least > right).then_some(true),
            Self::Less => (least >= right).then_some(false),
            Self::LessOrEqual | Self::Equal => (least > right).then_some(false),
        }
    }

    /// The same with its sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

fn map(datum: Datum, change: impl Fn(f64) -> f64) -> Datum {
    match datum {
        Datum::Number(number) => Datum::Number(change(number)),
        _ => Datum::Nothing,
    }
}

fn value_of(datum: Datum) -> Option<Value> {
    match datum {
        Datum::Nothing => None,
        Datum::Number(number) | Datum::AtLeast(number) => Some(Value::Float(number)),
        Datum::Text(text) => Some(Value::Text(text)),
        Datum::Truth(truth) => Some(Value::Bool(truth)),
    }
}

fn text_of(datum: &Datum) -> Option<String> {
    value_of(datum.clone()).map(|value| match value {
        Value::Text(text) => format!("\"{text}\""),
        other => other.to_string(),
    })
}
