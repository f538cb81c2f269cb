//! What a capture found out, as a section.

use super::{SCHEMA, SECTION};
use crate::engine::{Engine, Report};
use crate::finding::{Finding, Trend};
use crate::severity::Severity;
use crate::template::fingerprint_text;
use ghostd_sdk::{Completeness, Failure, Metric, Section};
use serde::Serialize;

/// The open findings that one section lists, the worst and latest first. More is no list but a heap.
const MAX_LISTED: usize = 500;
/// The losses that one body lists.
const MAX_LOSSES: usize = 50;
/// The longest title, in bytes.
const TITLE_BYTES: usize = 240;

/// The body of the section: what was read, what not, and how many findings of each sort are open.
#[derive(Debug, Serialize)]
struct Body {
    /// Files that are followed.
    files: u64,
    /// Files that are there and too many to be followed.
    files_not_followed: u64,
    /// What is no regular or no readable log file.
    files_left_alone: u64,
    /// Bytes and lines looked at in this capture.
    read_bytes: u64,
    lines: u64,
    /// What is left for the next capture.
    behind_bytes: u64,
    behind_files: u64,
    /// What was passed over because it missed the deadline again and again.
    skipped_bytes: u64,
    long_lines: u64,
    binary_lines: u64,
    /// Events of this capture by severity.
    events: Counts,
    events_ignored: u64,
    /// Open findings by severity and by what they do.
    open: Counts,
    new: u64,
    recurring: u64,
    bursting: u64,
    reopened: u64,
    /// Resolved since the capture before.
    resolved: u64,
    /// Open findings that are not listed, and findings that were dropped for want of room, ever.
    findings_not_listed: u64,
    findings_dropped: u64,
    lost: Vec<Lost>,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    low: u64,
    medium: u64,
    high: u64,
    critical: u64,
}

/// Bytes that can no longer be read.
#[derive(Debug, Serialize)]
struct Lost {
    source: String,
    /// `null`: nobody knows.
    at_least_bytes: Option<u64>,
    how: &'static str,
}

/// The section.
pub(super) fn section(engine: &Engine, report: &Report, warning: Option<String>) -> Result<Section, Failure> {
    let mut open: Vec<&Finding> = engine.findings().filter(|f| f.resolved_ms.is_none()).collect();
    open.sort_by_key(|f| std::cmp::Reverse((f.severity, f.last_ms, f.count)));
    let resolved: Vec<&Finding> = engine
        .findings()
        .filter(|f| report.changes.resolved.binary_search(&f.fingerprint).is_ok() && f.resolved_ms.is_some())
        .collect();
    let body = body(engine, report, &open, resolved.len());
    let outcome = &report.outcome;
    let mut warnings: Vec<String> = warning.into_iter().collect();
    if outcome.behind_bytes > 0 {
        warnings.push(format!(
            "{} bytes in {} files are left for the next capture (`budget_bytes` {})",
            outcome.behind_bytes,
            outcome.behind_files,
            engine.config().budget_bytes
        ));
    }
    if outcome.not_followed > 0 {
        warnings.push(format!(
            "{} files are not followed: at most {} are",
            outcome.not_followed,
            crate::follow::MAX_FILES
        ));
    }
    if outcome.skipped_bytes > 0 {
        warnings.push(format!(
            "{} bytes were passed over: reading them missed the deadline again and again",
            outcome.skipped_bytes
        ));
    }
    warnings.extend(outcome.warnings.iter().cloned());
    let mut section = Section::new(SECTION, SCHEMA)
        .body(&body)?
        .metrics(metrics(engine, report, &body))
        .findings(open.into_iter().take(MAX_LISTED).chain(resolved).map(|f| finding(f, report.now_ms)))
        .warnings(warnings);
    if outcome.behind_bytes > 0 || !outcome.warnings.is_empty() {
        section.completeness = Completeness::Partial;
    }
    Ok(section)
}

fn body(engine: &Engine, report: &Report, open: &[&Finding], resolved: usize) -> Body {
    let outcome = &report.outcome;
    let trend = |wanted: Trend| count(open.iter().filter(|f| f.trend(report.now_ms) == wanted).count());
    let severity = |wanted: Severity| count(open.iter().filter(|f| f.severity == wanted).count());
    let [low, medium, high, critical] = report.events;
    Body {
        files: outcome.files,
        files_not_followed: outcome.not_followed,
        files_left_alone: outcome.left_alone,
        read_bytes: outcome.read_bytes,
        lines: outcome.counts.lines,
        behind_bytes: outcome.behind_bytes,
        behind_files: outcome.behind_files,
        skipped_bytes: outcome.skipped_bytes,
        long_lines: outcome.counts.long_lines,
        binary_lines: outcome.counts.binary_lines,
        events: Counts { low, medium, high, critical },
        events_ignored: report.ignored,
        open: Counts {
            low: severity(Severity::Low),
            medium: severity(Severity::Medium),
            high: severity(Severity::High),
            critical: severity(Severity::Critical),
        },
        new: trend(Trend::New),
        recurring: trend(Trend::Recurring),
        bursting: trend(Trend::Bursting),
        reopened: trend(Trend::Reopened),
        resolved: count(resolved),
        findings_not_listed: count(open.len().saturating_sub(MAX_LISTED)),
        findings_dropped: engine.dropped(),
        lost: outcome
            .losses
            .iter()
            .take(MAX_LOSSES)
            .map(|loss| Lost { source: loss.source.clone(), at_least_bytes: loss.at_least_bytes, how: loss.how })
            .collect(),
    }
}

fn metrics(engine: &Engine, report: &Report, body: &Body) -> Vec<Metric> {
    let totals = engine.totals();
    let mut metrics = vec![
        Metric::counter("ghost.anomaly.log.read", "By", totals.read_bytes),
        Metric::counter("ghost.anomaly.log.lines", "{line}", totals.lines),
        Metric::counter("ghost.anomaly.log.lost", "By", totals.lost_bytes),
        Metric::counter("ghost.anomaly.log.skipped", "By", totals.skipped_bytes),
        Metric::gauge("ghost.anomaly.log.behind", "By", report.outcome.behind_bytes as f64),
        Metric::gauge("ghost.anomaly.log.files", "{file}", report.outcome.files as f64),
    ];
    let open = [body.open.low, body.open.medium, body.open.high, body.open.critical];
    for (severity, (open, events)) in [Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
        .into_iter()
        .zip(open.into_iter().zip(totals.events))
    {
        metrics
            .push(Metric::gauge("ghost.anomaly.open", "{finding}", open as f64).label("severity", severity.as_str()));
        metrics.push(Metric::counter("ghost.anomaly.events", "{event}", events).label("severity", severity.as_str()));
    }
    metrics
}

fn finding(finding: &Finding, now_ms: i64) -> ghostd_sdk::Finding {
    let severity = match finding.severity {
        Severity::Low => ghostd_sdk::Severity::Low,
        Severity::Medium => ghostd_sdk::Severity::Medium,
        Severity::High => ghostd_sdk::Severity::High,
        Severity::Critical => ghostd_sdk::Severity::Critical,
    };
    let source = finding.line.map_or_else(|| finding.source.clone(), |line| format!("{}:{line}", finding.source));
    let mut out = ghostd_sdk::Finding::new(&fingerprint_text(finding.fingerprint), severity, title(finding))
        .source(source)
        .count(finding.count)
        .seen(finding.first_ms, finding.last_ms)
        .attribute("trend", finding.trend(now_ms).as_str())
        .attribute("template", finding.template.as_str())
        .attribute("lines", finding.lines)
        .attribute("rate_per_minute", finding.rate_per_minute)
        .attribute("usual_per_minute", finding.usual_per_minute);
    if !finding.example.is_empty() {
        out = out.detail(match &finding.cause {
            Some(cause) => format!("{}\ncause: {cause}", finding.example),
            None => finding.example.clone(),
        });
    }
    if let Some(cause) = &finding.cause {
        out = out.attribute("cause", cause.as_str());
    }
    if let Some((_, times)) = finding.reopened {
        out = out.attribute("reopened", u64::from(times));
    }
    if finding.resolved_ms.is_some() { out.resolved() } else { out }
}

/// One line that somebody can act on: what the example says, without its head.
fn title(finding: &Finding) -> String {
    let message = finding.example.get(finding.message_at..).unwrap_or("").trim();
    let mut title = if message.is_empty() { finding.template.clone() } else { message.to_owned() };
    if let Some(cause) = finding.cause.as_deref().filter(|cause| !title.contains(cause)) {
        title = format!("{title}: {cause}");
    }
    if title.is_empty() {
        "an event without words".clone_into(&mut title);
    }
    title.truncate(title.floor_char_boundary(TITLE_BYTES));
    title
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
