//! Where things are, and the configuration, as every command needs them.

use std::path::Path;

use super::{Failure, Places};
use crate::config::{Arguments, Config, Hooks, LoadError, Loaded, Override, Paths, Surroundings};
use crate::plugins::compile::MAX_COMPONENT_BYTES;
use crate::plugins::load;
use crate::sanitize::{Report, Sanitizer};
use crate::wiring;

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Place {
    /// The places.
    pub paths: Paths,
    /// The configuration.
    pub loaded: Loaded,
}

/// Chooses the places without looking at the configuration.
pub(crate) fn paths(places: &Places) -> Result<Paths, Failure> {
    let arguments = Arguments { config: places.config.clone(), data_dir: places.data_dir.clone() };
    let around = Surroundings {
        root: rustix::process::geteuid().is_root(),
        macos: cfg!(target_os = "macos"),
        working_directory: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        variable: &|name| std::env::var_os(name),
    };
    Ok(Paths::choose(&arguments, &around)?)
}

impl Place {
    /// Chooses the places and reads the configuration; every fault of it is in the failure.
    pub(crate) fn find(places: &Places) -> Result<Self, Failure> {
        let paths = paths(places)?;
        let loaded = read_config(&paths, &overrides(places)?)?;
        Ok(Self { paths, loaded })
    }
}

/// Settings from the environment, then from the command line.
pub(crate) fn overrides(places: &Places) -> Result<Vec<Override>, Failure> {
    let mut overrides = Override::from_environment(
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    for text in &places.set {
        overrides.push(Override::argument(text).map_err(|fault| Failure::new(format!("--set: {fault}")))?);
    }
    Ok(overrides)
}

/// Reads the configuration, with the sanitizer's eye on what is written there.
pub(crate) fn read_config(paths: &Paths, overrides: &[Override]) -> Result<Loaded, Failure> {
    let sanitizer = Sanitizer::builtin();
    let is_secret = |text: &str| -> Option<String> {
        let mut report = Report::default();
        sanitizer.text(text, &mut report);
        report.counts.into_keys().next()
    };
    let hooks = Hooks {
        pattern: &|pattern| {
            regex::bytes::RegexBuilder::new(pattern)
                .size_limit(1 << 20)
                .build()
                .map(|regex| regex.captures_len() - 1)
                .map_err(|error| error.to_string())
        },
        is_secret: &is_secret,
        digest: Some(&digest),
        recipient: &|text| crate::backup::Recipient::parse(text).map(drop),
        language: &wiring::language,
    };
    Config::load(paths, overrides, &hooks).map_err(|error| match error {
        LoadError::Faults(faults) => Failure::new(faults.to_string()),
        error => Failure::from(error),
    })
}

/// Read as it is read when it is loaded: a pipe in its place must not hold up whoever only looks at the configuration,
/// and what is too large to be loaded is refused there, in better words than a wrong hash.
fn digest(path: &Path) -> std::io::Result<String> {
    let source = load::read(&load::Origin::File(path.to_owned())).map_err(std::io::Error::other)?;
    if source.wasm.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(source.sha256.to_string())
}
