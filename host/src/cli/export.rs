//! `ghostd export`: what is recorded, for other tools, or as one file to hand to somebody.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::progress::Progress;
use super::{Failure, Places, list, output, place, when};
use crate::backup::{self, Stretch};
use crate::chain::chain;
use crate::clock;
use crate::export::{self, Kind, Left, Record, Selection, ndjson, original, parquet};
use crate::model::Event;
use crate::store::{DiskError, Folder, Reader, Span, StoreError};

/// The most events that the original's state of the heartbeat had.
const ORIGINAL_EVENTS: u64 = 1_000;
/// zstd's level for bundles: they are made once and sent over a wire.
const LEVEL: i32 = 9;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// ndjson: one JSON document a line; parquet: a table of each kind; original: the form of the program that ghostd
    /// grew out of
    #[arg(long, value_enum, default_value_t = Format::Ndjson, conflicts_with = "bundle")]
    format: Format,
    /// One file (or, ending with `/`, a directory) with everything of the time, verifiable by itself, which
    /// `ghostd --data-dir FILE list`, `show`, `verify` and the others read
    #[arg(long, value_name = "FILE|DIR/")]
    bundle: Option<PathBuf>,
    /// Only this kind: snapshots, heartbeats, events, metrics, findings; can be repeated
    #[arg(long = "only", value_name = "KIND", value_delimiter = ',', value_enum, conflicts_with = "bundle")]
    only: Vec<KindWord>,
    /// From then on: RFC 3339, `2026-11-21`, `2d`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Until then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Where it goes [default: standard output]. It must not exist yet; several tables, and the original's files, go
    /// into a new directory
    #[arg(short, long, value_name = "FILE|DIR", conflicts_with = "bundle")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Ndjson,
    Parquet,
    Original,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindWord {
    Snapshots,
    Heartbeats,
    Events,
    Metrics,
    Findings,
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Snapshots => Self::Snapshots,
            KindWord::Heartbeats => Self::Heartbeats,
            KindWord::Events => Self::Events,
            KindWord::Metrics => Self::Metrics,
            KindWord::Findings => Self::Findings,
        }
    }
}

/// What was given out.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Where it went; none for standard output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<PathBuf>,
    /// How many of each kind.
    counts: Vec<(&'static str, u64)>,
    /// Snapshots that are damaged, and so are left out.
    left_out: Vec<Left>,
}

/// Why nothing was given out.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("cannot write the export")]
    Write(#[from] io::Error),
    #[error("cannot write the table")]
    Table(#[from] ::parquet::errors::ParquetError),
}

impl ExportError {
    /// Whether whoever reads has gone, as `head` does.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let now = clock::wall();
    let (since, until) =
        (when::parse_given(arguments.since.as_deref(), now)?, when::parse_given(arguments.until.as_deref(), now)?);
    let data_dir = place::paths(places)?.data_dir;
    if let Some(target) = &arguments.bundle {
        return bundle(places, &data_dir, Stretch { since, until }, target);
    }
    let mut kinds: Vec<Kind> = arguments.only.iter().map(|word| Kind::from(*word)).collect();
    if kinds.is_empty() {
        kinds = match arguments.format {
            Format::Original => vec![Kind::Snapshots],
            Format::Ndjson | Format::Parquet => Kind::ALL.to_vec(),
        };
    }
    let reader = if kinds == [Kind::Snapshots] { list::open(&data_dir)? } else { list::open_history(&data_dir)? };
    let selection = Selection { since, until };
    let told = match (arguments.format, &arguments.output) {
        (Format::Ndjson, target) => lines(&reader, &kinds, &selection, target.as_deref()),
        (Format::Parquet, target) => tables(&reader, &kinds, &selection, target.as_deref()),
        (Format::Original, None) => original_lines(&reader, &selection),
        (Format::Original, Some(target)) => original_files(&reader, &selection, target),
    };
    match told {
        Ok(report) => Ok(tell(places, &report)),
        Err(Refused::Export(error)) if error.is_closed_pipe() => Ok(ExitCode::SUCCESS),
        Err(Refused::Export(error)) => Err(Failure::new(chain(&error))),
        Err(Refused::Usage(failure)) => Err(failure),
    }
}

/// Why nothing was given out, or not in this way.
enum Refused {
    Export(ExportError),
    Usage(Failure),
}

impl<E: Into<ExportError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Export(error.into())
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Usage(failure)
    }
}

fn tell(places: &Places, report: &Report) -> ExitCode {
    for Left { id, why } in &report.left_out {
        output::complain(&output::escaped(&format!("snapshot `{id}` is left out: {why}")));
    }
    // What went to standard output has it for itself.
    if !report.files.is_empty() {
        if places.json {
            let counts: serde_json::Map<_, _> =
                report.counts.iter().map(|(kind, count)| ((*kind).to_owned(), json!(count))).collect();
            output::print_json(&json!({ "files": report.files, "counts": counts, "left_out": report.left_out }));
        } else {
            let counts: Vec<String> = report.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let files: Vec<String> = report.files.iter().map(|file| file.display().to_string()).collect();
            output::line(output::escaped(&format!("{}: {}", files.join(", "), counts.join(", "))));
        }
    }
    if report.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn each(
    reader: &Reader,
    kind: Kind,
    selection: &Selection,
    report: &mut Report,
    visit: &mut dyn FnMut(&Record) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let progress = Progress::count(kind.as_str());
    let mut count = 0;
    let left = export::each(
        reader,
        kind,
        selection,
        &mut |record| {
            count += 1;
            visit(&record)
        },
        &mut |done, total| progress.at(done, total),
    )?;
    report.counts.push((kind.as_str(), count));
    report.left_out.extend(left);
    Ok(())
}

fn lines(reader: &Reader, kinds: &[Kind], selection: &Selection, target: Option<&Path>) -> Result<Report, Refused> {
    let mut report = Report::default();
    to_file_or_stdout(target, &mut report, |out, report| {
        for kind in kinds {
            each(reader, *kind, selection, report, &mut |record| Ok(ndjson::write(record, out)?))?;
        }
        Ok(())
    })?;
    Ok(report)
}

fn tables(reader: &Reader, kinds: &[Kind], selection: &Selection, target: Option<&Path>) -> Result<Report, Refused> {
    let mut report = Report::default();
    let table = |kind: Kind, out: &mut (dyn Write + Send), report: &mut Report| -> Result<(), ExportError> {
        let mut table = parquet::Table::begin(kind, out)?;
        each(reader, kind, selection, report, &mut |record| Ok(table.add(record)?))?;
        Ok(table.end()?)
    };
    if let [kind] = kinds {
        if target.is_none() && io::stdout().is_terminal() {
            return Err(Failure::new("a table in Parquet is not for a terminal")
                .hint("--output FILE, or a pipe to what reads it")
                .into());
        }
        to_file_or_stdout(target, &mut report, |out, report| table(*kind, out, report))?;
        return Ok(report);
    }
    let Some(target) = target else {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        return Err(Failure::new("each kind is a table of its own, and standard output is one")
            .hint(format!("--output DIR for a new directory with all, or --only with one of {}", kinds.join(", ")))
            .into());
    };
    let folder = new_directory(target)?;
    for kind in kinds {
        let name = format!("{}.parquet", kind.as_str());
        write_file(&folder, &name, &mut report, |out, report| table(*kind, out, report))?;
    }
    folder.sync()?;
    Ok(report)
}

/// The snapshots in the original's form, one in each line.
fn original_lines(reader: &Reader, selection: &Selection) -> Result<Report, Refused> {
    let mut report = Report::default();
    let mut out = BufWriter::new(io::stdout());
    each(reader, Kind::Snapshots, selection, &mut report, &mut |record| {
        if let Some(document) = original_of(record) {
            serde_json::to_writer(&mut out, &document).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    out.flush()?;
    Ok(report)
}

/// The files that the original had: one for each snapshot, the state of the heartbeat, the log of events.
fn original_files(reader: &Reader, selection: &Selection, target: &Path) -> Result<Report, Refused> {
    let mut report = Report::default();
    let folder = new_directory(target)?;
    each(reader, Kind::Snapshots, selection, &mut report, &mut |record| {
        if let (Record::Snapshot(entry, _), Some(document)) = (record, original_of(record)) {
            folder.create(&format!("snapshot-{}.json", entry.id), &pretty(&document))?;
        }
        Ok(())
    })?;
    let events: Vec<Event> = {
        let span = Span { since: selection.since, until: selection.until, limit: ORIGINAL_EVENTS };
        reader.events(&span)?.into_iter().map(|numbered| numbered.event).collect()
    };
    let last = reader.heartbeats(&Span { since: selection.since, until: selection.until, limit: 1 })?;
    if let Some(beat) = last.last() {
        folder.create("heartbeat-state.json", &pretty(&original::heartbeat(beat, &events)))?;
        report.counts.push(("heartbeat states", 1));
    }
    write_file(&folder, "events.log", &mut report, |out, report| {
        each(reader, Kind::Events, selection, report, &mut |record| {
            if let Record::Event(event) = record {
                serde_json::to_writer(&mut *out, &original::event(&event.event)).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })
    })?;
    folder.sync()?;
    report.files = vec![target.to_owned()];
    Ok(report)
}

fn original_of(record: &Record) -> Option<serde_json::Value> {
    let Record::Snapshot(_, text) = record else { return None };
    serde_json::from_str(text).ok().map(|body| original::snapshot(&body))
}

fn pretty(document: &serde_json::Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Writes to a new file, which has its name only when it is whole and durable, or to standard output.
fn to_file_or_stdout(
    target: Option<&Path>,
    report: &mut Report,
    write: impl FnOnce(&mut (dyn Write + Send), &mut Report) -> Result<(), ExportError>,
) -> Result<(), Refused> {
    match target.filter(|target| *target != Path::new("-")) {
        None => {
            let mut out = BufWriter::new(io::stdout());
            write(&mut out, report)?;
            out.flush()?;
        }
        Some(target) => {
            let (folder, name) = free_place(target)?;
            write_file(&folder, &name, report, write)?;
        }
    }
    Ok(())
}

fn write_file(
    folder: &Folder,
    name: &str,
    report: &mut Report,
    write: impl FnOnce(&mut (dyn Write + Send), &mut Report) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    folder.create_large(
        name,
        |file: &mut File| {
            let mut out = BufWriter::with_capacity(1 << 16, file);
            write(&mut out, report)?;
            Ok::<_, ExportError>(out.flush()?)
        },
        |_| Ok(()),
    )?;
    report.files.push(folder.path().join(name));
    Ok(())
}

/// The directory of a file that is to be made, and the file's name.
fn free_place(target: &Path) -> Result<(Folder, String), Failure> {
    let shown = output::escaped(&target.display().to_string());
    if target.symlink_metadata().is_ok() {
        return Err(Failure::new(format!("`{shown}` is there already")).hint("another name, or take it away first"));
    }
    let name = target.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::new(format!("`{shown}` names no file")))?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Folder::open(parent)?, name.to_owned()))
}

/// A directory that only we can read, as what goes into it is.
fn new_directory(target: &Path) -> Result<Folder, Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let shown = output::escaped(&target.display().to_string());
    std::fs::DirBuilder::new().mode(0o700).create(target).map_err(|error| {
        let hint = "it must not be there yet, and its parent must be";
        Failure::new(format!("cannot make directory `{shown}`: {error}")).hint(hint)
    })?;
    Ok(Folder::open(target)?)
}

fn bundle(places: &Places, data_dir: &Path, stretch: Stretch, target: &Path) -> Result<ExitCode, Failure> {
    let as_directory = target.as_os_str().as_encoded_bytes().ends_with(b"/");
    // Found out before the work is done.
    let (folder, name) = free_place(target)?;
    let scratch = tempfile::Builder::new().prefix("ghostd-").tempdir()?;
    let progress = Progress::count("bundling");
    let now = clock::wall();
    let private;
    let (place, file) = if as_directory {
        private = Folder::open(scratch.path())?;
        (&private, "bundle".to_owned())
    } else {
        (&folder, name)
    };
    let mut made = backup::bundle(data_dir, stretch, LEVEL, now, scratch.path(), place, &file, &mut |done, total| {
        progress.at(done, total)
    })?;
    drop(progress);
    if as_directory {
        let directory = new_directory(target)?;
        backup::unpack(&made.path, directory.path(), &mut |_, _| {})?;
        made.path = target.to_owned();
    }
    let backup::Created { path, info, snapshots, size_bytes, left_out, .. } = &made;
    for (file, why) in left_out {
        output::complain(&output::escaped(&format!("{file} is left out: {why}")));
    }
    if let Some(why) = &info.without_database {
        output::complain(&format!("the bundle has no history: {}", output::escaped(why)));
    }
    if places.json {
        output::print_json(&made);
    } else {
        let shown = output::escaped(&path.display().to_string());
        output::line(format!("{shown}: {snapshots} snapshots, {}", output::bytes(*size_bytes)));
        output::line(format!("to read it: ghostd --data-dir {shown} verify"));
    }
    Ok(if left_out.is_empty() && info.without_database.is_none() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
