//! `ghost:host/probe`.

use super::super::bindings::ghost::host::probe as wit;
use super::super::state::CallState;
use super::Answer;
use super::fake::given;
use crate::probe::ping::Outcome;

impl wit::Host for CallState {
    fn latest(&mut self) -> Answer<Vec<wit::Observation>> {
        self.lend(
            |fake| given("probe", &fake.probe),
            |services| Ok(Ok(services.observations().into_iter().map(observation).collect())),
        )
    }
}

fn observation(one: crate::probe::ping::Observation) -> wit::Observation {
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
