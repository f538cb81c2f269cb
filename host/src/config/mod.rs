//! The configuration: from TOML and its overrides to settings that need no further doubt.
//!
//! Owns the keys, their defaults (`config/default.toml`, embedded), their schema, what is wrong with a
//! configuration and in which words, and where the configuration and the data are. Must not know who uses the
//! settings, and must not need anything else of this crate: what it cannot judge itself (a regular expression, a
//! secret, a digest) it is lent as [`Hooks`].
//!
//! The way: text -> `tree` (values with places) -> `check` (against the schema, each source by itself) -> overlay ->
//! `raw` (serde) -> `validate` -> [`Config`]. Faults are gathered all the way and reported together.
//!
//! A new section is a struct in `raw`, one in `settings`, its keys in `config/default.toml`, and a few lines in
//! `validate`; the schema, the check, the overlay and `config show` follow from these.

mod check;
mod diff;
mod effective;
mod fault;
mod load;
mod nearest;
mod overrides;
mod paths;
mod ping;
mod place;
mod raw;
mod scalar;
mod schema;
mod secret;
mod settings;
mod tree;
mod units;
mod validate;
mod window;

pub use diff::{Changes, Names, Part};
pub use effective::Effective;
pub use fault::{Fault, Faults};
pub use load::{DEFAULT_TOML, LoadError, Loaded};
pub use overrides::{Override, VARIABLE_PREFIX};
pub use paths::{Arguments, CONFIG_VARIABLE, DATA_DIR_VARIABLE, Paths, PathsError, Surroundings};
pub use place::{Origin, Place};
pub use settings::*;
pub use units::{ByteSize, format_duration, parse_duration};
pub use validate::{BUILTINS, Digest, Hooks, Language, TextFlaw};

#[cfg(test)]
mod tests;

/// The JSON schema of the configuration, as `config schema` prints it and `config/ghostd.schema.json` holds it.
pub fn schema_json() -> String {
    // A JSON value always serialises.
    let mut text = serde_json::to_string_pretty(&schema::schema()).unwrap_or_default();
    text.push('\n');
    text
}
