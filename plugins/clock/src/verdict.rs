//! One verdict out of what the witnesses say, in the original's words, with its reason.

use serde::Serialize;

use crate::config::Config;
use crate::witness::{Says, Witness, gap};

/// For how long after boot a clock may be unsynchronised without anything being wrong, in seconds:
/// networks come up and daemons want some samples first.
pub const BOOT_GRACE_SECONDS: f64 = 300.0;

/// How the clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Off by less than `warn_seconds`.
    Synced,
    /// Off by at least `warn_seconds`.
    DriftWarning,
    /// Off by at least `critical_seconds`.
    DriftCritical,
    /// Off by at least `failed_seconds`, or no source that should keep it right can be used.
    SyncFailed,
    /// There is no source that could tell, or none has answered yet. Outside of every verdict.
    Unknown,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// How the clock stands.
    pub status: Status,
    /// Why, in a sentence.
    pub reason: String,
    /// The witness whose offset counts.
    pub source: Option<&'static str>,
    /// What the clock must be moved by to be right.
    pub offset_seconds: Option<f64>,
    /// The offset is right within this much.
    pub offset_bound_seconds: Option<f64>,
    /// Those whose offset contradicts that of `source`.
    pub contradicted_by: Vec<&'static str>,
}

/// Weighs the witnesses: the first that has an offset counts, so the strongest stands first.
#[must_use]
pub fn judge(witnesses: &[Witness], config: &Config, uptime_seconds: f64) -> Verdict {
    let offsets: Vec<(&Witness, f64, f64)> = witnesses
        .iter()
        .filter(|witness| witness.says == Says::Synchronised)
        .filter_map(|witness| Some((witness, witness.offset_seconds?, witness.bound_seconds?)))
        .collect();
    match offsets.split_first() {
        Some((&(chosen, offset, bound), others)) => {
            let contradicted_by: Vec<&'static str> = others
                .iter()
                .filter(|other| gap((offset, bound), (other.1, other.2)).is_some())
                .map(|other| other.0.name)
                .collect();
            Verdict {
                status: by_offset(offset, config),
                reason: reason(chosen, offset, bound, &contradicted_by),
                source: Some(chosen.name),
                offset_seconds: Some(offset),
                offset_bound_seconds: Some(bound),
                contradicted_by,
            }
        }
        None => without_offset(witnesses, uptime_seconds),
    }
}

fn by_offset(offset: f64, config: &Config) -> Status {
    let distance = offset.abs();
    if distance >= config.failed_seconds {
        Status::SyncFailed
    } else if distance >= config.critical_seconds {
        Status::DriftCritical
    } else if distance >= config.warn_seconds {
        Status::DriftWarning
    } else {
        Status::Synced
    }
}

fn reason(chosen: &Witness, offset: f64, bound: f64, contradicted_by: &[&str]) -> String {
    let side = if offset < 0.0 { "ahead" } else { "behind" };
    let mut text = format!("clock is {:.6} s {side}, within {bound:.6} s: {}", offset.abs(), chosen.reason);
    if !contradicted_by.is_empty() {
        text.push_str(&format!("; contradicted by {}", contradicted_by.join(" and ")));
    }
    text
}

fn without_offset(witnesses: &[Witness], uptime_seconds: f64) -> Verdict {
    let of = |says: Says| witnesses.iter().filter(move |witness| witness.says == says).collect::<Vec<_>>();
    let (failed, pending) = (of(Says::Unsynchronised), of(Says::Pending));
    let told =
        |witnesses: &[&Witness]| witnesses.iter().map(|witness| witness.reason.as_str()).collect::<Vec<_>>().join("; ");
    let (status, reason) = if !failed.is_empty() && uptime_seconds < BOOT_GRACE_SECONDS {
        (Status::Unknown, format!("not synchronised yet after boot: {}", told(&failed)))
    } else if !pending.is_empty() {
        (Status::Unknown, told(&pending))
    } else if !failed.is_empty() {
        (Status::SyncFailed, told(&failed))
    } else {
        let all: Vec<&Witness> = witnesses.iter().collect();
        (Status::Unknown, format!("no clock source is known here: {}", told(&all)))
    };
    Verdict { status, reason, source: None, offset_seconds: None, offset_bound_seconds: None, contradicted_by: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3_600.0;

    fn witness(name: &'static str, says: Says, offset: Option<(f64, f64)>) -> Witness {
        Witness {
            name,
            says,
            reason: format!("{name} says so"),
            offset_seconds: offset.map(|(offset, _)| offset),
            bound_seconds: offset.map(|(_, bound)| bound),
        }
    }

    #[test]
    fn the_originals_words_at_30_60_and_150_seconds_either_way() {
        for (offset, status) in [
            (0.0, Status::Synced),
            (29.999, Status::Synced),
            (30.0, Status::DriftWarning),
            (-59.999, Status::DriftWarning),
            (60.0, Status::DriftCritical),
            (-149.999, Status::DriftCritical),
            (-150.0, Status::SyncFailed),
        ] {
            let verdict = judge(&[witness("sntp", Says::Synchronised, Some((offset, 0.01)))], &Config::default(), HOUR);
            assert_eq!(verdict.status, status, "{offset}");
        }
    }

    #[test]
    fn the_strongest_witness_counts_and_contradictions_are_named() {
        let witnesses = [
            witness("sntp", Says::Synchronised, Some((40.0, 0.02))),
            witness("chrony", Says::Synchronised, Some((0.001, 0.01))),
            witness("kernel", Says::Synchronised, Some((0.0, 60.0))),
        ];
        let verdict = judge(&witnesses, &Config::default(), HOUR);
        assert_eq!((verdict.status, verdict.source), (Status::DriftWarning, Some("sntp")));
        assert_eq!(verdict.contradicted_by, ["chrony"]);
        assert_eq!(
            verdict.reason,
            "clock is 40.000000 s behind, within 0.020000 s: sntp says so; contradicted by chrony"
        );
    }

    #[test]
    fn a_kernel_flag_does_not_outweigh_a_good_chronyd() {
        let witnesses = [
            witness("sntp", Says::Nothing, None),
            witness("chrony", Says::Synchronised, Some((-0.002, 0.01))),
            witness("kernel", Says::Unsynchronised, None),
        ];
        let verdict = judge(&witnesses, &Config::default(), HOUR);
        assert_eq!((verdict.status, verdict.source), (Status::Synced, Some("chrony")));
        assert!(verdict.reason.starts_with("clock is 0.002000 s ahead"), "{}", verdict.reason);
    }

    #[test]
    fn no_source_at_all_is_unknown() {
        let witnesses = ["sntp", "chrony", "kernel"].map(|name| witness(name, Says::Nothing, None));
        let verdict = judge(&witnesses, &Config::default(), HOUR);
        assert_eq!((verdict.status, verdict.offset_seconds), (Status::Unknown, None));
        assert_eq!(verdict.reason, "no clock source is known here: sntp says so; chrony says so; kernel says so");
    }

    #[test]
    fn a_source_that_fails_is_a_failure_but_not_right_after_boot_or_before_an_answer() {
        let failing = [witness("sntp", Says::Unsynchronised, None), witness("kernel", Says::Nothing, None)];
        assert_eq!(judge(&failing, &Config::default(), HOUR).status, Status::SyncFailed);
        assert_eq!(judge(&failing, &Config::default(), 60.0).status, Status::Unknown);
        let waiting = [witness("sntp", Says::Pending, None), witness("kernel", Says::Unsynchronised, None)];
        assert_eq!(judge(&waiting, &Config::default(), HOUR).status, Status::Unknown);
    }
}
