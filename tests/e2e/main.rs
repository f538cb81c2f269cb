//! End-to-end tests: each drives the real `ghostd` in a temporary directory, as somebody at a shell would.
//!
//! `harness` has what all need; every other file is a subject. Waits are bounded with slack and never exact: a loaded
//! machine with two processors has to pass.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests and their helpers: a panic is how they fail, and the files that they write are fixtures"
)]

mod alerts;
mod api;
mod author;
mod backups;
mod config_faults;
mod contract;
mod control;
mod daemons;
mod database;
mod demo;
mod dropin;
mod evidence;
mod examples;
mod export;
mod first_run;
mod grants;
mod guests;
mod harness;
mod heart;
mod hostile;
mod install;
mod many;
mod planted;
mod purge;
mod retention;
mod rhythm;
mod soak;
mod tamper;
mod time_sources;
mod transitions;
