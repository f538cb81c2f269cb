//! What ghostd lends: one module is one capability.
//!
//! [`log`], [`state`] and [`redact`] are lent to every collector. Every other module is lent where the
//! configuration says so: `[collector.NAME] grant = ["system", "files"]`. Calling any of a module's
//! functions makes the component import it; a component whose imports are not granted is refused
//! before its code runs.
//!
//! Nothing here waits for the outside: what needs waiting is done by ghostd on schedules of its own,
//! and a call returns the latest result with its age. Answers are bounded, and command lines have been
//! cleaned of secrets.

pub mod clock;
pub mod commands;
pub mod files;
pub mod journal;
pub mod log;
pub mod probe;
pub mod processes;
pub mod redact;
pub mod sockets;
pub mod state;
pub mod system;
pub mod units;

// Chosen at compile time and not through a trait object: what is not called must not be imported.
#[cfg(target_arch = "wasm32")]
use crate::bindings::ghost::host as backend;
#[cfg(not(target_arch = "wasm32"))]
use crate::fake::answers as backend;
