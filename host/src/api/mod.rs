//! The HTTP API, and the files of the dashboard: what ghostd shows to browsers and programs.
//!
//! ```text
//! server   listening, TLS, limits of a connection          a thread and a runtime of its own
//! gate     to whom it is addressed, from where, by whom     before anything else is looked at
//! operation, routes                                         the table of what can be asked
//! readers  the store, a few at a time, on threads that may wait for a disk
//! shared   the ways to the daemon: its loop answers, its recorder writes; both are asked by message
//! ```
//!
//! Owns: how the record is asked for from outside, and by whom. It reads the store and asks the daemon in the words of
//! `control`; it calls no collector and writes to no store. Must not know: the daemon, the recorder, the configuration.

pub mod access;
mod account;
mod assets;
mod exposition;
mod gate;
mod openapi;
mod operation;
mod patience;
mod problem;
mod query;
mod readers;
mod reply;
mod routes;
mod server;
mod shared;
mod stretch;
mod tls;
mod usual;

pub use openapi::text as openapi_json;
pub use server::{Api, LINK_MINUTES, login_link};
pub use shared::{Settings, Ways};
pub use usual::Ranges;
