//! `ghostd key`: the key that seals snapshots.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Places, output};
use crate::sealer;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key in FILE, for `security.seal_key_file`, and print the public key to verify with
    New {
        /// Where it goes; it must not exist yet
        file: PathBuf,
    },
    /// Print the public key that is in use now
    Show {
        /// The key's file
        file: PathBuf,
    },
}

pub(crate) fn run(places: &Places, command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::New { file } => {
            let public = sealer::generate(file)?;
            if places.json {
                output::print_json(&json!({ "public_key": public, "file": file }));
            } else {
                output::line(public.to_string());
                output::complain(
                    "keep this public key elsewhere: `ghostd verify --public-key` proves with it that ghostd wrote what is stored",
                );
            }
        }
        Command::Show { file } => {
            let key = sealer::public(file)?;
            if places.json {
                output::print_json(&key);
            } else {
                output::line(format!("{}  number {}", key.public_key, key.number));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
