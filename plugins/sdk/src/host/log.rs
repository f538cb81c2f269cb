//! The collector's own log: `ghostd collector logs NAME`.
//!
//! Lines beyond the quota of a call (64 lines, 8 KiB each by default) are dropped and counted. Standard
//! output and standard error arrive here too, as `info` and `warn`.

pub use crate::bindings::ghost::host::log::Level;

use super::backend;

/// Writes one line.
pub fn write(level: Level, message: &str) {
    backend::log::write(level, message);
}

/// Writes a line for somebody who looks for a fault.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Writes a line that is worth knowing.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Writes a line about something that is not as it should be.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Writes a line about something that failed.
pub fn error(message: &str) {
    write(Level::Error, message);
}
