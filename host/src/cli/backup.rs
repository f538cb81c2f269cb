//! `ghostd backup`: everything of the store in one file, and the way back.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::progress::Progress;
use super::writer::{self, Writer};
use super::{Failure, Place, Places, confirm, list, output, run};
use crate::backup::{self, BackupError, Contents, Keys};
use crate::clock::Clock;
use crate::control::{Answer, BackupReport, Request};
use crate::daemon::{backup_line, backup_report};
use crate::model::{Digest, Event, EventKind, EventSeverity};
use crate::store::{Batch, ExclusiveStore, Folder, Reader};
use crate::wiring;

/// How long a daemon that makes a backup is waited for.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a backup now; a running daemon makes it
    Create,
    /// List the backups, newest first
    List(Identity),
    /// Check every byte of a backup, or of all of them
    Verify(Verify),
    /// Put a backup back in place of what is in the data directory; ghostd must not run
    Restore(Restore),
    /// Make a key for encrypted backups: its identity goes to FILE, its recipient is printed for the configuration
    Key {
        /// Where the identity goes; it must not exist yet, and belongs on another machine
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// The identity file that opens encrypted backups
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A number, an id or its beginning, `latest`, or a path; all of them where none is named
    #[arg(value_name = "BACKUP|FILE")]
    names: Vec<String>,
    #[command(flatten)]
    identity: Identity,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A number, an id or its beginning, `latest`, or a path
    #[arg(value_name = "BACKUP|FILE")]
    name: String,
    #[command(flatten)]
    identity: Identity,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(places: &Places, command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Create => create(places),
        Command::List(identity) => show(places, identity),
        Command::Verify(arguments) => verify(places, arguments),
        Command::Restore(arguments) => restore(places, arguments),
        Command::Key { file } => key(places, file),
    }
}

impl Identity {
    fn keys(&self) -> Result<Keys, Failure> {
        Ok(self.identity.as_deref().map(Keys::read).transpose()?.unwrap_or_default())
    }
}

fn directory(place: &Place) -> PathBuf {
    wiring::backup_directory(&place.loaded.config.backup, &place.paths.data_dir)
}

fn create(places: &Places) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let report = match writer::open(&place)? {
        Writer::Daemon(socket) => {
            let _working = Progress::spinner("the daemon makes a backup");
            match writer::ask_for(&socket, &Request::Backup { by: writer::who() }, PATIENCE)? {
                Answer::BackedUp(report) => *report,
                _ => return Err(Failure::new("the daemon answered something else")),
            }
        }
        Writer::Here(mut store, clock) => here(&place, &mut store, &clock)?,
    };
    if places.json {
        output::print_json(&report);
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format!("backup {}  {}", report.number, output::escaped(&report.path.display().to_string())));
    output::line(format!(
        "{} snapshots, {} in {}{}; read back and intact",
        report.snapshots,
        output::bytes(report.content_bytes),
        output::bytes(report.size_bytes),
        if report.encrypted { ", encrypted" } else { "" },
    ));
    if let Some(why) = &report.without_database {
        output::complain(&format!("the database is not in it: {}", output::escaped(why)));
    }
    for (file, why) in &report.left_out {
        output::complain(&format!("left out: {}: {}", output::escaped(file), output::escaped(why)));
    }
    for file in &report.rotated {
        output::line(format!("removed {}", output::escaped(file)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Without a daemon: under the lock, so that nothing is written meanwhile.
fn here(place: &Place, store: &mut ExclusiveStore, clock: &Clock) -> Result<BackupReport, Failure> {
    let config = &place.loaded.config.backup;
    let data_dir = store.directory().path().to_owned();
    let options = wiring::backup_options(config, &data_dir, &place.paths.config_file).map_err(Failure::new)?;
    let progress = Progress::count("snapshots");
    let created = backup::create(&data_dir, &options, clock.now().wall, &mut |done, all| progress.at(done, all))?;
    drop(progress);
    store.audit(clock.now().wall, "backup", backup_line(&created, Some(&writer::who())), true)?;
    let surplus = backup::surplus(&options.directory, config.keep as usize)?;
    if !surplus.is_empty() {
        store.audit(clock.now().wall, "backup_delete", json!({ "files": surplus, "reason": "keep" }), true)?;
    }
    let rotated = backup::prune(&options.directory, config.keep as usize)?;
    let message = format!("backup {} is durable, {} snapshots", created.info.number, created.snapshots);
    let event = Event {
        timestamp: clock.now().wall,
        event_type: EventKind::BackupComplete,
        severity: EventSeverity::Info,
        message,
        data: json!({ "number": created.info.number, "id": created.info.id, "size_bytes": created.size_bytes }),
    };
    store.record(&Batch { events: vec![event], durable: true, ..Batch::default() })?;
    Ok(backup_report(created, rotated))
}

fn show(places: &Places, identity: &Identity) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let backups = backup::list(&directory(&place), &identity.keys()?)?;
    if places.json {
        output::print_json(&backups);
        return Ok(ExitCode::SUCCESS);
    }
    if backups.is_empty() {
        output::line("there is no backup yet");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = output::Table::new(&["NUMBER", "ID", "BEGUN", "SIZE", "UP TO", ""]);
    for one in &backups {
        let up_to = one.info.as_ref().map(|info| format!("snapshot {}", info.newest_sequence));
        let note = match (&one.info, one.encrypted) {
            (_, true) => "encrypted",
            (None, false) => "its beginning cannot be read",
            (Some(info), false) if info.without_database.is_some() => "without the database",
            _ => "",
        };
        table.row([
            one.number.to_string(),
            one.id.to_string(),
            output::local(one.created_at),
            output::bytes(one.size_bytes),
            up_to.unwrap_or_else(|| "?".to_owned()),
            note.to_owned(),
        ]);
    }
    table.print();
    Ok(ExitCode::SUCCESS)
}

/// What a check of one backup says.
enum Checked {
    Whole(Box<Contents>),
    /// It cannot be opened without a key; its bytes are those that the audit log remembers.
    Unopened,
    Bad(String),
}

fn verify(places: &Places, arguments: &Verify) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let keys = arguments.identity.keys()?;
    let files: Vec<PathBuf> = if arguments.names.is_empty() {
        backup::list(&directory(&place), &keys)?.into_iter().map(|one| one.path).collect()
    } else {
        let resolve = |name: &String| resolve(&place, name);
        arguments.names.iter().map(resolve).collect::<Result<_, Failure>>()?
    };
    let mut checked = Vec::new();
    for file in files {
        let progress = Progress::bytes(&file.display().to_string());
        let mut tell = |done, all| progress.at(done, all);
        let result = match backup::verify(&file, &keys, &mut tell) {
            Ok(contents) => Checked::Whole(Box::new(contents)),
            Err(BackupError::Encrypted { .. }) => {
                unopened(&place.paths.data_dir, &file, backup::digest_of(&file, &mut tell)?)
            }
            Err(error @ (BackupError::Damaged { .. } | BackupError::Archive { .. })) => {
                Checked::Bad(crate::chain::chain(&error))
            }
            Err(error) => return Err(error.into()),
        };
        checked.push((file, result));
    }
    let fine = checked.iter().all(|(_, checked)| !matches!(checked, Checked::Bad(_)));
    if places.json {
        let rows: Vec<_> = checked.iter().map(|(file, checked)| row(file, checked)).collect();
        output::print_json(&json!({ "intact": fine, "backups": rows }));
    } else {
        for (file, checked) in &checked {
            let file = output::escaped(&file.display().to_string());
            match checked {
                Checked::Whole(contents) => {
                    output::line(format!("intact  {file}  {} snapshots", contents.snapshots));
                }
                Checked::Unopened => output::line(format!(
                    "same    {file}  its bytes are those that were written; it is encrypted and was not opened"
                )),
                Checked::Bad(why) => output::line(format!("BAD     {}", output::escaped(why))),
            }
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn row(file: &Path, checked: &Checked) -> serde_json::Value {
    match checked {
        Checked::Whole(contents) => json!({ "file": file, "state": "intact", "contents": contents }),
        Checked::Unopened => json!({ "file": file, "state": "unopened" }),
        Checked::Bad(why) => json!({ "file": file, "state": "bad", "problem": why }),
    }
}

/// Without its key, an encrypted backup can be held against what the audit log says was written.
fn unopened(data_dir: &Path, file: &Path, sha256: Digest) -> Checked {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut written: Option<Digest> = None;
    let heard = Reader::open(data_dir).and_then(|reader| {
        reader.audit_lines(&mut |line| {
            if matches!(&*line.operation, "backup" | "backup_rewrite") && line.data["file"] == name {
                written = serde_json::from_value(line.data["sha256"].clone()).ok();
            }
        })
    });
    match (heard, written) {
        (_, Some(written)) if written == sha256 => Checked::Unopened,
        (_, Some(written)) => Checked::Bad(format!(
            "backup `{}` is damaged: its SHA-256 is {sha256}, the audit log says {written}",
            file.display()
        )),
        _ => Checked::Bad(format!(
            "backup `{}` is encrypted and the audit log does not know it: give its key with --identity",
            file.display()
        )),
    }
}

fn resolve(place: &Place, name: &str) -> Result<PathBuf, Failure> {
    match backup::resolve(&directory(place), name) {
        // A file in the working directory, named without a slash.
        Err(BackupError::NotFound(_)) if Path::new(name).is_file() => Ok(Path::new(".").join(name)),
        other => Ok(other?),
    }
}

fn restore(places: &Places, arguments: &Restore) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let keys = arguments.identity.keys()?;
    let data_dir = &place.paths.data_dir;
    let file = match resolve(&place, &arguments.name) {
        // A new machine has no directory of backups; a path is enough.
        Err(_) if Path::new(&arguments.name).is_file() => PathBuf::from(&arguments.name),
        other => other?,
    };
    run::log_to_stderr(&place.loaded.config.log)?;
    let standing = list::open(data_dir).ok().and_then(|reader| {
        use crate::store::Source as _;
        reader.list(&crate::store::Filter { limit: Some(1), ..Default::default() }).ok()
    });
    if standing.is_some_and(|found| !found.is_empty()) {
        let what = format!(
            "put `{}` in place of what is in `{}` (that is kept beside it)",
            file.display(),
            data_dir.display()
        );
        confirm::ask(&what, arguments.yes)?;
    }
    let clock = Clock::system(&place.loaded.config.host.proc);
    let progress = Progress::bytes("restore");
    let restored = backup::restore(&file, &keys, data_dir, clock.now().wall, &mut |done, all| progress.at(done, all))?;
    drop(progress);
    // It is decided; opening the store carries it out.
    let (mut store, report) = ExclusiveStore::open(data_dir, &clock.now())?;
    run::tell_start(&report);
    let event = Event {
        timestamp: clock.now().wall,
        event_type: EventKind::Store,
        severity: EventSeverity::Warning,
        message: format!("backup {} was restored", restored.contents.info.number),
        data: json!({
            "backup": restored.contents.info.id, "epoch": restored.store.epoch, "snapshots": restored.contents.snapshots,
        }),
    };
    store.record(&Batch { events: vec![event], durable: true, ..Batch::default() })?;
    if places.json {
        output::print_json(&restored);
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format!(
        "backup {} is restored: {} snapshots, epoch {}",
        restored.contents.info.number, restored.contents.snapshots, restored.store.epoch
    ));
    if let Some(why) = &restored.without_history {
        output::line(format!("the history was not put back: {}", output::escaped(why)));
    }
    if !restored.purged.is_empty() {
        output::line(format!("{} snapshots that were purged since stay away", restored.purged.len()));
    }
    output::line(format!("what was there before is in {}", output::escaped(&restored.replaced.display().to_string())));
    if std::io::stdout().is_terminal() {
        output::line("its configuration is not put back: `zstd -dc FILE | tar -xO config/config.toml` shows it");
    }
    Ok(ExitCode::SUCCESS)
}

fn key(places: &Places, file: &Path) -> Result<ExitCode, Failure> {
    let (identity, recipient) = Keys::generate();
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::new(format!("`{}` names no file", file.display())))?;
    Folder::open(parent)?.create(name, identity.as_bytes())?;
    if places.json {
        output::print_json(&json!({ "recipient": recipient, "identity_file": file }));
    } else {
        output::line(recipient);
        output::complain(&format!(
            "`{}` opens what is encrypted to it: keep it, and keep it elsewhere",
            file.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
