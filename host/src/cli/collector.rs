//! `ghostd collector ...`: what runs, what a component asks for, its log.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Place, Places, output, status};
use crate::config::{self, Config};
use crate::control::{Answer, Request};
use crate::dropins;
use crate::model::CollectorHealth;
use crate::plugins::load::{self, Inspection, Origin};
use crate::plugins::validate::Descriptor;
use crate::store;
use crate::wiring::{self, Machinery};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The configured and dropped-in collectors, with how each is doing where a daemon runs
    List,
    /// What a component is, imports and asks for, and the lines of configuration that would grant it
    Inspect {
        /// A .wasm file, or `builtin:clock`
        component: String,
    },
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
        Command::List => list(places),
        Command::Inspect { component } => inspect(places, &component),
        Command::Compile { files } => compile(places, &files),
        Command::Logs { name } => logs(places, name),
        Command::Resume { name } => match status::request(places, &Request::CollectorResume { name })? {
            Answer::Done { message } => {
                output::line(message);
                Ok(ExitCode::SUCCESS)
            }
            Answer::Failed { error } => Err(Failure::new(error)),
            _ => Err(Failure::new("the daemon answered something else")),
        },
    }
}

fn list(places: &Places) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let config = &place.loaded.config;
    let drop_ins = dropins::list(&config.drop_ins.dir).map_err(Failure::new)?;
    let health: Vec<CollectorHealth> = match status::request(places, &Request::Status) {
        Ok(Answer::Status(status)) => status.collectors,
        // No daemon runs: what is configured is still worth listing.
        _ => Vec::new(),
    };
    let wanted = wiring::wanted(config, &drop_ins);
    let all: Vec<&config::Collector> =
        config.collectors.values().filter(|one| !one.enabled).chain(wanted.values()).collect();
    if places.json {
        let rows: Vec<_> = all
            .iter()
            .map(|one| {
                serde_json::json!({
                    "name": one.name, "enabled": one.enabled, "source": wiring::origin(&one.source).to_string(),
                    "every": every(one, config), "grant": one.grant.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
                    "health": health.iter().find(|health| health.name == one.name),
                })
            })
            .collect();
        output::print_json(&rows);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table =
        output::Table::new(&["NAME", "STATE", "EVERY", "P50", "P95", "MEMORY", "DENIED", "SOURCE", "GRANTS"]);
    for one in all {
        let health = health.iter().find(|health| health.name == one.name);
        let figure = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let state = match health {
            Some(health) => health.status.as_str().to_owned(),
            None if one.enabled => "enabled".to_owned(),
            None => "off".to_owned(),
        };
        table.row([
            one.name.clone(),
            state,
            every(one, config),
            figure(health.map(|health| format!("{:.1} ms", health.p50_ms))),
            figure(health.map(|health| format!("{:.1} ms", health.p95_ms))),
            figure(health.map(|health| output::bytes(health.peak_memory_bytes))),
            figure(health.map(|health| health.denied_calls.to_string())),
            wiring::origin(&one.source).to_string(),
            one.grant.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" "),
        ]);
    }
    table.print();
    for health in health.iter().filter(|health| health.error.is_some()) {
        output::line(format!("{}: {}", health.name, output::escaped(health.error.as_deref().unwrap_or_default())));
    }
    Ok(ExitCode::SUCCESS)
}

fn every(collector: &config::Collector, config: &Config) -> String {
    config::format_duration(collector.every.interval(config))
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

fn inspect(places: &Places, component: &str) -> Result<ExitCode, Failure> {
    let machinery = machinery(places)?;
    let origin = origin(component);
    let source = load::read(&origin)?;
    let name = name_of(&origin);
    let settings = wiring::call_settings(&machinery.config.drop_in(&name, Path::new(component)));
    let compiled =
        machinery.loader.compile(&source).map_err(|error| Failure::new(format!("`{component}`: {error}")))?;
    let inspection = machinery.loader.inspect(&source, &compiled);
    let descriptor = machinery
        .runner
        .block_on(machinery.loader.describe(&compiled, &settings))
        .unwrap_or_else(|| Err(load::LoadError::Contract("ghostd is ending".to_owned())));
    let block = grant_block(&name, &origin, &inspection);
    if places.json {
        output::print_json(&serde_json::json!({
            "source": origin.to_string(), "sha256": inspection.sha256, "size_bytes": inspection.size_bytes,
            "imports": inspection.imports, "grants": inspection.grants,
            "descriptor": descriptor.as_ref().ok().map(describe_json),
            "error": descriptor.as_ref().err().map(ToString::to_string), "configuration": block,
        }));
    } else {
        page(&origin, &inspection, &descriptor, &block);
    }
    Ok(if descriptor.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn page(origin: &Origin, inspection: &Inspection, descriptor: &Result<Descriptor, load::LoadError>, block: &str) {
    output::line(format!("source    {}", output::escaped(&origin.to_string())));
    output::line(format!("sha256    {}", inspection.sha256));
    output::line(format!("size      {} ({} bytes)", output::bytes(inspection.size_bytes), inspection.size_bytes));
    match descriptor {
        Ok(descriptor) => {
            output::line(format!(
                "name      {} {}",
                output::escaped(&descriptor.name),
                output::escaped(&descriptor.version)
            ));
            output::line(format!("summary   {}", output::escaped(&descriptor.summary)));
            output::line(format!("sections  {}", descriptor.sections.join(", ")));
        }
        Err(error) => output::line(format!("refused   {}", output::escaped(&error.to_string()))),
    }
    let grants = if inspection.grants.is_empty() {
        "none: log, state and redact are lent to everybody".to_owned()
    } else {
        inspection.grants.iter().cloned().collect::<Vec<_>>().join(", ")
    };
    output::line(format!("needs     {grants}"));
    output::line("imports");
    for import in &inspection.imports {
        output::line(format!("  {}", output::escaped(import)));
    }
    output::line("\nTo run it, and nothing else under this name, in the configuration:\n");
    output::line(block);
}

fn describe_json(descriptor: &Descriptor) -> serde_json::Value {
    serde_json::json!({
        "name": descriptor.name, "version": descriptor.version, "summary": descriptor.summary,
        "sections": descriptor.sections, "config_schema": descriptor.config_schema, "attributes": descriptor.attributes,
    })
}

fn name_of(origin: &Origin) -> String {
    match origin {
        Origin::Builtin(name) => name.clone(),
        Origin::File(path) => path.file_stem().map_or_else(
            || "collector".to_owned(),
            |stem| stem.to_string_lossy().to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        ),
    }
}

/// The TOML that would run and grant it.
fn grant_block(name: &str, origin: &Origin, inspection: &Inspection) -> String {
    let source = match origin {
        Origin::Builtin(name) => format!("builtin:{name}"),
        Origin::File(path) => path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
    };
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let mut block = format!("[collector.{name}]\nsource = {}\n", quoted(&source));
    if matches!(origin, Origin::File(_)) {
        block.push_str(&format!("sha256 = \"{}\"\n", inspection.sha256));
    }
    let grants: Vec<String> = inspection.grants.iter().map(|grant| quoted(grant)).collect();
    block.push_str(&format!("grant = [{}]", grants.join(", ")));
    if inspection.grants.contains("files") || inspection.grants.contains("wasi:filesystem") {
        block.push_str(&format!("\n[collector.{name}.files]\n# name = \"/directory/that/it/may/read\""));
    }
    block
}

fn compile(places: &Places, files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    // The cache stands in the data directory, which is made here if need be as a start would make it.
    store::StateDirectory::prepare(&place.paths.data_dir)?;
    let machinery = machinery(places)?;
    let origins: Vec<Origin> = if files.is_empty() {
        crate::plugins::builtin::NAMES.iter().map(|name| Origin::Builtin((*name).to_owned())).collect()
    } else {
        files.iter().map(|file| origin(&file.to_string_lossy())).collect()
    };
    let mut rows = Vec::new();
    for origin in origins {
        let source = load::read(&origin)?;
        machinery.loader.compile(&source).map_err(|error| Failure::new(format!("`{origin}`: {error}")))?;
        if !places.json {
            output::line(format!("{}  {}", source.sha256, output::escaped(&origin.to_string())));
        }
        rows.push(serde_json::json!({"source": origin.to_string(), "sha256": source.sha256}));
    }
    if places.json {
        output::print_json(&rows);
    }
    Ok(ExitCode::SUCCESS)
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
