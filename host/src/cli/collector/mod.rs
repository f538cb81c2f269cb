//! `ghostd collector ...`: what runs, what a component asks for, and everything that its author needs.

mod bench;
mod check;
mod compile;
mod inspect;
mod install;
mod list;
mod new;
mod oci;
mod sign;
mod test;
mod trial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Place, Places, output, status};
use crate::control::{Answer, Request};
use crate::plugins::load::Origin;
use crate::store;
use crate::wiring::Machinery;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The configured and dropped-in collectors, with how each is doing where a daemon runs
    List,
    /// What a component is, imports and asks for, and the lines of configuration that would grant it
    Inspect {
        /// A .wasm file, or `builtin:clock`
        component: String,
    },
    /// Start a collector of your own: a project that builds with a language's ordinary tools
    New(new::Arguments),
    /// Load a component as ghostd would, and say everything that is wrong with it and how to mend it
    Check(check::Arguments),
    /// Run a component against a made-up machine and print its sections
    Test(test::Arguments),
    /// What a component costs: compiling, loading, instantiating, collecting, memory
    Bench(bench::Arguments),
    /// Fetch a component, show what it asks for, and put it where ghostd finds it
    Install(install::Arguments),
    /// Sign a component, so that a ghostd that knows your key runs it
    Sign(sign::Arguments),
    /// Compile components ahead of time, so that the next start finds them in the cache; without FILE the built-in ones
    Compile {
        /// .wasm files
        files: Vec<PathBuf>,
    },
    /// The last log lines of a collector of the running daemon
    Logs {
        /// Its name in the configuration
        name: String,
    },
    /// End a collector's quarantine now
    Resume {
        /// Its name in the configuration
        name: String,
    },
}

pub(crate) fn run(places: &Places, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List => list::run(places),
        Command::Inspect { component } => inspect::run(places, &component),
        Command::New(arguments) => new::run(places, &arguments),
        Command::Check(arguments) => check::run(places, &arguments),
        Command::Test(arguments) => test::run(places, &arguments),
        Command::Bench(arguments) => bench::run(places, &arguments),
        Command::Install(arguments) => install::run(places, &arguments),
        Command::Sign(arguments) => sign::run(places, &arguments),
        Command::Compile { files } => compile::run(places, &files),
        Command::Logs { name } => logs(places, name),
        Command::Resume { name } => resume(places, name),
    }
}

/// A machinery for looking at components: it reads nothing of the machine and writes nothing but the cache.
fn machinery(places: &Places) -> Result<Machinery, Failure> {
    let place = Place::find(places)?;
    // Whoever may not write to the data directory compiles in memory.
    let cache = place.paths.data_dir.join(store::CACHE);
    let usable = place.paths.data_dir.is_dir();
    Ok(Machinery::new(place.loaded.config, usable.then_some(cache.as_path()))?)
}

fn origin(component: &str) -> Origin {
    match component.strip_prefix("builtin:") {
        Some(name) => Origin::Builtin(name.to_owned()),
        None => Origin::File(PathBuf::from(component)),
    }
}

/// What a component is called where nobody gave it a name: after its file, in the characters of a name.
fn name_of(origin: &Origin) -> String {
    let stem = match origin {
        Origin::Builtin(name) => return name.clone(),
        Origin::File(path) => path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()),
    };
    let name = stem.unwrap_or_default().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    if name.is_empty() { "collector".to_owned() } else { name.chars().take(64).collect() }
}

/// The settings of a component: those of the table of this name, or a stranger's.
fn settings(machinery: &Machinery, name: &str, origin: &Origin) -> crate::config::Collector {
    let path = match origin {
        Origin::Builtin(name) => PathBuf::from(name),
        Origin::File(path) => path.clone(),
    };
    let mut settings = match machinery.config.collectors.get(name) {
        Some(configured) => configured.clone(),
        None => machinery.config.drop_in(name, Path::new(&path)),
    };
    settings.source = match origin {
        Origin::Builtin(name) => crate::config::Source::Builtin(name.clone()),
        Origin::File(path) => crate::config::Source::File(path.clone()),
    };
    settings
}

fn logs(places: &Places, name: String) -> Result<ExitCode, Failure> {
    match status::request(places, &Request::CollectorLog { name })? {
        Answer::Log { lines } if places.json => output::print_json(&lines),
        Answer::Log { lines } => {
            for line in lines {
                output::line(format!("{}  {:<5}  {}", output::local(line.at), line.level, output::escaped(&line.text)));
            }
        }
        Answer::Failed { error } => return Err(Failure::new(error)),
        _ => return Err(Failure::new("the daemon answered something else")),
    }
    Ok(ExitCode::SUCCESS)
}

fn resume(places: &Places, name: String) -> Result<ExitCode, Failure> {
    match status::request(places, &Request::CollectorResume { name })? {
        Answer::Done { message } if places.json => output::print_json(&serde_json::json!({"done": message})),
        Answer::Done { message } => output::line(message),
        Answer::Failed { error } => return Err(Failure::new(error)),
        _ => return Err(Failure::new("the daemon answered something else")),
    }
    Ok(ExitCode::SUCCESS)
}
