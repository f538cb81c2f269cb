//! ghostd: a flight recorder for a machine.
//!
//! `ARCHITECTURE.md` beside this crate is the map: the stages, who may know whom, and what must stay true.

pub mod access;
pub mod alerts;
pub mod api;
pub mod audit;
pub mod backup;
pub mod board;
pub mod chain;
pub mod clean;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod derived;
pub mod diff;
pub mod dropins;
pub mod export;
pub mod head;
pub mod heartbeat;
pub mod hostinfo;
pub mod human;
pub mod maintenance;
pub mod memory;
pub mod merge;
pub mod model;
pub mod once;
pub mod plugins;
pub mod probe;
pub mod publish;
pub mod recorder;
pub mod retention;
pub mod sanitize;
pub mod schedule;
pub mod seal;
pub mod sealer;
pub mod store;
pub mod timeline;
pub mod tui;
pub mod uptime;
pub mod wiring;
