//! The command line: what can be asked of ghostd, and how it answers.
//!
//! Exit status: 0 fine, 1 the answer is bad (damaged, refused, degraded), 2 it could not be done (usage,
//! configuration, I/O). Every command that reads takes `--json`. What came from outside is escaped wherever it is
//! shown.

mod alerts;
mod audit;
mod backup;
mod collector;
mod completions;
mod config;
mod confirm;
mod demo;
mod diff;
mod doctor;
mod events;
mod export;
mod failure;
mod findings;
mod history;
mod keep;
mod key;
mod list;
mod maintenance;
mod output;
mod page;
mod part;
mod place;
mod plot;
mod progress;
mod prune;
mod purge;
mod redact;
mod repair;
mod run;
mod scan;
mod show;
mod snapshot;
mod status;
mod timeline;
mod token;
mod verify;
mod watch;
mod when;
mod writer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub(crate) use failure::Failure;
pub(crate) use place::Place;

/// A flight recorder for a machine: sealed snapshots of what it and its daemons looked like, and a heartbeat between
/// them.
///
/// Without a command it runs as the daemon.
#[derive(Debug, Parser)]
#[command(name = "ghostd", version, after_help = "Exit status: 0 fine, 1 the answer is bad, 2 it could not be done.")]
struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where things are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Places {
    /// The configuration file [default: /etc/ghostd/config.toml for root, ~/.config/ghostd/config.toml otherwise]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where snapshots are [default: /var/lib/ghostd for root, ~/.local/share/ghostd otherwise]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// One setting more, as in the configuration: `snapshot.every="1s"`. Can be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// One JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record until a signal ends it (the default)
    Run,
    /// Take one snapshot now and print its id once it is durable
    Snapshot(snapshot::Arguments),
    /// List the snapshots, newest first
    List(list::Arguments),
    /// Show one snapshot: an id, a prefix of one, `latest`, `latest~2`, `@2026-11-21T03:12`, `@-2h`
    Show(show::Arguments),
    /// What changed from one snapshot to another: daemons, patches, findings, disks, settings
    Diff(diff::Arguments),
    /// Check every byte of every snapshot and the chain between them, or of those that are named
    Verify(verify::Arguments),
    /// Mark a snapshot to be kept, whatever retention says
    Keep(keep::Keep),
    /// Take the mark from a snapshot
    Unkeep(keep::Unkeep),
    /// Apply retention now, or say what it would remove and why
    Prune(prune::Arguments),
    /// Take something out of snapshots, history, published files and backups, for good
    Purge(purge::Arguments),
    /// Backups: everything of the store in one file; make, list, verify, restore
    #[command(subcommand)]
    Backup(backup::Command),
    /// Make the catalog anew from the files, and set damaged files aside
    Repair,
    /// How the machine and ghostd are now; the exit status says it too
    Status,
    /// Windows in which what happens to a daemon is nobody's alarm
    #[command(subcommand)]
    Maintenance(maintenance::Command),
    /// The machine now, live on the whole terminal
    Watch,
    /// The machine at any instant of the past, stepping by heartbeat, snapshot, transition and finding
    Replay(watch::Replay),
    /// What happened: deaths, restarts, findings, snapshots, configuration
    Events(events::Arguments),
    /// What happened around an instant, in one list: deaths, restarts, patches, findings, alerts, clock steps
    Timeline(timeline::Arguments),
    /// What fires and what may fire soon; with a command: silences, rules, history, tests of receivers
    Alerts(alerts::Arguments),
    /// What is wrong, worst first; `findings show` tells everything of one
    Findings(findings::Arguments),
    /// What is measured; with a name, that metric over time: a plot, CSV or JSON
    History(history::Arguments),
    /// The key that seals snapshots: make one, show it
    #[command(subcommand)]
    Key(key::Command),
    /// Give out what is recorded: for other tools, or as one file to hand to somebody
    Export(export::Arguments),
    /// What was done to the record; `audit verify` checks that the log of it is whole
    Audit(audit::Arguments),
    /// Collectors: what runs, what a component asks for, its log
    #[command(subcommand)]
    Collector(collector::Command),
    /// The configuration: check it, show it, its schema
    #[command(subcommand)]
    Config(config::Command),
    /// Tokens for the HTTP API and the dashboard
    #[command(subcommand)]
    Token(token::Command),
    /// What ghostd can and cannot see on this machine, and what to do about it
    Doctor,
    /// Write a store with two days of made-up history, to look around in
    Demo(demo::Arguments),
    /// Read logs from their start as the anomaly collector would, and say what is wrong in them
    Scan(scan::Arguments),
    /// Remove secrets from standard input
    Redact(redact::Arguments),
    /// A script that completes commands and options, for a shell
    Completions(completions::Arguments),
    /// Compile a component from standard input to FILE; ghostd starts this itself
    #[command(name = "compile-component", hide = true)]
    CompileComponent {
        /// Where the native form goes.
        target: PathBuf,
    },
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Run);
    // A closed pipe (`ghostd list | head`) ends a command quietly, as it does every other.
    let result = part::laid_out(&cli.places, &command).and_then(|part| {
        let places = part.as_ref().map_or(&cli.places, part::Part::places);
        dispatch(command, places)
    });
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(cli.places.json),
    }
}

fn dispatch(command: Command, places: &Places) -> Result<ExitCode, Failure> {
    match command {
        Command::Run => run::run(places),
        Command::Snapshot(arguments) => snapshot::run(places, arguments),
        Command::List(arguments) => list::run(places, &arguments),
        Command::Show(arguments) => show::run(places, &arguments),
        Command::Diff(arguments) => diff::run(places, &arguments),
        Command::Verify(arguments) => verify::run(places, &arguments),
        Command::Keep(arguments) => keep::keep(places, &arguments),
        Command::Unkeep(arguments) => keep::unkeep(places, &arguments),
        Command::Prune(arguments) => prune::run(places, &arguments),
        Command::Purge(arguments) => purge::run(places, &arguments),
        Command::Backup(command) => backup::run(places, &command),
        Command::Repair => repair::run(places),
        Command::Status => status::run(places),
        Command::Maintenance(command) => maintenance::run(places, command),
        Command::Watch => watch::watch(places),
        Command::Replay(arguments) => watch::replay(places, &arguments),
        Command::Events(arguments) => events::run(places, &arguments),
        Command::Timeline(arguments) => timeline::run(places, &arguments),
        Command::Alerts(arguments) => alerts::run(places, arguments),
        Command::Findings(arguments) => findings::run(places, &arguments),
        Command::History(arguments) => history::run(places, &arguments),
        Command::Key(command) => key::run(places, &command),
        Command::Export(arguments) => export::run(places, &arguments),
        Command::Audit(arguments) => audit::run(places, &arguments),
        Command::Token(command) => token::run(places, command),
        Command::Collector(command) => collector::run(places, command),
        Command::Config(command) => config::run(places, command),
        Command::Doctor => doctor::run(places),
        Command::Demo(arguments) => demo::run(places, &arguments),
        Command::Scan(arguments) => scan::run(places, &arguments),
        Command::Redact(arguments) => redact::run(places, &arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::CompileComponent { target } => Ok(match crate::plugins::compile::run_child(&target) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::complain(&error);
                ExitCode::from(1)
            }
        }),
    }
}
