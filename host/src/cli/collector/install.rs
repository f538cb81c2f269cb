//! `ghostd collector install`: from somewhere to the directory of drop-ins, with a look at it before.
//!
//! Installing grants nothing: what is put there runs with `log`, `state` and `redact` until the configuration says
//! more. So everything that it asks for is shown, and what a table of its name would already grant it is said.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::super::{Failure, Places, output};
use super::inspect::{self, Seen};
use super::oci::{self, Reference};
use super::{machinery, name_of};
use crate::model::Digest;
use crate::plugins::compile::MAX_COMPONENT_BYTES;
use crate::plugins::load::{self, Origin, Source};
use crate::plugins::signature::MAX_SIGNATURE_BYTES;
use crate::store;
use crate::wiring::Machinery;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ghostd collector install ./ports.wasm\n  \
    ghostd collector install https://example.org/ports.wasm --sha256 0123...\n  \
    ghostd collector install oci://registry.example.org/collectors/ports:1.2.0\n  \
    ghostd collector install oci://registry.example.org/collectors/ports@sha256:0123...")]
pub(crate) struct Arguments {
    /// A .wasm file, a directory that holds one, an https:// address, or oci://REGISTRY/NAME:TAG
    source: String,
    /// The name that it gets here [default: after the file or the repository]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it must hash to; https:// needs it
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Talk to the registry without TLS
    #[arg(long)]
    plain_http: bool,
}

/// What was fetched.
struct Fetched {
    name: String,
    source: Source,
}

pub(super) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let machinery = machinery(places)?;
    let pin = arguments
        .sha256
        .as_deref()
        .map(|hex| hex.trim_start_matches("sha256:").to_ascii_lowercase().parse::<Digest>())
        .transpose()
        .map_err(|_| Failure::new("`--sha256` takes 64 hexadecimal digits"))?;
    let Fetched { name, source } = fetch(&machinery, arguments, pin)?;
    let name = arguments.name.clone().unwrap_or(name);
    if !is_name(&name) {
        let failure = Failure::new(format!("`{}` cannot be a collector's name", output::escaped(&name)));
        return Err(failure.hint("give it one with `--name`: 1 to 64 of a-z, 0-9 and -, beginning with a letter"));
    }
    if crate::plugins::builtin::NAMES.contains(&name.as_str()) {
        let failure = Failure::new(format!("`{name}` is the name of a built-in collector"));
        return Err(failure.hint("give it another one with `--name`"));
    }
    if let Some(pinned) = pin.filter(|pinned| *pinned != source.sha256) {
        return Err(Failure::new(format!("its SHA-256 is {}, not {pinned}: it is not installed", source.sha256)));
    }
    let dir = &machinery.config.drop_ins.dir;
    let target = dir.join(format!("{name}.wasm"));
    let seen = inspect::look(&machinery, &name, Origin::File(target.clone()), &source)?;
    if let Err(error) = &seen.descriptor {
        return Err(Failure::new(format!("ghostd would refuse it: {error}")).hint("nothing was installed"));
    }
    if let Err(error) = &seen.signed_by {
        return Err(Failure::new(error.to_string()).hint("nothing was installed"));
    }
    let granted = granted_already(&machinery, &name);
    if !places.json {
        show(&seen, &target, &granted);
    }
    if !arguments.yes && !agreed()? {
        output::note("nothing was installed");
        return Ok(ExitCode::from(1));
    }
    put(dir, &target, &source)?;
    if places.json {
        output::print_json(&json!({
            "installed": target, "name": name, "granted_already": granted, "component": seen.json(),
        }));
    } else {
        output::line(format!("\ninstalled `{}`", target.display()));
        if seen.inspection.grants.is_empty() {
            output::line("It needs no grant: a running ghostd takes it within seconds.");
        } else {
            output::line("It is refused until the configuration grants what it needs, such as:\n");
            output::line(&seen.block);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn fetch(machinery: &Machinery, arguments: &Arguments, pin: Option<Digest>) -> Result<Fetched, Failure> {
    let text = &arguments.source;
    if let Some(reference) = text.strip_prefix("oci://") {
        let reference = Reference::parse(reference).map_err(Failure::new)?;
        let name = name_of(&Origin::File(PathBuf::from(format!("{}.wasm", reference.short_name()))));
        let component = machinery
            .runner
            .block_on(oci::pull(&reference, arguments.plain_http, MAX_COMPONENT_BYTES))
            .ok_or_else(|| Failure::new("ghostd is ending"))?
            .map_err(Failure::new)?;
        let source = Source { sha256: Digest::of(&component), wasm: component.into(), signature: None };
        return Ok(Fetched { name, source });
    }
    if text.starts_with("http://") {
        let failure = Failure::new("http:// can be changed on its way");
        return Err(failure.hint("use https:// with `--sha256`, or fetch the file and install that"));
    }
    if text.starts_with("https://") {
        if pin.is_none() {
            let failure = Failure::new("a component from the network needs a digest to be held against");
            return Err(failure.hint("add `--sha256 HEX`, as its author publishes it"));
        }
        let path = text.split(['?', '#']).next().unwrap_or(text);
        let name = name_of(&Origin::File(PathBuf::from(path)));
        let fetched = machinery.runner.block_on(async {
            let component = oci::get_bytes(text, MAX_COMPONENT_BYTES).await?;
            // Beside it, where the author puts it; most have none.
            let signature = oci::get_bytes(&format!("{path}.sig"), MAX_SIGNATURE_BYTES).await.ok();
            Ok::<_, String>((component, signature))
        });
        let (component, signature) = fetched.ok_or_else(|| Failure::new("ghostd is ending"))?.map_err(Failure::new)?;
        let signature = signature.and_then(|text| String::from_utf8(text).ok());
        let source = Source { sha256: Digest::of(&component), wasm: component.into(), signature };
        return Ok(Fetched { name, source });
    }
    let path = component_in(Path::new(text))?;
    let origin = Origin::File(path);
    Ok(Fetched { name: name_of(&origin), source: load::read(&origin)? })
}

/// The file itself, or the one component in a directory.
fn component_in(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let entries =
        std::fs::read_dir(path).map_err(|error| Failure::new(format!("cannot list `{}`: {error}", path.display())))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(format!("there is no .wasm file in `{}`", path.display()))),
        many => {
            let names: Vec<String> = many.iter().take(16).map(|path| format!("`{}`", path.display())).collect();
            Err(Failure::new(format!("there are several: {}", names.join(", "))).hint("name the one that you mean"))
        }
    }
}

/// What the configuration grants to whatever has this name.
fn granted_already(machinery: &Machinery, name: &str) -> Vec<&'static str> {
    let table = machinery.config.collectors.get(name);
    table.map(|table| table.grant.iter().map(|grant| grant.as_str()).collect()).unwrap_or_default()
}

fn show(seen: &Seen, target: &Path, granted: &[&str]) {
    seen.page();
    if target.exists() {
        output::line(format!("\n`{}` is there already and would be replaced.", target.display()));
    }
    if !granted.is_empty() {
        output::line(format!(
            "\nThe configuration has a table of this name, so that it has at once: {}",
            granted.join(", ")
        ));
    }
}

fn agreed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let failure = Failure::new("there is nobody to ask");
        return Err(failure.hint("look at what it asks for, then say `--yes`"));
    }
    let _ = write!(std::io::stderr(), "\nInstall it? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Failure::new(format!("cannot read an answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The signature first: a component whose signature is still the old one would be refused for a moment.
fn put(dir: &Path, target: &Path, source: &Source) -> Result<(), Failure> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| Failure::new(format!("cannot make `{}`: {error}", dir.display())))?;
    let signature = load::signature_path(target);
    match &source.signature {
        Some(text) => store::atomic_write(&signature, text.as_bytes())?,
        None => {
            let _ = std::fs::remove_file(&signature);
        }
    }
    Ok(store::atomic_write(target, &source.wasm)?)
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
