//! The demo's logs: which lines come when, as the anomaly collector would group them.

use serde_json::json;

use super::noise::Noise;
use super::section::{counter, finding, gauge, section, tidy};
use super::story::{
    BROKER_AWAY, CERTIFICATE_ENDS, Calendar, DISK_FILLS, HOUR, LENGTH, MINUTE, OUT_OF_MEMORY, RELAY_MENDED,
};
use crate::model::{Finding, Section, Severity, Value};

struct Pattern {
    fingerprint: &'static str,
    severity: Severity,
    title: &'static str,
    template: &'static str,
    example: &'static str,
    source: &'static str,
    open: (u64, u64),
    /// Lines a minute while it is open.
    per_minute: f64,
    bursts: bool,
}

const NEVER: u64 = LENGTH + HOUR;

const PATTERNS: [Pattern; 5] = [
    Pattern {
        fingerprint: "a3f0c1d29b7e5f14",
        severity: Severity::Medium,
        title: "slow query: SELECT * FROM deliveries WHERE state = 'open' took 5231 ms",
        template: "slow query: SELECT * FROM deliveries WHERE state = <*> took <num> ms",
        example: "2026-11-22T08:14:02.114Z WARN relayCore db slow query: SELECT * FROM deliveries WHERE state = 'open' took 5231 ms",
        source: "logs/relay/relayCore.log",
        open: (2 * HOUR + 12 * MINUTE, NEVER),
        per_minute: 0.34,
        bursts: false,
    },
    Pattern {
        fingerprint: "5be2084417c9aa60",
        severity: Severity::High,
        title: "cannot publish to broker 10.0.4.17:5672: connection refused",
        template: "cannot publish to broker <addr>: connection refused",
        example: "2026-11-22T11:02:41.900Z ERROR messageQueue cannot publish to broker 10.0.4.17:5672: connection refused (attempt 3)",
        source: "logs/relay/messageQueue.log",
        open: (BROKER_AWAY.0 + MINUTE, BROKER_AWAY.1 + 10 * MINUTE),
        per_minute: 39.0,
        bursts: true,
    },
    Pattern {
        fingerprint: "0c77d1be53f2846a",
        severity: Severity::Critical,
        title: "Out of memory: Killed process 1412 (node) total-vm:15203920kB, anon-rss:13988112kB",
        template: "Out of memory: Killed process <num> (node) total-vm:<num>kB, anon-rss:<num>kB",
        example: "kernel: Out of memory: Killed process 1412 (node) total-vm:15203920kB, anon-rss:13988112kB, file-rss:0kB",
        source: "logs/kern.log",
        open: (OUT_OF_MEMORY + 20, RELAY_MENDED + 30 * MINUTE),
        per_minute: 0.02,
        bursts: false,
    },
    Pattern {
        fingerprint: "91c40a6ef35d7b28",
        severity: Severity::High,
        title: "write failed: No space left on device (/var/spool/relay/outbox.db)",
        template: "write failed: No space left on device (<path>)",
        example: "2026-11-24T00:41:09.301Z ERROR decisionEngine write failed: No space left on device (/var/spool/relay/outbox.db)",
        source: "logs/relay/decisionEngine.log",
        open: (DISK_FILLS.1 - 40 * MINUTE, DISK_FILLS.1 + 5 * MINUTE),
        per_minute: 7.5,
        bursts: true,
    },
    Pattern {
        fingerprint: "e8b65d0213fc9c47",
        severity: Severity::Medium,
        title: "TLS handshake with metrics.example.net failed: certificate has expired",
        template: "TLS handshake with <host> failed: certificate has expired",
        example: "2026-11-23T22:05:00.010Z error healthAggregator TLS handshake with metrics.example.net failed: certificate has expired",
        source: "logs/relay/healthAggregator.log",
        open: (CERTIFICATE_ENDS, NEVER),
        per_minute: 2.0,
        bursts: false,
    },
];

impl Pattern {
    fn count(&self, now: u64) -> u64 {
        let minutes = now.min(self.open.1).saturating_sub(self.open.0) as f64 / 60.0;
        1 + (minutes * self.per_minute) as u64
    }

    fn finding(&self, now: u64, calendar: &Calendar, noise: &Noise) -> Finding {
        let (first, last) = (calendar.at(self.open.0).wall, calendar.at(now).wall);
        let mut open = finding(self.fingerprint, self.severity, self.title.to_owned(), first, last);
        let age = now - self.open.0;
        let rate = self.per_minute * (1.0 + 0.3 * noise.curve(self.fingerprint, now));
        let trend = match age {
            0..600 if self.bursts => "bursting",
            0..900 => "new",
            _ => "recurring",
        };
        open.source = Some(self.source.to_owned());
        open.detail = Some(self.example.to_owned());
        open.count = self.count(now);
        open.attributes = [
            ("trend", Value::from(trend)),
            ("template", Value::from(self.template)),
            ("lines", Value::Unsigned(1)),
            ("rate_per_minute", Value::Float(tidy(rate.max(0.01)))),
            ("usual_per_minute", Value::Float(tidy(if self.bursts { 0.05 } else { self.per_minute }))),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
        open
    }
}

/// The section.
pub(super) fn anomaly(now: u64, calendar: &Calendar, noise: &Noise) -> Section {
    let open: Vec<&Pattern> =
        PATTERNS.iter().filter(|pattern| (pattern.open.0..pattern.open.1).contains(&now)).collect();
    let of = |severity: Severity| open.iter().filter(|pattern| pattern.severity == severity).count();
    let counts = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical].map(of);
    let lines = 900 + (noise.at("lines", now) * 400.0) as u64;
    let body = json!({
        "files": 14, "files_not_followed": 0, "files_left_alone": 2, "read_bytes": lines * 131, "lines": lines,
        "behind_bytes": 0, "behind_files": 0, "skipped_bytes": 0, "long_lines": 0, "binary_lines": 0,
        "open": {"low": counts[0], "medium": counts[1], "high": counts[2], "critical": counts[3]},
        "events_ignored": 0, "findings_not_listed": 0, "findings_dropped": 0, "lost": [],
    });
    let mut points = vec![
        counter("ghost.anomaly.log.read", "By", 812_000_000 + now * 2_010, &[]),
        counter("ghost.anomaly.log.lines", "{line}", 6_190_000 + now * 15, &[]),
    ];
    for (severity, (count, level)) in ["low", "medium", "high", "critical"].into_iter().zip(counts.into_iter().zip([
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ])) {
        let labels = [("severity", severity)];
        let seen = PATTERNS.iter().filter(|one| one.severity == level && one.open.0 <= now);
        points.push(gauge("ghost.anomaly.open", "{finding}", count as f64, &labels));
        points.push(counter("ghost.anomaly.events", "{event}", seen.map(|one| one.count(now)).sum(), &labels));
    }
    let findings = open.iter().map(|pattern| pattern.finding(now, calendar, noise)).collect();
    section("anomaly", body, points, findings)
}
