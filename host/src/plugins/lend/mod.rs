//! What collectors are lent: each interface of `ghost:host`, served by the probes and the sanitizer.
//!
//! Owns: the translation between the wire types of `wit/` and the plain types of `crate::probe`, and what all calls
//! share. Must not know: how anything is read, what a secret looks like.

mod basics;
mod clock;
mod commands;
pub mod fake;
pub mod files;
mod journal;
mod processes;
mod services;
mod sockets;
mod system;
mod targets;
mod units;

pub use commands::CommandsLent;
pub use files::OpenFile;
pub use services::{Ended, Outside, Services, TimeSources};

use std::sync::Arc;

use serde::Serialize;

use super::bindings::ghost::host::types as wit;
use super::state::CallState;
use crate::probe;
use fake::Fake;

/// A probe's error as the contract has it.
fn wit_error(error: probe::Error) -> wit::Error {
    match error {
        probe::Error::Denied(text) => wit::Error::Denied(text),
        probe::Error::Forbidden(text) => wit::Error::Forbidden(text),
        probe::Error::NotFound(text) => wit::Error::NotFound(text),
        probe::Error::Unavailable(text) => wit::Error::Unavailable(text),
        probe::Error::Pending(text) => wit::Error::Pending(text),
        probe::Error::Invalid(text) => wit::Error::Invalid(text),
        probe::Error::Exhausted(text) => wit::Error::Exhausted(text),
        probe::Error::Io(text) => wit::Error::Io(text),
    }
}

/// A probe's answer as a host function returns it: the outer result would be a trap.
type Answer<T> = wasmtime::Result<Result<T, wit::Error>>;

fn answer<T, U>(answer: probe::Result<T>, convert: impl FnOnce(T) -> U) -> Answer<U> {
    Ok(answer.map(convert).map_err(wit_error))
}

impl CallState {
    /// What every host function that answers with data is: it may be called now, it is answered by the fixtures of a
    /// test where there are some and by the machine otherwise, and what goes over is counted where somebody asked.
    fn lend<T: Serialize>(
        &mut self,
        fake: impl FnOnce(&Fake) -> Result<T, wit::Error>,
        real: impl FnOnce(&Services) -> Answer<T>,
    ) -> Answer<T> {
        self.lent.collecting()?;
        let answer = match &self.lent.fake {
            Some(given) => fake(given),
            None => {
                let services = Arc::clone(&self.lent.services);
                real(&services)?
            }
        };
        if self.lent.metered {
            self.lent.bytes_lent += serde_json::to_vec(&answer).map_or(0, |text| text.len() as u64);
        }
        Ok(answer)
    }
}

/// Runs something that may wait for a disk. Others that share the thread move to another one meanwhile.
fn may_block<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
