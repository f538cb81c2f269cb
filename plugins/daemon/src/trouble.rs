//! What is wrong with a daemon, as findings.
//!
//! Owns when each begins and when it is over, and how it is named. Nothing is wrong in maintenance.

use ghostd_sdk::{Finding, Severity};

use crate::config::Config;
use crate::judge::{Now, Verdict};
use crate::memory::{Past, Trouble};
use crate::served::Served;
use crate::status::Status;
use crate::time::rfc3339;

/// The longest part of a fingerprint that comes from a name, in bytes.
const MAX_SLUG_BYTES: usize = 80;

/// What is open now, and what is over since the last look. Changes `past.open` accordingly.
#[must_use]
pub fn findings(
    past: &mut Past,
    daemon: &Named<'_>,
    verdict: &Verdict,
    served: &Served,
    now: &Now,
    config: &Config,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for trouble in [Trouble::Failed, Trouble::Flapping, Trouble::Paused, Trouble::Unanswered, Trouble::Stale] {
        let was_open = past.open.contains_key(&trouble);
        let open = !daemon.maintenance && is_open(trouble, was_open, past, verdict, served, now, config);
        if open {
            let first_ms = *past.open.entry(trouble).or_insert(now.ms);
            findings.push(finding(trouble, past, daemon, verdict, served, now, config).seen(first_ms, now.ms));
        } else if let Some(first_ms) = past.open.remove(&trouble) {
            findings.push(over(trouble, daemon.name, daemon.slug, "it is over").seen(first_ms, now.ms));
        }
    }
    findings
}

/// Which daemon it is about.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Its name.
    pub name: &'a str,
    /// The part of fingerprints that the name makes.
    pub slug: &'a str,
    /// Whether it is in a maintenance window.
    pub maintenance: bool,
}

/// What was open of a daemon that is no longer watched.
#[must_use]
pub fn forget(past: &Past, name: &str, slug: &str, now: &Now) -> Vec<Finding> {
    let over = |(&trouble, &first_ms)| over(trouble, name, slug, "it is no longer watched").seen(first_ms, now.ms);
    past.open.iter().map(over).collect()
}

/// The part of a fingerprint that a name makes. `redacted` is the name without secrets; what may not
/// stand in a fingerprint, or is too long, makes a hash of the name part of it, so that two daemons never
/// share one.
#[must_use]
pub fn slug(redacted: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if redacted.len() <= MAX_SLUG_BYTES && !redacted.is_empty() && redacted.chars().all(allowed) {
        return redacted.to_owned();
    }
    let plain: String = redacted.chars().take(MAX_SLUG_BYTES).map(|c| if allowed(c) { c } else { '_' }).collect();
    let hash = redacted
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{plain}-{hash:016x}")
}

/// How many restarts lie within the configured span.
#[must_use]
pub fn recent_restarts(past: &Past, now: &Now, config: &Config) -> usize {
    let span_ns = u64::from(config.flapping_seconds) * 1_000_000_000;
    past.restarts_ns.iter().filter(|&&at| now.ns.saturating_sub(at) < span_ns).count()
}

fn is_open(
    trouble: Trouble,
    was_open: bool,
    past: &Past,
    verdict: &Verdict,
    served: &Served,
    now: &Now,
    config: &Config,
) -> bool {
    match trouble {
        // One that does not run is a finding already.
        Trouble::Unanswered | Trouble::Stale if verdict.status == Status::Failed => false,
        Trouble::Unanswered => served.is_open(trouble).unwrap_or(was_open && served.ping.is_some()),
        // A daemon that was never seen need not have left a sign of life.
        Trouble::Stale if verdict.status == Status::Unknown => was_open && served.is_open(trouble) != Some(false),
        Trouble::Stale => served.is_open(trouble).unwrap_or(was_open && served.heartbeat_file.is_some()),
        // Where nothing is known, what was wrong is not over.
        Trouble::Failed => verdict.status == Status::Failed || (was_open && verdict.status == Status::Unknown),
        Trouble::Flapping => {
            let restarts = recent_restarts(past, now, config);
            restarts > config.flapping_restarts as usize || (was_open && restarts > 0)
        }
        Trouble::Paused => past
            .paused_ns
            .is_some_and(|since| now.ns.saturating_sub(since) >= u64::from(config.paused_seconds) * 1_000_000_000),
    }
}

fn finding(
    trouble: Trouble,
    past: &Past,
    &Named { name, slug, .. }: &Named<'_>,
    verdict: &Verdict,
    served: &Served,
    now: &Now,
    config: &Config,
) -> Finding {
    let reason = verdict.reason.as_deref().unwrap_or("no reason known");
    match trouble {
        Trouble::Failed => new(trouble, slug, format!("daemon `{name}` does not run: {reason}"))
            .detail(failed_detail(past))
            .count(past.failures.max(1)),
        Trouble::Flapping => {
            let restarts = recent_restarts(past, now, config);
            let minutes = f64::from(config.flapping_seconds) / 60.0;
            new(trouble, slug, format!("daemon `{name}` keeps restarting: {restarts} times within {minutes:.0} min"))
                .detail(format!("It counts as calm after {} s without a restart.", config.flapping_seconds))
                .count(past.restarts.max(1))
        }
        Trouble::Paused => new(trouble, slug, format!("daemon `{name}` is paused: {reason}"))
            .detail("Its process is there and does nothing. `kill -CONT` continues it."),
        Trouble::Unanswered => {
            let reason = served.reason(trouble);
            new(trouble, slug, format!("daemon `{name}` does not answer its ping: {reason}"))
        }
        Trouble::Stale => {
            let reason = served.reason(trouble);
            new(trouble, slug, format!("daemon `{name}` gives no sign of life in its heartbeat file: {reason}"))
        }
    }
}

fn failed_detail(past: &Past) -> String {
    let mut detail = String::new();
    if let Some(end) = past.last_exit {
        let at = rfc3339(end.at_ms);
        detail = match end.not_before_ms.filter(|&from| from != end.at_ms) {
            Some(from) => format!("Process {} ended between {} and {at}.", end.id.0, rfc3339(from)),
            None => format!("Process {} ended at {at}.", end.id.0),
        };
    }
    detail.push_str(&format!(" Ends noticed: {}, restarts: {}.", past.exits, past.restarts));
    detail.trim_start().to_owned()
}

fn over(trouble: Trouble, name: &str, slug: &str, why: &str) -> Finding {
    let what = match trouble {
        Trouble::Failed => "does not run",
        Trouble::Flapping => "keeps restarting",
        Trouble::Paused => "is paused",
        Trouble::Unanswered => "does not answer its ping",
        Trouble::Stale => "gives no sign of life in its heartbeat file",
    };
    new(trouble, slug, format!("daemon `{name}` {what}: {why}")).resolved()
}

fn new(trouble: Trouble, slug: &str, title: String) -> Finding {
    let (word, severity) = match trouble {
        Trouble::Failed => ("failed", Severity::High),
        Trouble::Flapping => ("flapping", Severity::High),
        Trouble::Paused => ("paused", Severity::Medium),
        Trouble::Unanswered => ("unanswered", Severity::Medium),
        Trouble::Stale => ("stale", Severity::Medium),
    };
    Finding::new(&format!("daemon:{slug}:{word}"), severity, title)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Now {
        Now { ms: i64::try_from(seconds).unwrap() * 1000, ns: seconds * SECOND_NS, last_ms: None }
    }

    fn open(past: &mut Past, status: Status, maintenance: bool, seconds: u64) -> Vec<(String, bool)> {
        let verdict = Verdict { status, reason: None };
        let daemon = Named { name: "d", slug: "d", maintenance };
        findings(past, &daemon, &verdict, &Served::default(), &at(seconds), &Config::default())
            .into_iter()
            .map(|finding| (finding.fingerprint, finding.resolved))
            .collect()
    }

    fn is(word: &str, resolved: bool) -> Vec<(String, bool)> {
        vec![(format!("daemon:d:{word}"), resolved)]
    }

    #[test]
    fn failed_is_open_until_it_is_known_to_run_and_told_once_more_then() {
        let mut past = Past::default();
        assert_eq!(open(&mut past, Status::Failed, false, 10), is("failed", false));
        assert_eq!(open(&mut past, Status::Unknown, false, 20), is("failed", false));
        assert_eq!(open(&mut past, Status::Restarted, false, 30), is("failed", true));
        assert_eq!(open(&mut past, Status::Running, false, 40), []);
    }

    #[test]
    fn maintenance_closes_and_opens_nothing() {
        let mut past = Past::default();
        open(&mut past, Status::Failed, false, 10);
        assert_eq!(open(&mut past, Status::Failed, true, 20), is("failed", true));
        assert_eq!(open(&mut past, Status::Failed, true, 30), []);
        assert_eq!(open(&mut past, Status::Failed, false, 40), is("failed", false));
    }

    #[test]
    fn flapping_begins_with_one_restart_too_many_and_ends_with_calm() {
        let mut past = Past { restarts_ns: vec![100 * SECOND_NS; 3], ..Past::default() };
        assert_eq!(open(&mut past, Status::Restarted, false, 110), []);
        past.restarts_ns.push(120 * SECOND_NS);
        assert_eq!(open(&mut past, Status::Restarted, false, 120), is("flapping", false));
        assert_eq!(open(&mut past, Status::Running, false, 719), is("flapping", false));
        assert_eq!(open(&mut past, Status::Running, false, 720), is("flapping", true));
    }

    #[test]
    fn a_short_stop_is_no_trouble() {
        let mut past = Past { paused_ns: Some(100 * SECOND_NS), ..Past::default() };
        assert_eq!(open(&mut past, Status::Paused, false, 129), []);
        assert_eq!(open(&mut past, Status::Paused, false, 130), is("paused", false));
        past.paused_ns = None;
        assert_eq!(open(&mut past, Status::Running, false, 135), is("paused", true));
    }

    #[test]
    fn a_daemon_that_is_no_longer_watched_leaves_nothing_open() {
        let mut past = Past::default();
        open(&mut past, Status::Failed, false, 10);
        let findings = forget(&past, "d", "d", &at(20));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].resolved && findings[0].title.ends_with("it is no longer watched"));
    }

    #[test]
    fn names_make_fingerprints_that_differ() {
        assert_eq!(slug("relayCore"), "relayCore");
        assert_ne!(slug("a b"), slug("a/b"));
        assert!(slug(&"ä".repeat(300)).len() <= MAX_SLUG_BYTES + 17);
    }
}
