//! `--data-dir FILE`: a bundle, or a backup, in place of a data directory. It is laid out in a private temporary
//! directory, every byte of it held to account, for as long as the command reads.

use std::path::{Path, PathBuf};

use super::progress::Progress;
use super::{Command, Failure, Places};
use crate::backup;

/// An archive that is laid out; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    places: Places,
    _dir: tempfile::TempDir,
}

impl Part {
    /// Where things are now.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }
}

/// What a command has to do with a data directory.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    /// It reads there.
    Reads,
    /// It may write there.
    Writes,
    /// Nothing.
    None,
}

fn use_of(command: &Command) -> Use {
    match command {
        Command::List(_)
        | Command::Show(_)
        | Command::Diff(_)
        | Command::Verify(_)
        | Command::Events(_)
        | Command::Findings(_)
        | Command::History(_)
        | Command::Audit(_)
        | Command::Export(_) => Use::Reads,
        Command::Redact(_)
        | Command::Scan(_)
        | Command::Completions(_)
        | Command::Config(_)
        | Command::Doctor
        | Command::CompileComponent { .. } => Use::None,
        _ => Use::Writes,
    }
}

/// Lays out what `--data-dir` names, where that is a file and the command reads.
pub(crate) fn laid_out(places: &Places, command: &Command) -> Result<Option<Part>, Failure> {
    let named = places.data_dir.clone().or_else(|| std::env::var_os("GHOSTD_DATA_DIR").map(PathBuf::from));
    let Some(file) = named.filter(|path| path.is_file()) else { return Ok(None) };
    match use_of(command) {
        Use::None => Ok(None),
        Use::Writes => Err(Failure::new(format!("`{}` is a file, and no data directory", file.display())).hint(
            "a bundle or a backup can only be read: list, show, diff, verify, events, findings, history, audit, export",
        )),
        Use::Reads => lay_out(places, &file).map(Some),
    }
}

fn lay_out(places: &Places, file: &Path) -> Result<Part, Failure> {
    // As private as a data directory is: `tempfile` makes it 0700.
    let dir = tempfile::Builder::new().prefix("ghostd-").tempdir()?;
    let progress = Progress::count("reading the bundle");
    backup::unpack(file, dir.path(), &mut |done, total| progress.at(done, total))?;
    let places = Places { data_dir: Some(dir.path().to_owned()), ..places.clone() };
    Ok(Part { places, _dir: dir })
}
