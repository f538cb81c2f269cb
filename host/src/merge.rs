//! From the board to a draft: everything a snapshot says, before secrets are removed and before it has a name.
//!
//! Owns: which section counts as complete, carried or missing. Must not know: secrets, files, sequences.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::board::{Board, Place};
use crate::model::{
    CaptureTimes, CollectorHealth, Completeness, Digest, HostInfo, MetricFamily, MetricPoint, Moment,
    SectionCompleteness, SectionEntry, SnapshotFinding, Trigger, Wall,
};
use crate::sanitize::Report;

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Why it was taken.
    pub trigger: Trigger,
    /// What whoever asked for it said.
    pub reason: Option<String>,
    /// Whether it is to be kept.
    pub important: bool,
    /// When the capture began.
    pub started: Moment,
    /// When everything was there.
    pub ended: Moment,
    /// Captures that were due and not taken since the last one.
    pub missed: u64,
    /// What befell the record since the last one.
    pub notices: Vec<String>,
    /// SHA-256 of the effective configuration.
    pub config_sha256: Digest,
    /// SHA-256 of the sanitizer's rules.
    pub sanitizer_sha256: Digest,
}

/// A key that some collector should have filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The section's key.
    pub key: String,
    /// The collector that owns it.
    pub collector: String,
    /// Why there is no section.
    pub why_missing: String,
}

/// A snapshot as it was merged. Only [`merge`] makes one. Its fields are those of [`crate::model::Body`] behind the
/// chain's, in the same order.
#[derive(Debug, Serialize)]
pub struct Draft {
    /// When the capture was complete.
    pub(crate) captured_at: Wall,
    trigger: Trigger,
    reason: Option<String>,
    important_at_capture: bool,
    capture: CaptureTimes,
    host: HostInfo,
    config_sha256: Digest,
    sanitizer_sha256: Digest,
    sections: BTreeMap<String, SectionEntry>,
    metrics: Vec<MetricFamily>,
    findings: Vec<SnapshotFinding>,
    collectors: Vec<CollectorHealth>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
    /// What was already replaced in the sections when they arrived.
    #[serde(skip)]
    pub(crate) earlier_redactions: Report,
}

impl Draft {
    /// The findings that it shows.
    pub fn findings(&self) -> &[SnapshotFinding] {
        &self.findings
    }
}

/// Composes a draft.
pub fn merge(
    about: About,
    host: HostInfo,
    board: &Board,
    expected: &[Expected],
    collectors: Vec<CollectorHealth>,
) -> Draft {
    let mut earlier_redactions = Report::default();
    let mut sections = BTreeMap::new();
    let mut metrics = Vec::new();
    for (key, place) in board.places() {
        earlier_redactions.merge(place.posted.section.report());
        if place.failed.is_none() {
            add_metrics(&mut metrics, place);
        }
        sections.insert(key.clone(), entry(place, &about.ended));
    }
    for missing in expected.iter().filter(|one| !board.places().contains_key(&one.key)) {
        sections.insert(missing.key.clone(), absent(missing));
    }
    Draft {
        captured_at: about.ended.wall,
        trigger: about.trigger,
        reason: about.reason,
        important_at_capture: about.important,
        capture: CaptureTimes {
            started_at: about.started.wall,
            ended_at: about.ended.wall,
            started_boottime_ns: about.started.boottime_ns,
            ended_boottime_ns: about.ended.boottime_ns,
            missed: about.missed,
        },
        host,
        config_sha256: about.config_sha256,
        sanitizer_sha256: about.sanitizer_sha256,
        sections,
        metrics,
        findings: board.findings(),
        collectors,
        notices: about.notices,
        earlier_redactions,
    }
}

fn entry(place: &Place, now: &Moment) -> SectionEntry {
    let posted = &place.posted;
    let section = posted.section.get();
    SectionEntry {
        collector: posted.collector.to_string(),
        schema: section.schema.clone(),
        completeness: match (&place.failed, section.completeness) {
            (Some(_), _) => SectionCompleteness::Carried,
            (None, Completeness::Complete) => SectionCompleteness::Complete,
            (None, Completeness::Partial) => SectionCompleteness::Partial,
        },
        collected_at: Some(posted.collected.wall),
        age_ms: Some(u64::try_from(now.since(&posted.collected).as_millis()).unwrap_or(u64::MAX)),
        generation: posted.generation,
        component_sha256: Some(posted.component_sha256),
        config_sha256: Some(posted.config_sha256),
        error: place.failed.clone(),
        attributes: section.attributes.clone(),
        warnings: section.warnings.clone(),
        body: section.body.clone(),
    }
}

fn absent(missing: &Expected) -> SectionEntry {
    SectionEntry {
        collector: missing.collector.clone(),
        schema: String::new(),
        completeness: SectionCompleteness::Missing,
        collected_at: None,
        age_ms: None,
        generation: 0,
        component_sha256: None,
        config_sha256: None,
        error: Some(missing.why_missing.clone()),
        attributes: Default::default(),
        warnings: Vec::new(),
        body: serde_json::Value::Null,
    }
}

fn add_metrics(families: &mut Vec<MetricFamily>, place: &Place) {
    let collector = &*place.posted.collector;
    let first = families.len();
    for metric in &place.posted.section.get().metrics {
        let point = MetricPoint { labels: metric.labels.clone(), reading: metric.reading.clone() };
        let same = |family: &&mut MetricFamily| family.name == metric.name && family.unit == metric.unit;
        match families[first..].iter_mut().rev().find(same) {
            Some(family) => family.points.push(point),
            None => families.push(MetricFamily {
                collector: collector.to_owned(),
                name: metric.name.clone(),
                unit: metric.unit.clone(),
                points: vec![point],
            }),
        }
    }
}
