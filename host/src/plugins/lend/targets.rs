//! `ghost:host/probe`.

use super::super::bindings::ghost::host::probe as wit;
use super::super::state::CallState;
use super::Answer;
use super::fake::given;
use crate::probe::ping::{Observation, Outcome};
use crate::probe::signs::{Sign, SignState};

/// The kind of an observation that is of a heartbeat file.
const HEARTBEAT_FILE: &str = "heartbeat-file";

impl wit::Host for CallState {
    fn latest(&mut self) -> Answer<Vec<wit::Observation>> {
        self.lend(
            |fake| given("probe", &fake.probe),
            |services| {
                let pings = services.pings().into_iter().map(of_ping);
                Ok(Ok(pings.chain(services.signs().into_iter().map(of_sign)).collect()))
            },
        )
    }
}

fn of_ping(one: Observation) -> wit::Observation {
    wit::Observation {
        target: one.target,
        kind: one.kind,
        outcome: match one.outcome {
            Outcome::Pending => wit::Outcome::Pending,
            Outcome::Ok => wit::Outcome::Ok,
            Outcome::Wrong => wit::Outcome::Wrong,
            Outcome::Timeout => wit::Outcome::Timeout,
            Outcome::Unreachable => wit::Outcome::Unreachable,
        },
        age_ms: one.age_ms,
        latency_ns: one.latency_ns,
        detail: one.detail,
        streak: one.streak,
    }
}

/// The age is that of the sign of life, not of the look for it, which is never older than a heartbeat.
fn of_sign(sign: Sign) -> wit::Observation {
    wit::Observation {
        target: sign.daemon,
        kind: HEARTBEAT_FILE.to_owned(),
        outcome: match sign.state {
            SignState::Pending => wit::Outcome::Pending,
            SignState::Fresh => wit::Outcome::Ok,
            SignState::Stale | SignState::Future | SignState::Malformed => wit::Outcome::Wrong,
            SignState::Vanished | SignState::Missing | SignState::Unreadable => wit::Outcome::Unreachable,
        },
        age_ms: sign.age_ms.unwrap_or(0),
        latency_ns: None,
        detail: sign.detail,
        streak: 1,
    }
}
