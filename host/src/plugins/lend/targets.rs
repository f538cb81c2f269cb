//! `ghost:host/probe`.

use super::super::bindings::ghost::host::probe as wit;
use super::super::state::CallState;
use super::Answer;
use crate::probe::ping::Outcome;

impl wit::Host for CallState {
    fn latest(&mut self) -> Answer<Vec<wit::Observation>> {
        self.lent.collecting()?;
        let observations = self.lent.services.observations();
        Ok(Ok(observations
            .into_iter()
            .map(|one| wit::Observation {
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
            })
            .collect()))
    }
}
