//! What changed from one snapshot to another, as somebody would tell it.
//!
//! Owns: the comparison. Pure: two bodies in, changes out. Must not know: where snapshots are, how a change is shown.
//!
//! The sections that ghostd knows are compared by what they mean ([`sections`]); every other by its form
//! ([`generic`]). What always changes (times, ages, counters, process ids of processes that nobody watches) is left
//! out unless everything is asked for. A section that is carried or missing is no data: nothing is said to have
//! changed in it, only that it is not known.

mod generic;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::model::{
    Attributes, Body, Finding, FindingState, HostInfo, Reading, SectionCompleteness, SectionEntry, SnapshotId, Wall,
};

/// The most changes that are listed of one section; the rest are counted.
pub const MAX_CHANGES_A_SECTION: usize = 200;

/// Tells the least and the greatest that is usual of a gauge, by collector, name and labels.
pub type UsualRange = dyn Fn(&str, &str, &Attributes) -> Option<(f64, f64)>;

/// What is to be told.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Also what always changes.
    pub everything: bool,
    /// The usual range of a gauge, by collector, name and labels, where there is enough history to say.
    pub usual_range: &'a UsualRange,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("everything", &self.everything).finish_non_exhaustive()
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { everything: false, usual_range: &|_, _, _| None }
    }
}

/// One of the two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Side {
    /// Its name.
    pub id: SnapshotId,
    /// Its place.
    pub sequence: u64,
    /// When it was captured.
    pub captured_at: Wall,
}

/// How a change is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// It got worse.
    Worse,
    /// It got better.
    Better,
    /// Neither can be said.
    Neutral,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// Where: a section's key, or `host`, `configuration`, `collectors`, `findings`, `metrics`.
    pub section: String,
    /// What kind: `daemon_failed`, `patch_applied`, `finding_new`, …
    pub kind: String,
    /// What it is about: a daemon, a mount, a fingerprint, a path in the section.
    pub subject: String,
    /// How it is to be taken.
    pub mood: Mood,
    /// One line for a person.
    pub text: String,
    /// What was there before.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub from: Json,
    /// What is there now.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub to: Json,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Diff {
    /// The first.
    pub from: Side,
    /// The second.
    pub to: Side,
    /// How long passed between them, by boot time where it is the same boot.
    pub elapsed_seconds: f64,
    /// Worse first, each section's in its own order.
    pub changes: Vec<Change>,
    /// Sections in which nothing changed, by key.
    pub unchanged: Vec<String>,
    /// How many changes are not listed, by section.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub omitted: BTreeMap<String, usize>,
}

/// Compares two snapshots.
pub fn diff(from: &Body, to: &Body, options: &Options<'_>) -> Diff {
    let mut changes = Changes::default();
    compare_hosts(&mut changes.of("host"), &from.host, &to.host);
    compare_configuration(&mut changes.of("configuration"), from, to);
    compare_collectors(&mut changes.of("collectors"), from, to);
    let mut unchanged = Vec::new();
    let keys: std::collections::BTreeSet<&String> = from.sections.keys().chain(to.sections.keys()).collect();
    for key in keys {
        let before = changes.len();
        compare_sections(&mut changes.of(key), from.sections.get(key), to.sections.get(key), options);
        if changes.len() == before {
            unchanged.push(key.clone());
        }
    }
    compare_findings(&mut changes.of("findings"), from, to);
    compare_metrics(&mut changes.of("metrics"), from, to, options);
    changes.all.sort_by_key(|change| change.mood);
    Diff {
        from: side(from),
        to: side(to),
        elapsed_seconds: elapsed_seconds(from, to),
        changes: changes.all,
        unchanged,
        omitted: changes.omitted,
    }
}

/// Changes as they are found.
#[derive(Debug, Default)]
struct Changes {
    all: Vec<Change>,
    omitted: BTreeMap<String, usize>,
}

impl Changes {
    fn of<'a>(&'a mut self, section: &str) -> Adder<'a> {
        Adder { changes: self, section: section.to_owned(), count: 0 }
    }

    fn len(&self) -> usize {
        self.all.len() + self.omitted.values().sum::<usize>()
    }
}

/// Adds the changes of one section.
#[derive(Debug)]
struct Adder<'a> {
    changes: &'a mut Changes,
    section: String,
    count: usize,
}

impl Adder<'_> {
    fn add(&mut self, kind: &str, subject: &str, mood: Mood, text: String, from: Json, to: Json) {
        self.count += 1;
        if self.count > MAX_CHANGES_A_SECTION {
            *self.changes.omitted.entry(self.section.clone()).or_default() += 1;
            return;
        }
        let (section, kind, subject) = (self.section.clone(), kind.to_owned(), subject.to_owned());
        self.changes.all.push(Change { section, kind, subject, mood, text, from, to });
    }

    /// Adds it where the two differ.
    fn changed<T: PartialEq + Serialize + std::fmt::Display>(&mut self, kind: &str, what: &str, from: &T, to: &T) {
        if from != to {
            self.add(kind, what, Mood::Neutral, format!("{what}: {from} → {to}"), json(from), json(to));
        }
    }
}

fn json<T: Serialize>(value: &T) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

fn side(body: &Body) -> Side {
    Side { id: body.id, sequence: body.link.sequence, captured_at: body.captured_at }
}

fn elapsed_seconds(from: &Body, to: &Body) -> f64 {
    let ns = if from.host.boot_id == to.host.boot_id {
        i128::from(to.capture.ended_boottime_ns) - i128::from(from.capture.ended_boottime_ns)
    } else {
        i128::from(to.captured_at.0) - i128::from(from.captured_at.0)
    };
    ns as f64 / 1e9
}

fn compare_hosts(changes: &mut Adder<'_>, from: &HostInfo, to: &HostInfo) {
    changes.changed("another_host", "host id", &from.id, &to.id);
    changes.changed("hostname", "hostname", &from.hostname, &to.hostname);
    if from.boot_id != to.boot_id {
        changes.add(
            "reboot",
            "boot",
            Mood::Neutral,
            "the machine was booted".to_owned(),
            json(&from.boot_id),
            json(&to.boot_id),
        );
    }
    changes.changed("os", "operating system", &from.os, &to.os);
    changes.changed("kernel", "kernel", &from.kernel, &to.kernel);
    changes.changed("ghostd_version", "ghostd", &from.ghostd_version, &to.ghostd_version);
    let names: std::collections::BTreeSet<&String> = from.versions.keys().chain(to.versions.keys()).collect();
    let absent = "(none)".to_owned();
    for name in names {
        let of = |host: &HostInfo| host.versions.get(name).cloned().unwrap_or_else(|| absent.clone());
        changes.changed("version", name, &of(from), &of(to));
    }
}

fn compare_configuration(changes: &mut Adder<'_>, from: &Body, to: &Body) {
    changes.changed("configuration", "configuration", &from.config_sha256, &to.config_sha256);
    changes.changed("sanitizer_rules", "sanitizer's rules", &from.sanitizer_sha256, &to.sanitizer_sha256);
}

fn compare_collectors(changes: &mut Adder<'_>, from: &Body, to: &Body) {
    let by_name = |body: &Body| -> BTreeMap<String, crate::model::CollectorHealth> {
        body.collectors.iter().map(|health| (health.name.clone(), health.clone())).collect()
    };
    let (before, after) = (by_name(from), by_name(to));
    for (name, health) in &after {
        let Some(was) = before.get(name) else {
            changes.add(
                "collector_new",
                name,
                Mood::Neutral,
                format!("{name}: new"),
                Json::Null,
                json(&health.version),
            );
            continue;
        };
        if was.sha256 != health.sha256 {
            let version = |of: &Option<String>| of.clone().unwrap_or_else(|| "unknown".to_owned());
            let text = format!("{name}: another component ({} → {})", version(&was.version), version(&health.version));
            changes.add("collector_replaced", name, Mood::Neutral, text, json(&was.sha256), json(&health.sha256));
        }
        if was.status != health.status {
            let mood = if health.status == crate::model::CallOutcome::Ok { Mood::Better } else { Mood::Worse };
            let why = health.error.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let text = format!("{name}: {} → {}{why}", was.status.as_str(), health.status.as_str());
            changes.add("collector_status", name, mood, text, json(&was.status), json(&health.status));
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.add("collector_gone", name, Mood::Neutral, format!("{name}: gone"), json(name), Json::Null);
    }
}

fn compare_sections(
    changes: &mut Adder<'_>,
    from: Option<&SectionEntry>,
    to: Option<&SectionEntry>,
    options: &Options<'_>,
) {
    let key = changes.section.clone();
    let (from, to) = match (from, to) {
        (None, None) => return,
        (None, Some(to)) => {
            return changes.add("section_new", &key, Mood::Neutral, "new".to_owned(), Json::Null, json(&to.schema));
        }
        (Some(from), None) => {
            return changes.add("section_gone", &key, Mood::Neutral, "gone".to_owned(), json(&from.schema), Json::Null);
        }
        (Some(from), Some(to)) => (from, to),
    };
    if from.completeness != to.completeness {
        let word = |of: SectionCompleteness| match of {
            SectionCompleteness::Complete => "complete",
            SectionCompleteness::Partial => "partial",
            SectionCompleteness::Carried => "no data (carried)",
            SectionCompleteness::Missing => "no data (missing)",
        };
        let mood = match to.completeness {
            SectionCompleteness::Complete => Mood::Better,
            _ if from.completeness == SectionCompleteness::Missing => Mood::Better,
            _ => Mood::Worse,
        };
        let why = to.error.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        let text = format!("{} → {}{why}", word(from.completeness), word(to.completeness));
        changes.add("completeness", &key, mood, text, json(&from.completeness), json(&to.completeness));
    }
    let has_data =
        |of: &SectionEntry| matches!(of.completeness, SectionCompleteness::Complete | SectionCompleteness::Partial);
    if !has_data(from) || !has_data(to) {
        return;
    }
    if from.schema != to.schema {
        changes.changed("schema", "schema", &from.schema, &to.schema);
    } else if !sections::compare(changes, &to.schema, &from.body, &to.body) || options.everything {
        generic::compare(changes, &from.body, &to.body, options.everything);
    }
}

fn compare_findings(changes: &mut Adder<'_>, from: &Body, to: &Body) {
    let open = |body: &Body| -> BTreeMap<(String, String), Finding> {
        let is_open = body.findings.iter().filter(|finding| finding.state != FindingState::Resolved);
        is_open.map(|one| ((one.collector.clone(), one.finding.fingerprint.clone()), one.finding.clone())).collect()
    };
    let (before, after) = (open(from), open(to));
    for (key, finding) in &after {
        let (subject, title) = (&key.1, &finding.title);
        match before.get(key) {
            None => {
                changes.add("finding_new", subject, Mood::Worse, format!("new: {title}"), Json::Null, json(finding));
            }
            Some(was) if was.severity != finding.severity => {
                let (mood, word) =
                    if finding.severity > was.severity { (Mood::Worse, "worse") } else { (Mood::Better, "better") };
                let kind = format!("finding_{word}");
                changes.add(
                    &kind,
                    subject,
                    mood,
                    format!("{word}: {title}"),
                    json(&was.severity),
                    json(&finding.severity),
                );
            }
            Some(was) if finding.count > was.count => {
                let text = format!("again: {title} ({} more)", finding.count - was.count);
                changes.add("finding_again", subject, Mood::Worse, text, json(&was.count), json(&finding.count));
            }
            Some(_) => {}
        }
    }
    for (key, finding) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        let text = format!("gone: {}", finding.title);
        changes.add("finding_gone", &key.1, Mood::Better, text, json(finding), Json::Null);
    }
}

/// Gauges that left their usual range, or came back.
fn compare_metrics(changes: &mut Adder<'_>, from: &Body, to: &Body, options: &Options<'_>) {
    let gauges = |body: &Body| -> BTreeMap<(String, String, String), (f64, Attributes, String)> {
        let mut gauges = BTreeMap::new();
        for family in &body.metrics {
            for point in &family.points {
                if let Reading::Gauge(value) = point.reading {
                    let labels = serde_json::to_string(&point.labels).unwrap_or_default();
                    let key = (family.collector.clone(), family.name.clone(), labels);
                    gauges.insert(key, (value, point.labels.clone(), family.unit.clone()));
                }
            }
        }
        gauges
    };
    let before = gauges(from);
    for ((collector, name, labels), (value, attributes, unit)) in gauges(to) {
        let Some((low, high)) = (options.usual_range)(&collector, &name, &attributes) else { continue };
        let is_usual = |value: f64| (low..=high).contains(&value);
        let was = before.get(&(collector, name.clone(), labels)).map(|(value, ..)| *value);
        let shown = attributes.values().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let subject = if shown.is_empty() { name.clone() } else { format!("{name} ({shown})") };
        if !is_usual(value) && was.is_none_or(is_usual) {
            let text = format!("{subject}: {value} {unit}, usually {low} to {high}");
            changes.add("metric_unusual", &subject, Mood::Worse, text, json(&was), json(&value));
        } else if is_usual(value) && was.is_some_and(|was| !is_usual(was)) {
            let text = format!("{subject}: {value} {unit}, usual again");
            changes.add("metric_usual", &subject, Mood::Better, text, json(&was), json(&value));
        }
    }
}
