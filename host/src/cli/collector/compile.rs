//! `ghostd collector compile`: native code ahead of time.

use std::path::PathBuf;
use std::process::ExitCode;

use super::super::{Failure, Place, Places, output};
use super::{machinery, origin};
use crate::plugins::load::{self, Origin};
use crate::store;

pub(super) fn run(places: &Places, files: &[PathBuf]) -> Result<ExitCode, Failure> {
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
