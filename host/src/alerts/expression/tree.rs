//! The form of a condition that was understood, and what its parts come to.

use regex::Regex;

use super::fields::{DaemonField, Field};

/// What a part of a condition is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Number,
    Text,
    Truth,
    /// One of these texts, in no order.
    Words(&'static [&'static str]),
    /// One of these texts, least first.
    Scale(&'static [&'static str]),
}

impl Kind {
    /// What it is, with its article.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Truth => "a truth value",
            Self::Text | Self::Words(_) | Self::Scale(_) => "a text",
        }
    }
}

/// What a part of a condition comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum {
    /// There is no data.
    Nothing,
    Number(f64),
    /// So many at least: somebody who might know of more has not answered.
    AtLeast(f64),
    Text(String),
    Truth(bool),
}

impl Datum {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn of(number: Option<f64>) -> Self {
        number.filter(|number| !number.is_nan()).map_or(Self::Nothing, Self::Number)
    }

    pub(super) fn truth(truth: Option<bool>) -> Self {
        truth.map_or(Self::Nothing, Self::Truth)
    }

    /// Whether it is true; none where there is no data.
    pub(super) fn as_truth(&self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(*truth),
            _ => None,
        }
    }
}

/// How two things are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        (">", Self::Greater),
        (">=", Self::GreaterOrEqual),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
    ];

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("?", |(text, _)| text)
    }
}

/// How two numbers are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Plus,
    Minus,
    Times,
    Over,
}

/// What becomes of many numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Max,
    Min,
    Sum,
    Average,
    Count,
}

impl Aggregate {
    pub(super) const ALL: [(&'static str, Self); 5] =
        [("max", Self::Max), ("min", Self::Min), ("sum", Self::Sum), ("avg", Self::Average), ("count", Self::Count)];
}

/// What a label must be.
#[derive(Debug, Clone)]
pub(super) enum LabelIs {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    NotMatches(Regex),
}

/// Series of a metric.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    pub(super) name: String,
    pub(super) labels: Vec<(String, LabelIs)>,
}

/// A figure of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FindingField {
    Severity,
    Collector,
    Fingerprint,
    Title,
    Source,
    Count,
}

impl FindingField {
    pub(super) const ALL: [(&'static str, Self, Kind); 6] = [
        ("severity", Self::Severity, Kind::Scale(super::fields::SEVERITIES)),
        ("collector", Self::Collector, Kind::Text),
        ("fingerprint", Self::Fingerprint, Kind::Text),
        ("title", Self::Title, Kind::Text),
        ("source", Self::Source, Kind::Text),
        ("count", Self::Count, Kind::Number),
    ];
}

/// A part of a condition.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Number(f64),
    Text(String),
    Truth(bool),
    Field(Field),
    Metric(Selector),
    /// Of one daemon by its name, or of each.
    Daemon(Option<String>, DaemonField),
    /// The filter is absent for all.
    FindingCount(Option<Box<Node>>),
    Finding(Option<Box<Node>>),
    FindingField(FindingField),
    /// Of all series of what is a metric or a figure of each daemon.
    Aggregate(Aggregate, Box<Node>),
    NoData(Box<Node>),
    Abs(Box<Node>),
    Negate(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    /// The scale is what orders texts.
    Compare(Comparison, Box<Node>, Box<Node>, Option<&'static [&'static str]>),
    /// And whether it must match.
    Matches(Box<Node>, Regex, bool),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
}

impl Node {
    /// Calls `visit` for each part that has several series.
    pub(super) fn each_vector<'n>(&'n self, visit: &mut impl FnMut(&'n Node)) {
        match self {
            Self::Metric(_) | Self::Daemon(None, _) | Self::Finding(_) => visit(self),
            Self::NoData(inner) | Self::Abs(inner) | Self::Negate(inner) | Self::Not(inner) => inner.each_vector(visit),
            Self::Matches(inner, ..) => inner.each_vector(visit),
            Self::Arithmetic(_, left, right)
            | Self::Compare(_, left, right, _)
            | Self::And(left, right)
            | Self::Or(left, right) => {
                left.each_vector(visit);
                right.each_vector(visit);
            }
            // These make one of many.
            Self::Aggregate(..) | Self::FindingCount(_) => {}
            Self::Number(_)
            | Self::Text(_)
            | Self::Truth(_)
            | Self::Field(_)
            | Self::Daemon(Some(_), _)
            | Self::FindingField(_) => {}
        }
    }

    /// Whether it asks anything of the machine.
    pub(super) fn asks_something(&self) -> bool {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Truth(_) => false,
            Self::NoData(inner) | Self::Abs(inner) | Self::Negate(inner) | Self::Not(inner) => inner.asks_something(),
            Self::Matches(inner, ..) => inner.asks_something(),
            Self::Arithmetic(_, left, right)
            | Self::Compare(_, left, right, _)
            | Self::And(left, right)
            | Self::Or(left, right) => left.asks_something() || right.asks_something(),
            _ => true,
        }
    }
}
