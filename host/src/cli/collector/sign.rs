//! `ghostd collector sign`: an Ed25519 signature over a component's SHA-256, beside it.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::super::{Failure, Places, output};
use crate::plugins::load::{self, Origin};
use crate::plugins::signature;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A .wasm file; the signature goes beside it, as FILE.wasm.sig
    file: PathBuf,
    /// The file of the private key, readable by you alone
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Make the key first. A file that is there is not overwritten
    #[arg(long)]
    new_key: bool,
}

pub(super) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.new_key {
        make_key(&arguments.key)?;
    }
    let key = read_key(&arguments.key)?;
    let source = load::read(&Origin::File(arguments.file.clone()))?;
    let path = load::signature_path(&arguments.file);
    let text = signature::sign(&key, &source.sha256);
    #[expect(clippy::disallowed_methods, reason = "a file of the author's own, made again with the same command")]
    std::fs::write(&path, text).map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    let public = signature::public(&key);
    if places.json {
        output::print_json(&json!({"signature": path, "sha256": source.sha256, "key": public}));
    } else {
        output::line(format!("{}  {}", source.sha256, output::escaped(&path.display().to_string())));
        output::line("\nWhoever is to trust it writes into the configuration, under a name for you:\n");
        output::line(format!("[collectors.keys]\nauthor = \"{public}\""));
    }
    Ok(ExitCode::SUCCESS)
}

fn make_key(path: &Path) -> Result<(), Failure> {
    let fault = |error: std::io::Error| Failure::new(format!("cannot make the key `{}`: {error}", path.display()));
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed)).map_err(fault)?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
    file.write_all(signature::key_file(&seed).as_bytes()).and_then(|()| file.sync_all()).map_err(fault)
}

fn read_key(path: &Path) -> Result<ed25519_dalek::SigningKey, Failure> {
    let fault = |error: std::io::Error| {
        let failure = Failure::new(format!("cannot read the key `{}`: {error}", path.display()));
        if error.kind() == std::io::ErrorKind::NotFound { failure.hint("`--new-key` makes one there") } else { failure }
    };
    let file = std::fs::File::open(path).map_err(fault)?;
    if file.metadata().map_err(fault)?.mode() & 0o077 != 0 {
        let failure = Failure::new(format!("the key `{}` can be read by others", path.display()));
        return Err(failure.hint(format!("chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).map_err(fault)?;
    signature::parse_key(&text)
        .ok_or_else(|| Failure::new(format!("`{}` is no key of `ghostd collector sign`", path.display())))
}
