//! `ghostd snapshot`: one capture now, by the daemon where one runs, otherwise by this process.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Failure, Place, Places, output, run};
use crate::chain::chain;
use crate::clock::Clock;
use crate::control::{self, Answer, Request};
use crate::model::{SnapshotId, Trigger};
use crate::publish::Stored;
use crate::recorder::Recorder;
use crate::store::{self, ExclusiveStore, LockError, StoreError};
use crate::wiring::{self, Machinery};
use crate::{memory, once};

/// How much longer than its own deadline a daemon's capture is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Why it is taken; it is shown wherever the snapshot is
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Keep it beyond the ordinary retention
    #[arg(long)]
    important: bool,
    /// How long to wait for a daemon that takes it [default: its capture deadline and 10 s]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

pub(crate) fn run(places: &Places, arguments: Arguments) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    run::log_to_stderr(&place.loaded.config.log)?;
    let clock = Clock::system(&place.loaded.config.host.proc);
    match ExclusiveStore::open(&place.paths.data_dir, &clock.now()) {
        Ok((store, report)) => {
            run::tell_start(&report);
            alone(places, place, store, clock, arguments)
        }
        Err(StoreError::Lock(LockError::Held { path, .. })) => by_daemon(places, &place, &path, arguments),
        Err(error) => Err(error.into()),
    }
}

fn by_daemon(places: &Places, place: &Place, data_dir: &Path, arguments: Arguments) -> Result<ExitCode, Failure> {
    let socket = store::holder(data_dir)?.and_then(|holder| holder.control_socket).ok_or_else(|| {
        Failure::new(format!("another ghostd writes to `{}` and does not take requests", data_dir.display()))
            .hint("it may be a `ghostd snapshot` of somebody else: try again in a moment")
    })?;
    let patience = arguments.timeout.map_or(place.loaded.config.snapshot.deadline + PATIENCE, Duration::from_secs);
    let request = Request::Snapshot { reason: arguments.reason, important: arguments.important };
    match control::ask(&socket, &request, patience)? {
        Answer::Snapshot { id, sequence, path } => tell(places, id, sequence, &path, &[]),
        Answer::Failed { error } => Err(Failure::new(format!("the daemon could not take it: {error}"))),
        _ => Err(Failure::new("the daemon answered something else")),
    }
}

fn alone(
    places: &Places,
    place: Place,
    store: ExclusiveStore,
    clock: Clock,
    arguments: Arguments,
) -> Result<ExitCode, Failure> {
    let now = clock.now();
    let shown = run::shown_in_last(&store);
    let loaded = store.load().unwrap_or_else(|error| {
        tracing::error!(%error, "What was stored before cannot be used; rates begin anew.");
        store::Loaded::default()
    });
    let cache = store.directory().cache();
    let config = place.loaded.config;
    let carry = run::carry(&config);
    let next = store.next_heartbeat_sequence();
    let memory = memory::recall(loaded, &shown, next, &now, carry);
    let (history, policy) = (wiring::history(&config), wiring::policy(&config.store));
    let sealer = run::sealer(&config, &clock)?;
    let heads = wiring::head_places(&config.security);
    let machinery = Machinery::new(config, Some(&cache))?;
    let notices = store.notices().to_vec();
    let taken = once::take(machinery, memory, Trigger::Manual, arguments.reason, arguments.important, notices)
        .map_err(Failure::new)?;
    let recorder = Recorder::start(store, clock, history, policy, sealer)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    recorder.snapshot(taken.capture, move |result| {
        let _ = sender.send(result);
    });
    let result = receiver.recv();
    recorder.stop();
    let stored: Stored = result.map_err(|_| Failure::new("the recorder ended"))?.map_err(Failure::new)?;
    if let Err(error) = heads.tell(&stored.head) {
        tracing::error!(error = chain(&error), "The head of the chain is not published.");
    }
    tell(places, stored.id, stored.sequence, &stored.path, &taken.failed)
}

fn tell(
    places: &Places,
    id: SnapshotId,
    sequence: u64,
    path: &Path,
    failed: &[(String, String)],
) -> Result<ExitCode, Failure> {
    if places.json {
        let failed: Vec<_> =
            failed.iter().map(|(name, why)| serde_json::json!({"collector": name, "error": why})).collect();
        output::print_json(&serde_json::json!({"id": id, "sequence": sequence, "path": path, "failed": failed}));
    } else {
        output::line(id.to_string());
        for (name, why) in failed {
            output::complain(&format!("collector {name}: {}", output::escaped(why)));
        }
    }
    Ok(ExitCode::SUCCESS)
}
