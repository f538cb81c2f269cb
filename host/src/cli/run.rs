//! `ghostd run`: sets everything up, and says where it writes and what it watches.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{Failure, Place, Places, output, place};
use crate::chain::chain;
use crate::clock::Clock;
use crate::config::{Cadence, Config, Loaded, Log, LogFormat};
use crate::control;
use crate::daemon::{self, Setup, Told};
use crate::memory;
use crate::model::SnapshotFinding;
use crate::recorder::Recorder;
use crate::sealer::Sealer;
use crate::store::{ExclusiveStore, LockError, Source, StartReport, StoreError};
use crate::wiring::{self, Machinery};

pub(crate) fn run(places: &Places) -> Result<ExitCode, Failure> {
    let found = Place::find(places)?;
    log_to_stderr(&found.loaded.config.log)?;
    let Place { paths, loaded } = found;
    let (config, effective) = (loaded.config, loaded.effective.to_json());
    let clock = Clock::system(&config.host.proc);
    let (mut store, report) = ExclusiveStore::open(&paths.data_dir, &clock.now()).map_err(already_running)?;
    tell_start(&report);
    let socket = config.control.socket.clone().unwrap_or_else(|| paths.control_socket.clone());

    let shown = shown_in_last(&store);
    let stored = store.load().unwrap_or_else(|error| {
        tracing::error!(error = chain(&error), "What was stored before cannot be used; rates and counts begin anew.");
        crate::store::Loaded::default()
    });
    let memory = memory::recall(stored, &shown, store.next_heartbeat_sequence(), &clock.now(), carry(&config));
    let machinery = Machinery::new(config, Some(&store.directory().cache()))?;
    greet(&machinery.config, &paths, &socket);

    let sealer = sealer(&machinery.config, &clock)?;
    store.rotate_audit_at(machinery.config.security.audit_rotate.0);
    let history = wiring::history(&machinery.config);
    let policy = wiring::policy(&machinery.config.store);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let listener = control::listen(&socket)?;
        store.set_control_socket(Some(&socket))?;
        let notices = store.notices().to_vec();
        let recorder = Recorder::start(store, clock, history, policy, sealer)?;
        notices.iter().for_each(|notice| recorder.notices.add(notice));
        let places = places.clone();
        let reload = Box::new(move || reload(&places));
        let config_file = paths.config_file.clone();
        let api_socket = socket.with_file_name(api_socket_name(&socket));
        let setup = Setup {
            machinery,
            recorder,
            memory,
            listener,
            config_file,
            api_socket,
            effective,
            reload,
            watcher: Box::new(tell),
        };
        daemon::run(setup).await?;
        Ok(ExitCode::SUCCESS)
    });
    let _ = std::fs::remove_file(&socket);
    // A thread that waits for a dead mount or a compiler must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(50));
    ended
}

/// The key that seals. One that is configured and cannot be used ends a start: what is not signed today could not be
/// told tomorrow from what somebody else has put there.
pub(crate) fn sealer(config: &Config, clock: &Clock) -> Result<Option<Sealer>, Failure> {
    Ok(wiring::sealer(&config.security, clock.now().boottime_ns)?)
}

/// `api.sock` beside `control.sock`, `api-1a2b.sock` beside `control-1a2b.sock`.
fn api_socket_name(control: &std::path::Path) -> String {
    let name = control.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.strip_prefix("control") {
        Some(rest) => format!("api{rest}"),
        None => format!("api-{name}"),
    }
}

fn reload(places: &Places) -> Result<Loaded, String> {
    let paths = place::paths(places).map_err(|failure| failure.to_string())?;
    let overrides = place::overrides(places).map_err(|failure| failure.to_string())?;
    place::read_config(&paths, &overrides).map_err(|failure| failure.to_string())
}

fn already_running(error: StoreError) -> Failure {
    match &error {
        StoreError::Lock(LockError::Held { .. }) => Failure::from(error)
            .hint("one ghostd writes to a data directory; `ghostd status` asks the one that runs, --data-dir names another directory"),
        _ => error.into(),
    }
}

/// How long the stored sections of each collector may be shown again.
pub(crate) fn carry(config: &Config) -> impl Fn(&str, &str) -> Option<Duration> + use<> {
    let known: BTreeMap<String, (u32, Duration, BTreeMap<String, Duration>)> = config
        .collectors
        .iter()
        .filter(|(_, collector)| collector.enabled)
        .map(|(name, collector)| {
            let interval = |cadence: Cadence| cadence.interval(config);
            let sections = collector.sections.iter().map(|(key, cadence)| (key.clone(), interval(*cadence))).collect();
            (name.clone(), (collector.carry_intervals, interval(collector.every), sections))
        })
        .collect();
    move |collector, key| {
        let (times, every, sections) = known.get(collector)?;
        Some(sections.get(key).unwrap_or(every).saturating_mul(*times))
    }
}

/// The findings of the last snapshot: what is in it is not new in the next.
pub(crate) fn shown_in_last(store: &ExclusiveStore) -> Vec<SnapshotFinding> {
    let Some(newest) = store.newest() else { return Vec::new() };
    match crate::store::Reader::open(store.directory().path()).and_then(|reader| reader.read(newest.id)) {
        Ok(checked) => checked.body.findings,
        Err(error) => {
            tracing::warn!(error = chain(&error), "The last snapshot cannot be read; its findings will show as new.");
            Vec::new()
        }
    }
}

/// Sends the log of this process to standard error, as the configuration wants it.
pub(crate) fn log_to_stderr(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::new(format!("ghostd={},warn", format!("{:?}", log.level).to_lowercase()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let done = match &log.file {
        Some(path) => {
            use std::os::unix::fs::OpenOptionsExt;
            let file = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map_err(|error| Failure::new(format!("cannot open the log `{}`: {error}", path.display())))?;
            let builder = builder.with_writer(std::sync::Mutex::new(file)).with_ansi(false);
            match log.format {
                LogFormat::Text => builder.try_init(),
                LogFormat::Json => builder.json().try_init(),
            }
        }
        None => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let builder = builder.with_writer(std::io::stderr).with_ansi(colour);
            match log.format {
                LogFormat::Text => builder.try_init(),
                LogFormat::Json => builder.json().try_init(),
            }
        }
    };
    // Only a second call in one process fails, and then the first has its way.
    drop(done);
    Ok(())
}

/// What a start found in the store and did about it.
pub(crate) fn tell_start(report: &StartReport) {
    if let Some(notice) = report.notice() {
        tracing::error!("{notice}");
    }
    if !report.found.is_empty() {
        tracing::info!(
            count = report.found.len(),
            "Snapshots that were durable and not yet in the catalog were taken in."
        );
    }
    if !report.deletions_finished.is_empty() {
        tracing::info!(count = report.deletions_finished.len(), "Deletions that had been begun were finished.");
    }
    if report.vanished_count > 0 {
        tracing::error!(count = report.vanished_count, ids = ?report.vanished, "Snapshots are gone, and nothing says why.");
    }
    for (file, why) in &report.rejected {
        tracing::error!(file, why, "A file named like a snapshot was not taken in.");
    }
    if report.audit_torn_bytes > 0 {
        tracing::warn!(bytes = report.audit_torn_bytes, "A torn last line of the audit log was cut off.");
    }
    if let Some(flaw) = &report.audit_flaw {
        tracing::error!(flaw, "The audit log cannot be trusted.");
    }
}

fn greet(config: &Config, paths: &crate::config::Paths, socket: &std::path::Path) {
    let names: Vec<&str> = config.daemons.iter().map(|daemon| daemon.name.as_str()).collect();
    let collectors: Vec<&str> =
        config.collectors.values().filter(|one| one.enabled).map(|one| one.name.as_str()).collect();
    let file = if paths.config_file.exists() { "" } else { " (not there: defaults)" };
    for (what, value) in [
        ("data", paths.data_dir.display().to_string()),
        ("configuration", format!("{}{file}", paths.config_file.display())),
        ("control socket", socket.display().to_string()),
        ("watches", if names.is_empty() { "no daemons".to_owned() } else { names.join(", ") }),
        ("collectors", collectors.join(", ")),
    ] {
        output::line(format!("{what:<15} {value}"));
    }
}

/// On a terminal one line per snapshot; elsewhere the log says it.
fn tell(told: &Told<'_>) {
    if !std::io::stdout().is_terminal() {
        if let Told::Snapshot(stored, _) = told {
            tracing::info!(id = %stored.id, sequence = stored.sequence, bytes = stored.size_bytes, "A snapshot is durable.");
        }
        return;
    }
    match told {
        Told::Snapshot(stored, heartbeat) => {
            let verdict = heartbeat.map_or("no heartbeat yet", |beat| daemon::word(beat.overall.status));
            let open = stored.shown.iter().filter(|one| !one.finding.resolved).count();
            output::line(format!(
                "{}  snapshot {}  {}  {}  {verdict}, {open} open findings",
                output::local(stored.captured_at),
                stored.sequence,
                stored.id,
                output::bytes(stored.size_bytes),
            ));
        }
        Told::Dashboard(link) => {
            if let Some(link) = link() {
                let minutes = crate::api::LINK_MINUTES;
                output::line(format!("dashboard       {link}  (logs a browser in, once, within {minutes} minutes)"));
            }
        }
        Told::Failed(error) => output::line(format!("capture failed: {}", output::escaped(error))),
    }
}
