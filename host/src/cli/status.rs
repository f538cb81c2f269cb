//! `ghostd status`: how the machine is, by the daemon that runs here; the exit status says it too.

use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, Places, output, place};
use crate::clock;
use crate::control::{self, Answer, Request, Status};
use crate::daemon;
use crate::model::{CallOutcome, OverallStatus, PingBeat, SignBeat};
use crate::store;
use crate::uptime::{self, DaemonUptime};

/// How long the daemon is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(places: &Places) -> Result<ExitCode, Failure> {
    let status = ask(places)?;
    let good = status.heartbeat.as_ref().is_some_and(|beat| beat.overall.status == OverallStatus::Healthy);
    let uptimes = uptimes(places, &status);
    if places.json {
        output::print_json(&Document { status: &status, uptime: &uptimes });
    } else {
        page(&status, &uptimes);
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

#[derive(serde::Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    status: &'a Status,
    /// Uptime of each daemon over the last hour, day, week, 30 and 90 days.
    uptime: &'a [DaemonUptime],
}

/// From the history. What cannot be read there is not told: the daemon's own answer is not held up by it.
fn uptimes(places: &Places, status: &Status) -> Vec<DaemonUptime> {
    let Some(beat) = &status.heartbeat else { return Vec::new() };
    let names = beat.daemons.iter().map(|daemon| daemon.name.as_str());
    let read = || -> Result<Vec<DaemonUptime>, Failure> {
        let reader = store::Reader::open(&place::paths(places)?.data_dir)?;
        Ok(uptime::read(&reader, names, clock::wall())?)
    };
    read().unwrap_or_else(|failure| {
        output::complain(&format!("uptime cannot be told: {failure}"));
        Vec::new()
    })
}

/// One column for each while: the percentage, and of how much time that is. Daemons of which nothing was ever counted
/// are left out.
fn print_uptimes(uptimes: &[DaemonUptime]) {
    let mut head = vec!["UPTIME"];
    head.extend(uptime::WINDOWS.iter().map(|(name, _)| *name));
    let mut table = output::Table::new(&head);
    for one in uptimes.iter().filter(|one| one.windows.iter().any(|window| window.percent.is_some())) {
        let cell = |window: &uptime::WindowUptime| match window.percent {
            Some(percent) => {
                let counted = &window.counted;
                let judged = counted.up_seconds + counted.down_seconds + counted.paused_seconds;
                format!("{} of {}", percentage(percent), output::duration(judged))
            }
            None => "no data".to_owned(),
        };
        table.row(std::iter::once(one.name.clone()).chain(one.windows.iter().map(cell)));
    }
    if !table.is_empty() {
        output::line("");
        table.print();
    }
}

/// Never rounded up to 100 %.
fn percentage(percent: f64) -> String {
    if percent >= 100.0 { "100 %".to_owned() } else { format!("{:.2} %", (percent * 100.0).floor() / 100.0) }
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

/// `ok 1.2 ms (median 1.3, p95 4.0)`, or what it is instead.
fn ping(ping: &PingBeat) -> String {
    match (ping.outcome.as_str(), ping.latency_ms, ping.median_ms, ping.p95_ms) {
        ("ok", Some(last), Some(median), Some(p95)) => {
            format!("ok {last:.1} ms (median {median:.1}, p95 {p95:.1})")
        }
        (outcome, ..) => outcome.to_owned(),
    }
}

/// `fresh, 3.2 s`, or what it is instead.
fn sign(sign: &SignBeat) -> String {
    let age = sign.age_seconds.map(|age| format!(", {}", output::duration(age))).unwrap_or_default();
    format!("{}{age}", sign.state)
}

fn page(status: &Status, uptimes: &[DaemonUptime]) {
    match &status.heartbeat {
        None => output::line("no heartbeat yet"),
        Some(beat) => {
            output::line(format!("{} at {}", daemon::word(beat.overall.status), output::local(beat.at)));
            for reason in &beat.overall.reasons {
                output::line(format!("  {}", output::escaped(reason)));
            }
            output::line("");
            let with_pings = beat.daemons.iter().any(|one| one.ping.is_some());
            let with_files = beat.daemons.iter().any(|one| one.heartbeat_file.is_some());
            let mut head = vec!["DAEMON", "STATUS", "PID", "UP FOR", "CPU %", "MEMORY", "RESTARTS"];
            head.extend(with_pings.then_some("PING"));
            head.extend(with_files.then_some("SIGN OF LIFE"));
            let mut table = output::Table::new(&head);
            for one in &beat.daemons {
                let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                let maintenance = if one.maintenance { " (maintenance)" } else { "" };
                let cells = [
                    one.name.clone(),
                    format!("{}{maintenance}", one.status),
                    or_dash(one.pid.map(|pid| pid.to_string())),
                    or_dash(one.uptime_seconds.map(output::duration)),
                    or_dash(one.cpu_percent.map(|percent| format!("{percent:.1}"))),
                    or_dash(one.memory_bytes.map(output::bytes)),
                    or_dash(one.restart_count.map(|count| count.to_string())),
                ];
                let ping = with_pings.then(|| or_dash(one.ping.as_ref().map(ping)));
                let file = with_files.then(|| or_dash(one.heartbeat_file.as_ref().map(sign)));
                table.row(cells.into_iter().chain(ping).chain(file));
            }
            table.print();
            print_uptimes(uptimes);
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
    if let Some(url) = &status.api.url {
        output::line(format!("dashboard  {url} (`ghostd token link` logs a browser in)"));
    }
    if let Some(id) = status.last_snapshot {
        output::line(format!("snapshot   {id}"));
    }
    output::line(format!("missed     {} heartbeats, {} snapshots", status.missed_heartbeats, status.missed_snapshots));
    if !status.ends_are_told {
        output::line("! the kernel does not tell when a daemon ends (no pidfd): that is found out with each heartbeat");
    }
    let alerts = &status.alerts;
    let mut counts = vec![format!("{} firing, {} pending", alerts.firing, alerts.pending)];
    for (count, what) in [(alerts.info, "information"), (alerts.suppressed, "silenced"), (alerts.queued, "to be sent")]
    {
        if count > 0 {
            counts.push(format!("{count} {what}"));
        }
    }
    output::line(format!("alerts     {}", counts.join(", ")));
    for condition in &status.conditions {
        output::line(format!("! {}", output::escaped(condition)));
    }
    for one in status.collectors.iter().filter(|one| !matches!(one.status, CallOutcome::Ok | CallOutcome::Pending)) {
        let error = one.error.as_deref().unwrap_or_default();
        output::line(format!("! collector {} {}: {}", one.name, one.status.as_str(), output::escaped(error)));
    }
}
