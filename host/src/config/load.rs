//! From sources to settings: read, check each source, overlay, expand the defaults, validate. Nothing but
//! reading happens here, and every fault of every source is reported in one go.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::check;
use super::effective::Effective;
use super::fault::{self, Fault, Faults};
use super::overrides::Override;
use super::paths::Paths;
use super::place::{Origin, Place};
use super::raw::Raw;
use super::schema;
use super::settings::Config;
use super::tree::{self, Entry, Node, Value};
use super::validate::{Hooks, validate};

/// The defaults, as they are documented.
pub const DEFAULT_TOML: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/default.toml"));

/// A configuration file is text that a person writes: what is larger is something else.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A configuration that is fit to be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The same with the origin of each value, to be shown.
    pub effective: Effective,
    /// What is odd but no reason not to start.
    pub notices: Vec<Fault>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file that was named does not exist.
    #[error("configuration file `{}` does not exist (it was named by {named_by})", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The argument or variable.
        named_by: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read configuration file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("configuration file `{}` is larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// What it says is wrong.
    #[error("{0}")]
    Faults(Faults),
}

impl Config {
    /// The effective configuration: the defaults, the file, the environment, the command line, each over the one before.
    ///
    /// # Errors
    /// A file that was named and is not there, one that cannot be read, and every fault at once.
    pub fn load(paths: &Paths, overrides: &[Override], hooks: &Hooks<'_>) -> Result<Loaded, LoadError> {
        let read = read_file(paths)?;
        let file = read.as_ref().map(|read| (paths.config_file.as_path(), read.text.as_str()));
        let mut loaded = from_sources(file, &paths.config_dir(), overrides, hooks).map_err(LoadError::Faults)?;
        if read.is_some_and(|read| read.anybody_may_write) {
            let place = Place::whole(Origin::File(Arc::from(paths.config_file.as_path())));
            let notice = Fault::new(Some(&place), "", "anybody may write this file, and so grant a collector anything");
            loaded.notices.push(notice.hint("chmod o-w"));
        }
        Ok(loaded)
    }
}

/// The same with a file that was read already; `base` is what relative paths start from.
pub(super) fn from_sources(
    file: Option<(&Path, &str)>,
    base: &Path,
    overrides: &[Override],
    hooks: &Hooks<'_>,
) -> Result<Loaded, Faults> {
    let schema = schema::schema();
    let mut faults = Vec::new();
    let mut effective = Node::table(Place::whole(Origin::Default));
    let mut add = |parsed: Result<Node, Vec<Fault>>| match parsed {
        Ok(node) => {
            let (sound, found) = check(node, &schema, hooks.is_secret);
            faults.extend(found);
            effective.overlay(sound);
        }
        Err(found) => faults.extend(found),
    };
    add(tree::parse(DEFAULT_TOML, &Origin::Default));
    if let Some((path, text)) = file {
        add(tree::parse(text, &Origin::File(Arc::from(path))));
    }
    for single in overrides {
        add(single.to_node());
    }
    expand(&mut effective);
    let raw = match serde_json::from_value::<Raw>(effective.to_json()) {
        Ok(raw) => raw,
        Err(error) => {
            // Only where the check let something pass that the structs do not take.
            let fault = Fault::new(None, "", error.to_string());
            faults.push(fault.clone());
            return Err(Faults::of(faults).unwrap_or_else(|| Faults::one(fault)));
        }
    };
    let (config, found, mut notices) = validate(raw, &effective, base, hooks);
    faults.extend(found);
    fault::sort(&mut notices);
    match Faults::of(faults) {
        Some(faults) => Err(faults),
        None => Ok(Loaded { config, effective: Effective::new(effective), notices }),
    }
}

/// A file that was read.
struct Read {
    text: String,
    anybody_may_write: bool,
}

/// None where the usual place holds no file: that is how most machines run.
fn read_file(paths: &Paths) -> Result<Option<Read>, LoadError> {
    let path = || paths.config_file.clone();
    let failed = |source| LoadError::Read { path: path(), source };
    let file = match File::open(&paths.config_file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match paths.config_named_by {
                Some(named_by) => Err(LoadError::Missing { path: path(), named_by }),
                None => Ok(None),
            };
        }
        Err(error) => return Err(failed(error)),
    };
    let anybody_may_write = file.metadata().map_err(failed)?.permissions().mode() & 0o002 != 0;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(LoadError::TooLarge { path: path() });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(Read { text, anybody_may_write })),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            let place = Place {
                origin: Origin::File(Arc::from(paths.config_file.as_path())),
                line: u32::try_from(line).unwrap_or(u32::MAX),
                column: 0,
            };
            Err(LoadError::Faults(Faults::one(Fault::new(Some(&place), "", "is not UTF-8"))))
        }
    }
}

/// Lays the common defaults under every collector, daemon, alert and receiver.
fn expand(tree: &mut Node) {
    let mut collector = tree.get("collector_defaults").cloned().unwrap_or_else(|| Node::table(tree.place.clone()));
    let nowhere = Place::whole(Origin::Default);
    let mut nothing = Node::table(nowhere.clone());
    if let Value::Table(entries) = &mut nothing.value {
        for key in ["sections", "files", "commands", "config"] {
            entries.push(Entry { key: key.to_owned(), place: nowhere.clone(), node: Node::table(nowhere.clone()) });
        }
        let grant = Node { place: nowhere.clone(), value: Value::List(Vec::new()) };
        entries.push(Entry { key: "grant".to_owned(), place: nowhere.clone(), node: grant });
    }
    collector.overlay(nothing);
    let defaults = |tree: &Node, key| tree.get(key).cloned().unwrap_or_else(|| Node::table(nowhere.clone()));
    let daemon = defaults(tree, "daemon_defaults");
    let (alert, receiver) = (defaults(tree, "alert_defaults"), defaults(tree, "receiver_defaults"));
    let Value::Table(entries) = &mut tree.value else {
        return;
    };
    for Entry { key, node, .. } in entries {
        match (key.as_str(), &mut node.value) {
            ("collector", Value::Table(collectors)) => {
                collectors.iter_mut().for_each(|entry| entry.node.underlay(&collector));
            }
            ("daemon", Value::List(daemons)) => {
                daemons.iter_mut().for_each(|item| item.node.underlay(&daemon));
            }
            ("alert", Value::List(alerts)) => alerts.iter_mut().for_each(|item| item.node.underlay(&alert)),
            ("receiver", Value::Table(receivers)) => {
                receivers.iter_mut().for_each(|entry| entry.node.underlay(&receiver));
            }
            _ => {}
        }
    }
}
