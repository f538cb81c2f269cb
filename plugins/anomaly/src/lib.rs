//! Reads every log once, at the speed of the disk, and says what is new.
//!
//! ```text
//! follow ── blocks ──► prefilter ── lines ──► classify ── verdicts ──► event ── events ──► template ──► finding
//!   │                     └──────────── scanner ─────────────────────────┘                   └───── engine ─────┘
//! ```
//!
//! - [`prefilter`] passes over what is quiet, [`classify`] judges a line, [`event`] joins lines, [`scanner`] is the
//!   three of them over a stream of bytes, [`scan`] the same for `ghostd scan`;
//! - [`template`] says of what kind an event is, [`finding`] keeps the history of each kind;
//! - [`follow`] reads files by identity through the trait of [`logs`]; [`engine`] is all of it as one collector.
//!
//! Time is a parameter, files come through a trait, and nothing here knows the sandbox: the component's glue is
//! in `component`.

mod alike;
pub(crate) mod bytes;
pub mod classify;
pub mod component;
pub mod config;
mod decode;
pub mod engine;
pub mod event;
pub mod finding;
pub mod follow;
pub mod logs;
pub mod prefilter;
pub mod scan;
pub mod scanner;
pub mod severity;
pub mod template;

ghostd_sdk::export!(component::Anomaly);
