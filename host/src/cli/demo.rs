//! `ghostd demo`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Failure, Place, Places, output, when};
use crate::clock;
use crate::demo::{self, DemoError, Wanted};
use crate::store::HistoryPolicy;
use crate::wiring;

/// Where a demo goes when nobody says where: below the working directory, never where a real history is.
const DIRECTORY: &str = "ghostd-demo";
/// How long the demo keeps every heartbeat: the older half of it shows what becomes of history.
const KEEP_RAW: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The same seed gives the same figures
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// When its history ends [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let data_dir = places.data_dir.clone().unwrap_or_else(|| PathBuf::from(DIRECTORY));
    let place = Place::find(&Places { data_dir: Some(data_dir.clone()), ..places.clone() })?;
    let now = clock::wall();
    let wanted = Wanted {
        data_dir,
        until: when::parse_given(arguments.until.as_deref(), now)?.unwrap_or(now),
        seed: arguments.seed,
        retention: wiring::policy(&place.loaded.config.store),
        history: HistoryPolicy { raw: KEEP_RAW, ..wiring::history(&place.loaded.config) },
    };
    let written = demo::write(&wanted).map_err(|error| match error {
        DemoError::NotEmpty(_) => Failure::from(error)
            .hint("a demo goes into a directory of its own: --data-dir names one that is not there yet"),
        error => Failure::from(error),
    })?;
    let dir = wanted.data_dir.display();
    if places.json {
        output::print_json(&serde_json::json!({
            "data_dir": wanted.data_dir, "until": wanted.until, "seed": wanted.seed, "sealed": written.sealed,
            "snapshots": written.snapshots, "heartbeats": written.heartbeats, "points": written.points,
            "events": written.events,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format!(
        "Two days of a machine that never was are in `{dir}`: {} heartbeats, {} snapshots ({} were sealed, retention \
         removed the others), {} events, {} metric points.",
        written.heartbeats, written.snapshots, written.sealed, written.events, written.points
    ));
    output::line("");
    output::line("What happened there, and how to find it:");
    for (command, what) in [
        ("list", "the snapshots, and why each is kept"),
        ("findings", "what is wrong now"),
        ("events --since -30m", "what has just happened"),
        ("diff @-22h @-21h", "the relay ran out of memory in between"),
        ("show @-16h --section clock", "the clock, 38 s behind"),
        ("history system.filesystem.utilization --since -14h", "a disk that fills"),
        ("verify", "every byte, and the chain"),
    ] {
        output::line(format!("  ghostd --data-dir {dir} {command:<52} # {what}"));
    }
    Ok(ExitCode::SUCCESS)
}
