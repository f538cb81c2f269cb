//! Findings: what is open, and what is over and told once more.

use std::collections::BTreeMap;

use ghostd_sdk::{Finding, Severity};
use serde::{Deserialize, Serialize};

use crate::history::Steps;
use crate::verdict::{Status, Verdict};

/// For how long a step stays an open finding, in milliseconds on BOOTTIME: long enough that somebody
/// sees it, short enough that it does not stand there for ever.
pub const STEP_OPEN_MS: u64 = 3_600_000;
/// A step of at least this much is somebody's trouble: certificates, leases and logs go wrong.
const LARGE_STEP_SECONDS: f64 = 1.0;

/// What was open at the last call: fingerprint to title and time of first sight, in milliseconds since
/// the epoch.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Open(BTreeMap<String, (String, i64)>);

impl Open {
    /// Fills in since when each is open, and adds what is over since the last call as resolved.
    pub fn settle(&mut self, mut findings: Vec<Finding>, now_ms: i64) -> Vec<Finding> {
        let before = std::mem::take(&mut self.0);
        for finding in &mut findings {
            let first_ms = before.get(&finding.fingerprint).map_or(finding.first_ms.unwrap_or(now_ms), |open| open.1);
            finding.first_ms = Some(first_ms);
            finding.last_ms.get_or_insert(now_ms);
            self.0.insert(finding.fingerprint.clone(), (finding.title.clone(), first_ms));
        }
        for (fingerprint, (title, first_ms)) in before {
            if !self.0.contains_key(&fingerprint) {
                findings.push(Finding::new(&fingerprint, Severity::Low, title).seen(first_ms, now_ms).resolved());
            }
        }
        findings
    }
}

/// What is wrong now.
#[must_use]
pub fn findings(
    verdict: &Verdict,
    steps: &Steps,
    step_age_ms: Option<u64>,
    server_gap_seconds: Option<f64>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(standing(verdict));
    if let (Some(step_ns), Some(_)) = (steps.last_ns, step_age_ms.filter(|age| *age < STEP_OPEN_MS)) {
        findings.push(stepped(step_ns, steps));
    }
    if let Some(gap) = server_gap_seconds {
        let title = format!("SNTP servers contradict each other by {gap:.3} s");
        findings.push(Finding::new("clock.servers_disagree", Severity::Medium, title));
    }
    if !verdict.contradicted_by.is_empty() {
        let source = verdict.source.unwrap_or_default();
        let title =
            format!("{source} and {} contradict each other about the clock", verdict.contradicted_by.join(", "));
        findings.push(Finding::new("clock.witnesses_disagree", Severity::Medium, title).detail(verdict.reason.clone()));
    }
    findings
}

fn standing(verdict: &Verdict) -> Option<Finding> {
    let severity = match verdict.status {
        Status::Synced | Status::Unknown => return None,
        Status::DriftWarning => Severity::Medium,
        Status::DriftCritical => Severity::High,
        Status::SyncFailed if verdict.offset_seconds.is_some() => Severity::Critical,
        Status::SyncFailed => Severity::Medium,
    };
    Some(match verdict.offset_seconds {
        Some(offset) => {
            let side = if offset < 0.0 { "ahead" } else { "behind" };
            let title = format!("clock is {:.1} s {side}", offset.abs());
            Finding::new("clock.drift", severity, title)
                .detail(verdict.reason.clone())
                .attribute("offset_seconds", offset)
        }
        None => Finding::new("clock.unsynchronised", severity, "no source keeps the clock right")
            .detail(verdict.reason.clone()),
    })
}

fn stepped(step_ns: i64, steps: &Steps) -> Finding {
    let step_seconds = step_ns as f64 / 1e9;
    let way = if step_ns < 0 { "back" } else { "forward" };
    let severity = if step_seconds.abs() < LARGE_STEP_SECONDS { Severity::Low } else { Severity::Medium };
    Finding::new("clock.step", severity, format!("clock was stepped {way} by {:.3} s", step_seconds.abs()))
        .count(steps.count)
        .seen(steps.first_ms, steps.last_ms)
        .attribute("step_seconds", step_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: Status, offset_seconds: Option<f64>) -> Verdict {
        Verdict {
            status,
            reason: "because".to_owned(),
            source: Some("sntp"),
            offset_seconds,
            offset_bound_seconds: None,
            contradicted_by: vec![],
        }
    }

    #[test]
    fn a_finding_keeps_its_first_time_and_is_resolved_once() {
        let mut open = Open::default();
        let drift = || findings(&verdict(Status::DriftCritical, Some(-70.0)), &Steps::default(), None, None);
        let first = open.settle(drift(), 1_000);
        assert_eq!((first[0].title.as_str(), first[0].severity), ("clock is 70.0 s ahead", Severity::High));
        let second = open.settle(drift(), 6_000);
        assert_eq!((second[0].first_ms, second[0].last_ms), (Some(1_000), Some(6_000)));
        let over = open.settle(vec![], 11_000);
        assert_eq!((over.len(), over[0].fingerprint.as_str(), over[0].resolved), (1, "clock.drift", true));
        assert!(open.settle(vec![], 16_000).is_empty());
    }

    #[test]
    fn unknown_and_synced_are_no_trouble() {
        for status in [Status::Unknown, Status::Synced] {
            assert!(findings(&verdict(status, None), &Steps::default(), None, None).is_empty());
        }
    }

    #[test]
    fn a_step_is_open_for_an_hour() {
        let steps = Steps { count: 2, last_ns: Some(-90_500_000_000), first_ms: 5, last_ms: 9, last_boottime_ns: 1 };
        let synced = verdict(Status::Synced, Some(0.0));
        let found = findings(&synced, &steps, Some(1_000), None);
        assert_eq!(found[0].title, "clock was stepped back by 90.500 s");
        assert_eq!((found[0].count, found[0].severity), (2, Severity::Medium));
        assert!(findings(&synced, &steps, Some(STEP_OPEN_MS), None).is_empty());
        assert!(findings(&synced, &steps, None, None).is_empty());
    }
}
