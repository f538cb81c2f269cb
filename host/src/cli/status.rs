//! `ghostd status`: how the machine is, by the daemon that runs here; the exit status says it too.

use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, Places, output, place};
use crate::control::{self, Answer, Request, Status};
use crate::daemon;
use crate::model::{CallOutcome, OverallStatus};
use crate::store;

/// How long the daemon is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(places: &Places) -> Result<ExitCode, Failure> {
    let status = ask(places)?;
    let good = status.heartbeat.as_ref().is_some_and(|beat| beat.overall.status == OverallStatus::Healthy);
    if places.json {
        output::print_json(&status);
    } else {
        page(&status);
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn ask(places: &Places) -> Result<Status, Failure> {
    match request(places, &Request::Status)? {
        Answer::Status(status) => Ok(*status),
        Answer::Failed { error } => Err(Failure::new(error)),
        _ => Err(Failure::new("the daemon answered something else")),
    }
}

/// Asks the daemon that writes to the data directory.
pub(crate) fn request(places: &Places, request: &Request) -> Result<Answer, Failure> {
    let paths = place::paths(places)?;
    let socket = store::holder(&paths.data_dir)?.and_then(|holder| holder.control_socket).ok_or_else(|| {
        Failure::new(format!("no ghostd runs on `{}`", paths.data_dir.display()))
            .hint("`ghostd run` starts one; `ghostd show` reads the last snapshot without it")
    })?;
    Ok(control::ask(&socket, request, PATIENCE)?)
}

fn page(status: &Status) {
    match &status.heartbeat {
        None => output::line("no heartbeat yet"),
        Some(beat) => {
            output::line(format!("{} at {}", daemon::word(beat.overall.status), output::local(beat.at)));
            for reason in &beat.overall.reasons {
                output::line(format!("  {}", output::escaped(reason)));
            }
            output::line("");
            let mut table = output::Table::new(&["DAEMON", "STATUS", "PID", "UP FOR", "CPU %", "MEMORY", "RESTARTS"]);
            for one in &beat.daemons {
                let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                table.row([
                    one.name.clone(),
                    one.status.clone(),
                    or_dash(one.pid.map(|pid| pid.to_string())),
                    or_dash(one.uptime_seconds.map(output::duration)),
                    or_dash(one.cpu_percent.map(|percent| format!("{percent:.1}"))),
                    or_dash(one.memory_bytes.map(output::bytes)),
                    or_dash(one.restart_count.map(|count| count.to_string())),
                ]);
            }
            table.print();
            let offset = beat.clock_offset_seconds.map(|s| format!(", offset {s:+.6} s")).unwrap_or_default();
            output::line(format!("\nclock      {}{offset}", beat.clock_status));
        }
    }
    output::line(format!(
        "ghostd     {} (pid {}), since {}",
        status.version,
        status.pid,
        output::local(status.started_at)
    ));
    if let Some(id) = status.last_snapshot {
        output::line(format!("snapshot   {id}"));
    }
    output::line(format!("missed     {} heartbeats, {} snapshots", status.missed_heartbeats, status.missed_snapshots));
    for condition in &status.conditions {
        output::line(format!("! {}", output::escaped(condition)));
    }
    for one in status.collectors.iter().filter(|one| !matches!(one.status, CallOutcome::Ok | CallOutcome::Pending)) {
        let error = one.error.as_deref().unwrap_or_default();
        output::line(format!("! collector {} {}: {}", one.name, one.status.as_str(), output::escaped(error)));
    }
}
