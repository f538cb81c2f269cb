//! Running collectors: from a file to the sections that one call returned.
//!
//! Owns: the sandbox. A component is read, hashed, compiled by a child, held against its grants, linked, asked what
//! it is, and then called, each time in a fresh store with a deadline and limits. Nothing that a guest does reaches
//! further than its own call.
//!
//! Must not know: the store, schedules, the configuration's file. Settings come as arguments.

#[expect(missing_docs, reason = "generated from wit/, where everything is documented")]
pub mod bindings;
pub mod builtin;
pub mod cache;
pub mod call;
pub mod capability;
pub mod compile;
pub mod contract;
pub mod engine;
pub mod lend;
mod linker;
pub mod load;
pub mod run;
pub mod signature;
pub mod state;
pub mod stdio;
pub mod strict_json;
pub mod validate;
