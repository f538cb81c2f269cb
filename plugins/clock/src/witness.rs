//! What each of those who may know says about the clock: own SNTP, chronyd, the kernel's discipline.
//!
//! None of them is right alone. STA_UNSYNC is set on machines that chronyd keeps well (without
//! `rtcsync`), and it is set 8.9 hours after the last correction at the earliest; chronyd in local mode
//! calls itself synchronised and is tied to nothing. So each is heard, and says why.
//!
//! All offsets are what the machine's clock must be moved by to be right: positive when it is behind.

use ghostd_sdk::Error;
use ghostd_sdk::host::clock::{KernelDiscipline, SntpAnswer, Tracking};
use serde::Serialize;

use crate::history::seconds;

/// The kernel's bound of maxerror, in microseconds: from here on systemd calls a clock unsynchronised.
pub const MAX_ERROR_US: i64 = 16_000_000;
/// An SNTP answer older than this says nothing any more, in milliseconds.
pub const MAX_ANSWER_AGE_MS: u64 = 6 * 3_600_000;
/// By how much a clock may drift since an answer, in parts per million (RFC 5905's PHI).
pub const DRIFT_SINCE_PPM: f64 = 15.0;
/// For how long nobody may have corrected a kernel that calls itself synchronised, in seconds. The
/// longest poll of timesyncd and of chronyd is 2,048 s; ntpd's 131,072 s is hardly ever reached.
pub const MAX_UNCORRECTED_SECONDS: f64 = 7_200.0;
/// chronyd's reference 127.127.1.1: its own clock, `local` in its configuration.
pub const CHRONY_LOCAL_REFERENCE: u32 = 0x7F7F_0101;
/// Offsets whose bounds leave a gap of this much contradict each other, in seconds. Bounds are estimates.
pub const DISAGREEMENT_SECONDS: f64 = 0.1;
/// The first stratum that means unsynchronised (RFC 5905).
const STRATUM_UNSYNCHRONISED: u16 = 16;

/// What a witness has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// The clock is kept right, and this is its offset.
    Synchronised,
    /// It ought to be kept right and is not.
    Unsynchronised,
    /// It does not know yet.
    Pending,
    /// It is not there, or is tied to nothing.
    Nothing,
}

/// One witness.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Witness {
    /// `sntp`, `chrony`, `kernel`.
    pub name: &'static str,
    /// Its word.
    pub says: Says,
    /// Why, in a sentence.
    pub reason: String,
    /// What the clock must be moved by.
    pub offset_seconds: Option<f64>,
    /// The offset is right within this much.
    pub bound_seconds: Option<f64>,
}

/// One SNTP server as it is reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Server {
    /// Its name in the configuration.
    pub server: String,
    /// Whether its answer can be used.
    pub usable: bool,
    /// Whether it is the one that was chosen.
    pub best: bool,
    /// What the clock must be moved by.
    pub offset_seconds: Option<f64>,
    /// Right within this much when it was measured.
    pub bound_seconds: Option<f64>,
    /// The round trip.
    pub delay_seconds: Option<f64>,
    /// Its distance from a reference clock.
    pub stratum: Option<u8>,
    /// How old the answer is.
    pub age_seconds: f64,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// All SNTP servers together.
#[derive(Clone, Debug, PartialEq)]
pub struct Sntp {
    /// The witness that they make.
    pub witness: Witness,
    /// Each for itself, in the configuration's order.
    pub servers: Vec<Server>,
    /// How far apart two usable servers are beyond their bounds, where they are.
    pub disagreement_seconds: Option<f64>,
}

/// Hears the SNTP servers. The best is the one with the smallest delay, since its bound is the tightest,
/// among those that most others agree with: one wrong server nearby must not outvote two right ones.
/// An answer from before the last step of the clock is about another clock: `step_age_ms`.
#[must_use]
pub fn sntp(answers: &Result<Vec<SntpAnswer>, Error>, step_age_ms: Option<u64>) -> Sntp {
    let witness =
        |says, reason: String| Witness { name: "sntp", says, reason, offset_seconds: None, bound_seconds: None };
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => {
            let witness = witness(Says::Nothing, error.to_string());
            return Sntp { witness, servers: Vec::new(), disagreement_seconds: None };
        }
    };
    let mut servers: Vec<Server> = answers.iter().map(|answer| server(answer, step_age_ms)).collect();
    let best = best(&servers);
    if let Some(best) = best.and_then(|index| servers.get_mut(index)) {
        best.best = true;
    }
    let witness = match servers.iter().find(|server| server.best) {
        Some(best) => {
            let bound = bound_now(best);
            Witness {
                name: "sntp",
                says: Says::Synchronised,
                reason: format!("`{}` answered {:.0} s ago", best.server, best.age_seconds),
                offset_seconds: best.offset_seconds,
                bound_seconds: Some(bound),
            }
        }
        None if servers.is_empty() => witness(Says::Nothing, "no servers are configured".to_owned()),
        // Not the servers' fault, and over as soon as they are asked again.
        None if answers.iter().any(|answer| answer.offset_ns.is_some() && is_void(answer, step_age_ms)) => {
            witness(Says::Pending, "no answer yet since the clock was stepped".to_owned())
        }
        None => match servers.iter().find_map(|server| server.error.as_deref().map(|error| (&server.server, error))) {
            Some((name, error)) => witness(
                Says::Unsynchronised,
                format!("none of {} servers gives the time; `{name}`: {error}", servers.len()),
            ),
            None => witness(Says::Pending, "no answer yet".to_owned()),
        },
    };
    let disagreement_seconds = disagreement(&servers);
    Sntp { witness, servers, disagreement_seconds }
}

/// Hears chronyd.
#[must_use]
pub fn chrony(tracking: &Result<Tracking, Error>) -> Witness {
    let says =
        |says, reason: String| Witness { name: "chrony", says, reason, offset_seconds: None, bound_seconds: None };
    let tracking = match tracking {
        Ok(tracking) => tracking,
        Err(Error::Pending(_)) => return says(Says::Pending, "chronyd has not answered yet".to_owned()),
        Err(error) => return says(Says::Nothing, error.to_string()),
    };
    if tracking.reference_id == CHRONY_LOCAL_REFERENCE {
        return says(
            Says::Nothing,
            "chronyd serves its own clock (`local`, reference 7F7F0101): tied to nothing".to_owned(),
        );
    }
    if tracking.leap == 3 || tracking.reference_id == 0 {
        return says(Says::Unsynchronised, "chronyd has no source that it can use".to_owned());
    }
    if tracking.stratum == 0 || tracking.stratum >= STRATUM_UNSYNCHRONISED {
        return says(Says::Unsynchronised, format!("chronyd is at stratum {}", tracking.stratum));
    }
    let offset = -tracking.offset_seconds;
    let bound = tracking.root_delay_seconds / 2.0 + tracking.root_dispersion_seconds;
    if !offset.is_finite() || !bound.is_finite() {
        return says(Says::Unsynchronised, "chronyd gives no number for the offset".to_owned());
    }
    Witness {
        name: "chrony",
        says: Says::Synchronised,
        reason: format!("chronyd follows reference {:08X} at stratum {}", tracking.reference_id, tracking.stratum),
        offset_seconds: Some(offset),
        bound_seconds: Some(bound.max(0.0)),
    }
}

/// Hears the kernel. `uncorrected_seconds`: for how long its maxerror has grown as it does when nobody
/// corrects the clock. `was_synchronised`: in this boot, so that something is there to do it.
#[must_use]
pub fn kernel(
    discipline: &Result<KernelDiscipline, Error>,
    uncorrected_seconds: Option<f64>,
    was_synchronised: bool,
) -> Witness {
    let says =
        |says, reason: String| Witness { name: "kernel", says, reason, offset_seconds: None, bound_seconds: None };
    let discipline = match discipline {
        Ok(discipline) => discipline,
        Err(error) => return says(Says::Nothing, error.to_string()),
    };
    let maximum_error_seconds = micros(discipline.maximum_error_us);
    if !discipline.synchronised || discipline.maximum_error_us >= MAX_ERROR_US {
        let word = if was_synchronised { Says::Unsynchronised } else { Says::Nothing };
        let history =
            if was_synchronised { "is no longer synchronised" } else { "was never synchronised in this boot" };
        return says(word, format!("kernel clock {history} (maximum error {maximum_error_seconds:.1} s)"));
    }
    if let Some(uncorrected) = uncorrected_seconds.filter(|uncorrected| *uncorrected > MAX_UNCORRECTED_SECONDS) {
        return says(
            Says::Unsynchronised,
            format!(
                "nothing has corrected the clock for {uncorrected:.0} s (maximum error {maximum_error_seconds:.1} s, growing)"
            ),
        );
    }
    Witness {
        name: "kernel",
        says: Says::Synchronised,
        reason: format!("kernel clock is synchronised, maximum error {maximum_error_seconds:.3} s"),
        offset_seconds: Some(discipline.offset_ns as f64 / 1e9),
        bound_seconds: Some(maximum_error_seconds.max(0.0)),
    }
}

/// How far apart two offsets are beyond what both their bounds allow.
#[must_use]
pub fn gap(a: (f64, f64), b: (f64, f64)) -> Option<f64> {
    let gap = (a.0 - b.0).abs() - a.1 - b.1;
    (gap > DISAGREEMENT_SECONDS).then_some(gap)
}

/// Microseconds as seconds.
#[must_use]
pub fn micros(us: i64) -> f64 {
    us as f64 / 1e6
}

fn server(answer: &SntpAnswer, step_age_ms: Option<u64>) -> Server {
    let error = answer.error.clone().or_else(|| {
        answer.offset_ns?;
        if answer.age_ms > MAX_ANSWER_AGE_MS {
            Some(format!("answer is {:.0} s old", answer.age_ms as f64 / 1e3))
        } else if is_void(answer, step_age_ms) {
            Some("answer is from before the clock was stepped".to_owned())
        } else {
            None
        }
    });
    Server {
        server: answer.server.clone(),
        usable: answer.offset_ns.is_some() && error.is_none(),
        best: false,
        offset_seconds: answer.offset_ns.map(|ns| ns as f64 / 1e9),
        bound_seconds: answer.bound_ns.map(seconds),
        delay_seconds: answer.delay_ns.map(seconds),
        stratum: answer.stratum,
        age_seconds: answer.age_ms as f64 / 1e3,
        error,
    }
}

/// Whether an answer is about the clock as it was before it was stepped.
fn is_void(answer: &SntpAnswer, step_age_ms: Option<u64>) -> bool {
    step_age_ms.is_some_and(|step| answer.age_ms >= step)
}

/// Where the best server stands, if any can be used.
fn best(servers: &[Server]) -> Option<usize> {
    let interval = |server: &Server| Some((server.offset_seconds?, bound_now(server)));
    let supporters = |candidate: &Server| {
        let usable = servers.iter().filter(|server| server.usable).filter_map(interval);
        interval(candidate).map_or(0, |own| usable.filter(|other| gap(own, *other).is_none()).count())
    };
    servers
        .iter()
        .enumerate()
        .filter(|(_, server)| server.usable)
        .max_by(|(_, a), (_, b)| {
            supporters(a).cmp(&supporters(b)).then_with(|| effective_delay(b).total_cmp(&effective_delay(a)))
        })
        .map(|(index, _)| index)
}

/// The delay that stands for how good an answer is; one that does not tell it comes last.
fn effective_delay(server: &Server) -> f64 {
    server.delay_seconds.or(server.bound_seconds).unwrap_or(f64::INFINITY)
}

/// The bound of an answer today: since then the clock went its own way.
fn bound_now(server: &Server) -> f64 {
    server.bound_seconds.or(server.delay_seconds).unwrap_or(0.0) + server.age_seconds * DRIFT_SINCE_PPM / 1e6
}

/// The widest gap between any two usable servers.
fn disagreement(servers: &[Server]) -> Option<f64> {
    let usable: Vec<(f64, f64)> = servers
        .iter()
        .filter(|server| server.usable)
        .filter_map(|server| Some((server.offset_seconds?, bound_now(server))))
        .collect();
    let pairs = usable.iter().enumerate().flat_map(|(index, a)| usable.iter().skip(index + 1).map(move |b| (*a, *b)));
    pairs.filter_map(|(a, b)| gap(a, b)).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(server: &str, offset_ms: i64, delay_ms: u64) -> SntpAnswer {
        SntpAnswer {
            server: server.to_owned(),
            age_ms: 1000,
            offset_ns: Some(offset_ms * 1_000_000),
            bound_ns: Some(delay_ms * 500_000 + 1_000_000),
            delay_ns: Some(delay_ms * 1_000_000),
            stratum: Some(2),
            error: None,
        }
    }

    fn silent(server: &str, error: Option<&str>) -> SntpAnswer {
        SntpAnswer { server: server.to_owned(), error: error.map(str::to_owned), ..Default::default() }
    }

    #[test]
    fn the_nearest_server_is_the_best() {
        let sntp =
            sntp(&Ok(vec![answer("far", 50, 200), silent("dead", Some("no answer")), answer("near", 3, 4)]), None);
        assert_eq!(sntp.witness.says, Says::Synchronised);
        assert_eq!(sntp.witness.offset_seconds, Some(0.003));
        let bound = sntp.witness.bound_seconds.unwrap();
        assert!((bound - 0.003_015).abs() < 1e-9, "{bound}");
        assert_eq!(sntp.servers.iter().map(|server| server.best).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(sntp.disagreement_seconds, None, "50 ms within 101 ms is no contradiction");
    }

    #[test]
    fn servers_that_contradict_each_other_are_told() {
        let sntp = sntp(&Ok(vec![answer("a", 0, 10), answer("b", 2_000, 10), answer("c", 1, 10)]), None);
        let gap = sntp.disagreement_seconds.unwrap();
        assert!((gap - 1.988).abs() < 0.001, "{gap}");
    }

    #[test]
    fn a_wrong_server_nearby_is_outvoted() {
        let sntp = sntp(&Ok(vec![answer("wrong", 2_000, 1), answer("b", 4, 20), answer("c", 1, 10)]), None);
        assert_eq!(sntp.witness.offset_seconds, Some(0.001));
        assert!(sntp.disagreement_seconds.is_some());
    }

    #[test]
    fn answers_that_are_too_old_or_from_before_a_step_are_no_evidence() {
        let mut old = answer("old", 0, 10);
        old.age_ms = MAX_ANSWER_AGE_MS + 1;
        let sntp_old = sntp(&Ok(vec![old]), None);
        assert_eq!(sntp_old.witness.says, Says::Unsynchronised);
        let before_step = sntp(&Ok(vec![answer("a", 0, 10)]), Some(500));
        assert_eq!(before_step.witness.says, Says::Pending, "the servers have not failed");
        assert!(before_step.servers[0].error.as_deref().is_some_and(|error| error.contains("stepped")));
        let after_step = sntp(&Ok(vec![answer("a", 0, 10)]), Some(5_000));
        assert_eq!(after_step.witness.says, Says::Synchronised);
    }

    #[test]
    fn nothing_configured_waiting_and_failing_are_three_things() {
        assert_eq!(sntp(&Ok(vec![]), None).witness.says, Says::Nothing);
        assert_eq!(sntp(&Ok(vec![silent("a", None)]), None).witness.says, Says::Pending);
        let failing = sntp(&Ok(vec![silent("a", Some("no answer")), silent("b", None)]), None).witness;
        assert_eq!(failing.says, Says::Unsynchronised);
        assert!(failing.reason.contains("none of 2 servers") && failing.reason.contains("`a`: no answer"));
        assert_eq!(sntp(&Err(Error::Unavailable("no prober".to_owned())), None).witness.says, Says::Nothing);
    }

    fn tracking() -> Tracking {
        Tracking {
            reference_id: 0xC0A8_0001,
            stratum: 3,
            offset_seconds: 0.002,
            root_delay_seconds: 0.01,
            root_dispersion_seconds: 0.001,
            ..Default::default()
        }
    }

    #[test]
    fn chronyd_is_believed_only_where_it_is_tied_to_something() {
        let good = chrony(&Ok(tracking()));
        assert_eq!((good.says, good.offset_seconds), (Says::Synchronised, Some(-0.002)));
        assert!((good.bound_seconds.unwrap() - 0.006).abs() < 1e-12);
        // Leap is normal and stratum 3 in local mode too.
        let local = chrony(&Ok(Tracking { reference_id: CHRONY_LOCAL_REFERENCE, ..tracking() }));
        assert_eq!(local.says, Says::Nothing);
        assert!(local.reason.contains("tied to nothing"));
        assert_eq!(chrony(&Ok(Tracking { leap: 3, ..tracking() })).says, Says::Unsynchronised);
        assert_eq!(chrony(&Ok(Tracking { stratum: 16, ..tracking() })).says, Says::Unsynchronised);
        assert_eq!(chrony(&Ok(Tracking { offset_seconds: f64::NAN, ..tracking() })).says, Says::Unsynchronised);
        assert_eq!(chrony(&Err(Error::NotFound("no chronyd".to_owned()))).says, Says::Nothing);
    }

    #[test]
    fn the_kernel_is_judged_by_its_flag_its_error_and_its_trend() {
        let discipline = |synchronised, maximum_error_us| {
            Ok(KernelDiscipline { synchronised, maximum_error_us, offset_ns: 1_500_000, ..Default::default() })
        };
        let good = kernel(&discipline(true, 20_000), Some(900.0), true);
        assert_eq!(
            (good.says, good.offset_seconds, good.bound_seconds),
            (Says::Synchronised, Some(0.0015), Some(0.02))
        );
        assert_eq!(kernel(&discipline(true, 4_000_000), Some(8_000.0), true).says, Says::Unsynchronised);
        assert_eq!(kernel(&discipline(true, MAX_ERROR_US), None, true).says, Says::Unsynchronised);
        assert_eq!(kernel(&discipline(false, MAX_ERROR_US), None, false).says, Says::Nothing, "no source ever");
    }
}
