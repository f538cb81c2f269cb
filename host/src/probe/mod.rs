//! Everything that reads the machine: processes, figures, clocks, files, and what ghostd's probers found out.
//!
//! Owns the parsers of /proc and /sys, the pidfds of the daemons that are followed, the threads that ask mounts
//! for their space, the SNTP and chrony clients, pings, signs of life, the files kept open for collectors, and the
//! programs that are run for them. Must not know the store,
//! the plugins, the configuration or the wire types of a collector: it takes plain settings and gives plain records
//! that mirror `ghost:host` one to one.
//!
//! What only Linux tells sits behind `cfg(target_os = "linux")`. Elsewhere sysinfo stands in, and what it cannot
//! know is [`Error::Unavailable`].
//!
//! The wall clock is never read here: whoever calls passes a [`WallClock`] or a [`Moment`].

pub mod clock;
pub mod command;
mod error;
pub mod files;
pub mod manager;
pub mod ping;
pub mod processes;
mod raw;
pub mod signs;
pub mod sockets;
pub mod system;
pub mod systemd;
#[cfg(test)]
mod testing;
#[cfg(target_os = "linux")]
mod units;

pub use clock::{Moment, WallClock};
pub use error::{Error, Result};

/// Seconds and milliseconds in nanoseconds.
pub(crate) const NS_PER_S: u64 = 1_000_000_000;
pub(crate) const NS_PER_MS: u64 = 1_000_000;
