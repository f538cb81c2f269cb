//! `ghostd purge`: taking out of everything that is stored what should never have been recorded.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::progress::Progress;
use super::writer::{self, Writer};
use super::{Failure, Place, Places, confirm, keep, list, output};
use crate::clock;
use crate::control::{Answer, PurgeOrder, PurgeReport, Request};
use crate::daemon::{PurgePattern, purge_event, sweep_for_purge};
use crate::model::SnapshotId;
use crate::store::{Batch, Name, Source as _};
use crate::wiring;

/// How long a daemon that goes through everything is waited for.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// The longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 4_096;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false))]
pub(crate) struct Arguments {
    /// Snapshots that go as a whole: an id, a prefix, `latest`, `latest~N`, `@TIME`
    #[arg(value_name = "SNAPSHOT", group = "what")]
    snapshots: Vec<String>,
    /// A regular expression: whatever it is found in goes. `-` reads it from standard input, so that a secret stands
    /// in no list of processes and no shell's history
    #[arg(long, value_name = "PATTERN", group = "what", allow_hyphen_values = true)]
    matching: Option<String>,
    /// Take the pattern as plain text
    #[arg(long, requires = "matching")]
    fixed: bool,
    /// What for; it stands in the audit log for good, so do not say what was leaked
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    why: String,
    /// Say what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The identity file that opens encrypted backups
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Remove backups that cannot be opened, and so may hold it
    #[arg(long)]
    remove_closed_backups: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let reader = list::open(&place.paths.data_dir)?;
    let resolve =
        |name: &String| -> Result<SnapshotId, Failure> { Ok(reader.resolve(&Name::parse(name, clock::wall())?)?) };
    let ids = arguments.snapshots.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    drop(reader);
    let matching = arguments.matching.as_deref().map(|pattern| pattern_of(pattern, arguments.fixed)).transpose()?;
    let identity = arguments.identity.as_deref().map(std::path::absolute).transpose()?;
    let order = PurgeOrder {
        ids,
        matching,
        by: writer::who(),
        why: arguments.why.clone(),
        dry_run: arguments.dry_run,
        identity,
        remove_closed: arguments.remove_closed_backups,
    };
    let pattern = PurgePattern::new(order.matching.as_deref()).map_err(Failure::new)?;
    if !arguments.dry_run {
        let what = match order.ids.len() {
            0 => "take everything that matches out of snapshots, history and backups".to_owned(),
            count => format!("take {count} snapshots out of the store and its backups"),
        };
        confirm::ask(&format!("{what}, for good (--dry-run shows what)"), arguments.yes)?;
    }
    let report = match writer::open(&place)? {
        Writer::Daemon(socket) => {
            let _working = Progress::spinner("the daemon goes through everything");
            match writer::ask_for(&socket, &Request::Purge(order), PATIENCE)? {
                Answer::Purged(report) => *report,
                _ => return Err(Failure::new("the daemon answered something else")),
            }
        }
        Writer::Here(mut store, clock) => {
            let clean = keep::cleaner(&place)?;
            let order = PurgeOrder { by: clean(&order.by), why: clean(&order.why), ..order };
            let now = clock.now().wall;
            let purged = if pattern.is_some() {
                store.purge_matching(&|text| pattern.holds(text), &order.by, &order.why, now, order.dry_run)?
            } else {
                store.purge(&order.ids, &order.by, &order.why, now, order.dry_run)?
            };
            if !order.dry_run {
                store.record(&Batch { events: vec![purge_event(&purged, now)], durable: true, ..Batch::default() })?;
            }
            let config = &place.loaded.config.backup;
            let directory = wiring::backup_directory(config, store.directory().path());
            let published = place.loaded.config.publish.dir.as_deref();
            let (report, lines) =
                sweep_for_purge(&order, &pattern, purged, config, &directory, published, now).map_err(Failure::new)?;
            for (operation, data) in lines {
                store.audit(clock.now().wall, operation, data, true)?;
            }
            report
        }
    };
    // What is left is for a person to look at; until then it is not gone.
    let is_gone = report.left.is_empty() && report.backups.iter().all(|backup| backup.state != "left");
    if places.json {
        output::print_json(&report);
    } else {
        page(&report);
    }
    Ok(if is_gone { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn pattern_of(given: &str, fixed: bool) -> Result<String, Failure> {
    let mut pattern = given.to_owned();
    if given == "-" {
        pattern.clear();
        std::io::stdin().lock().read_line(&mut pattern)?;
        pattern.truncate(pattern.trim_end_matches(['\r', '\n']).len());
    }
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(Failure::new(format!("the pattern is longer than {MAX_PATTERN_BYTES} bytes")));
    }
    Ok(if fixed { regex::escape(&pattern) } else { pattern })
}

fn page(report: &PurgeReport) {
    let word = if report.dry_run { "would go" } else { "gone" };
    for id in &report.snapshots {
        output::line(format!("{word}  snapshot {id}"));
    }
    for (table, count) in &report.rows {
        output::line(format!("{word}  {count} rows of {}", output::escaped(table)));
    }
    for id in &report.marks {
        output::line(format!("{word}  the reason of the mark of {id}"));
    }
    for file in report.set_aside.iter().chain(&report.published) {
        output::line(format!("{word}  {}", output::escaped(file)));
    }
    for backup in &report.backups {
        let file = output::escaped(&backup.file);
        let why = output::escaped(backup.why.as_deref().unwrap_or_default());
        match backup.state.as_str() {
            "clean" => {}
            "rewritten" => output::line(format!(
                "{word}  {} snapshots and {} rows of {file}, which {} written anew",
                backup.snapshots,
                backup.rows,
                if report.dry_run { "would be" } else { "is" },
            )),
            "removed" => output::line(format!("{word}  {file}: {why}")),
            _ => output::line(format!("LEFT  {file}: {why}")),
        }
    }
    for (what, why) in &report.left {
        output::line(format!("LEFT  {}: {}", output::escaped(what), output::escaped(why)));
    }
    let rows: u64 = report.rows.values().sum();
    output::line(format!("{} snapshots and {rows} rows {word}", report.snapshots.len()));
}
