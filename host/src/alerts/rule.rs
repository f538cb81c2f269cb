//! A rule: what is wrong when, for whom, and how it is said.

use std::collections::BTreeMap;
use std::time::Duration;

use super::expression::{Expression, Subject};
use super::template::Template;
use crate::model::{AlertSeverity, Value};

/// What a rule makes of having nothing to judge by. It is never taken for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNoData {
    /// Nothing changes: what fires goes on firing, what is pending does not come nearer.
    #[default]
    Keep,
    /// As if the condition held.
    Fire,
    /// What fires ends, and says that it ended for want of data. For what comes and goes.
    Clear,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Unique.
    pub name: String,
    /// When it is wrong.
    pub when: Expression,
    /// When it is over; none for as soon as `when` does not hold any more.
    pub clear_when: Option<Expression>,
    /// For how long it must be wrong.
    pub hold: Duration,
    /// How much it matters.
    pub severity: AlertSeverity,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// One line for people; none for one that is made of rule, value and threshold.
    pub summary: Option<Template>,
    /// How often it is told again while it fires; none for never.
    pub repeat: Option<Duration>,
    /// Labels by which notifications are put together.
    pub group_by: Vec<String>,
    /// Rules that this one follows from: while one of them fires of the same thing, this one is not told.
    pub inhibited_by: Vec<String>,
    /// What becomes of it without data.
    pub on_no_data: OnNoData,
    /// Who is told.
    pub receivers: Vec<String>,
}

impl Rule {
    /// The name of its alert for one subject.
    pub fn id(&self, subject: &Subject) -> String {
        if subject.is_empty() {
            return self.name.clone();
        }
        let text = serde_json::to_string(subject).unwrap_or_default();
        let digest = crate::model::Digest::of(text.as_bytes()).to_string();
        format!("{}.{}", self.name, &digest[..8])
    }

    /// All labels of its alert for one subject.
    pub fn labels_of(&self, subject: &Subject) -> BTreeMap<String, String> {
        let mut labels = subject.clone();
        labels.extend(self.labels.clone());
        labels
    }

    /// The line for people.
    pub fn summarize(&self, subject: &Subject, value: Option<&Value>, threshold: Option<&str>) -> String {
        let value = value.map_or_else(|| "no data".to_owned(), short);
        let Some(template) = &self.summary else {
            let of: Vec<String> = subject.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
            return match threshold {
                Some(threshold) => format!("{}{of}: {value} {threshold}", self.name),
                None => format!("{}{of}", self.name),
            };
        };
        template.fill(|hole| match hole {
            "rule" => self.name.clone(),
            "severity" => self.severity.as_str().to_owned(),
            "value" => value.clone(),
            "threshold" => threshold.unwrap_or_default().to_owned(),
            label => {
                let label = label.strip_prefix("labels.").unwrap_or(label);
                self.labels.get(label).or_else(|| subject.get(label)).cloned().unwrap_or_default()
            }
        })
    }
}

/// A value to four digits after the point.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::Float(number) if number.fract() != 0.0 && number.abs() < 1e15 => {
            let text = if number.abs() < 0.001 { format!("{number:e}") } else { format!("{number:.4}") };
            if text.contains('e') { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
        }
        other => other.to_string(),
    }
}
