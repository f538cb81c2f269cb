//! What `[[alert]]` says: names, conditions, who is told, what follows from what.

use std::collections::{BTreeMap, HashMap};

use super::super::check::shorten;
use super::super::raw;
use super::super::settings::{AlertRule, Receiver};
use super::name::NameRule;
use super::{At, Judge, Language, TextFlaw};

/// Labels that every alert has already.
const RESERVED_LABELS: [&str; 5] = ["rule", "severity", "id", "alertname", "instance"];

impl Judge<'_> {
    pub(super) fn alert_rules(
        &mut self,
        raw: Vec<raw::Alert>,
        daemons: &[&str],
        receivers: &BTreeMap<String, Receiver>,
        at: &At<'_>,
    ) -> Vec<AlertRule> {
        let mut seen = HashMap::new();
        let names: Vec<String> = raw.iter().map(|alert| alert.name.clone()).collect();
        let mut rules: Vec<AlertRule> = Vec::with_capacity(raw.len());
        for (index, alert) in raw.into_iter().enumerate() {
            let at = at.item(index);
            self.name(&alert.name, &at.key("name"), NameRule::PLAIN);
            self.once(&alert.name, &at.key("name"), &mut seen, "alert");
            self.text(Language::Condition(&alert.when, daemons), &at.key("when"));
            if let Some(clear) = &alert.clear_when {
                self.text(Language::Condition(clear, daemons), &at.key("clear_when"));
            }
            if let Some(summary) = &alert.summary {
                self.text(Language::Summary(summary), &at.key("summary"));
            }
            let labels_at = at.key("labels");
            for label in alert.labels.keys() {
                self.name(label, &labels_at.name(label), NameRule::VERSION);
                if RESERVED_LABELS.contains(&label.as_str()) {
                    self.fault(&labels_at.name(label), format!("every alert has a label `{label}` already"));
                }
            }
            for (nth, receiver) in alert.receivers.iter().enumerate() {
                if !receivers.contains_key(receiver) {
                    let known: Vec<&str> = receivers.keys().map(String::as_str).collect();
                    let hint = format!("there are {}; a new one is a table `[receiver.NAME]`", known.join(", "));
                    let problem = format!("there is no receiver `{}`", shorten(receiver));
                    self.fault_with(&at.key("receivers").item(nth), problem, hint);
                }
            }
            for (nth, other) in alert.inhibited_by.iter().enumerate() {
                let at = at.key("inhibited_by").item(nth);
                if !names.contains(other) {
                    self.fault(&at, format!("there is no alert `{}`", shorten(other)));
                }
            }
            rules.push(AlertRule {
                name: alert.name,
                when: alert.when,
                clear_when: alert.clear_when,
                hold: alert.r#for.0,
                severity: alert.severity,
                labels: alert.labels,
                summary: alert.summary,
                repeat: alert.repeat.0,
                group_by: alert.group_by,
                inhibited_by: alert.inhibited_by,
                on_no_data: alert.on_no_data,
                receivers: alert.receivers,
            });
        }
        for (index, rule) in rules.iter().enumerate() {
            if follows_from_itself(&rules, &rule.name) {
                let problem = format!("`{}` would follow from itself, and nobody be told", shorten(&rule.name));
                self.fault(&at.item(index).key("inhibited_by"), problem);
            }
        }
        rules
    }

    /// Reports what is wrong with a text at its column.
    pub(super) fn text(&mut self, text: Language<'_>, at: &At<'_>) {
        let Err(TextFlaw { column, problem, hint }) = (self.hooks.language)(text) else { return };
        let fault = self.fault(at, format!("{problem} (column {column} of the text)"));
        fault.hint = hint;
    }
}

/// Whether a rule is reached from itself along `inhibited_by`.
fn follows_from_itself(rules: &[AlertRule], name: &str) -> bool {
    let causes = |name: &str| rules.iter().find(|rule| rule.name == name).map_or(&[][..], |rule| &rule.inhibited_by);
    let mut reached: Vec<&str> = Vec::new();
    let mut left: Vec<&str> = causes(name).iter().map(String::as_str).collect();
    while let Some(next) = left.pop() {
        if next == name {
            return true;
        }
        if !reached.contains(&next) {
            reached.push(next);
            left.extend(causes(next).iter().map(String::as_str));
        }
    }
    false
}
