//! Alerts: from what is known of the machine to somebody who is told.
//!
//! ```text
//! Facts -> Engine (states) -> Telling -> Queue (what is to be sent) -> Courier (sends) -> Queue
//! ```
//!
//! `Engine` and `Queue` are pure: what is known and the time are given, and they say what is to be stored, told and
//! sent. `Courier` is the edge, a thread of its own: a receiver that does not answer holds up nobody, and each
//! receiver has a line of its own in the queue. What is to be sent is durable before it is sent.
//!
//! Owns: rules, states, silences, receivers. Must not know: boards, stores, configuration; what is stored is handed
//! out as namespace, key and JSON.

mod courier;
mod engine;
mod expression;
mod facts;
mod payload;
mod queue;
mod receive;
mod rule;
mod silence;
mod template;
#[cfg(test)]
mod tests;

pub use courier::{Courier, Job, Sent, send_now};
pub use engine::{ALERTS_COLLECTOR, Engine, Step, Transition, TransitionKind};
pub use expression::{Expression, Flaw, Judgement, MAX_INSTANCES, Subject};
pub use facts::{Facts, SectionFacts};
pub use payload::{Notification, Telling, TellingKind, test_dispatch};
pub use queue::{Dispatch, Lane, OUTBOX, Outcome, Queue, Row};
pub use receive::{Auth, Body, Command, Email, Endpoint, Kind, Receiver, Secret, SendError, TlsMode, write_to_log};
pub use rule::{OnNoData, Rule};
pub use silence::{MAX_SILENCES, is_over, matches, parse_matchers, silence, silence_told};
pub use template::{Template, is_body_hole, is_summary_hole};
