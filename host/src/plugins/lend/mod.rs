//! What collectors are lent: each interface of `ghost:host`, served by the probes and the sanitizer.
//!
//! Owns: the translation between the wire types of `wit/` and the plain types of `crate::probe`, and what all calls
//! share. Must not know: how anything is read, what a secret looks like.

mod basics;
mod clock;
pub mod files;
mod processes;
mod services;
mod system;
mod targets;

pub use files::OpenFile;
pub use services::{Ended, Services, TimeSources};

use super::bindings::ghost::host::types as wit;
use crate::probe;

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

/// Runs something that may wait for a disk. Others that share the thread move to another one meanwhile.
fn may_block<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
