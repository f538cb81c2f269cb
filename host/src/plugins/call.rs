//! One call of a collector: a fresh store, a deadline, and an account of what happened.
//!
//! A guest spins: the epoch makes it look at the clock and yield every few milliseconds. A guest waits in a host
//! call, where epochs do not act: the timeout round the call drops it. A host call itself hangs in the kernel:
//! whoever awaits the call (`run`) stops waiting. In every case the store is thrown away and nothing of the call
//! outlives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Engine, Store, Trap, UpdateDeadline};
use wasmtime_wasi::WasiCtxBuilder;

use super::bindings::ghost::collector::types as wit;
use super::bindings::{Plugin, PluginPre};
use super::engine::Ticker;
use super::lend::fake::Fake;
use super::lend::files::FilesLent;
use super::lend::{CommandsLent, Services};
use super::state::{CallState, DeadlinePassed, Lent, LimitReached, Limits, MemoryAccount, NotGranted, Phase};
use super::stdio::{Level, LogBuffer, LogLine};

/// How a call ended that did not return sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFailure {
    /// It returned a failure.
    Failed(String),
    /// It was running at its deadline.
    TimedOut(Duration),
    /// It trapped.
    Trapped(String),
    /// It ran into a limit.
    Limit(String),
    /// What it returned was not valid.
    Invalid(String),
    /// Its functions have other types than the contract's.
    Misfit(String),
}

impl std::fmt::Display for CallFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(text) | Self::Trapped(text) | Self::Limit(text) | Self::Invalid(text) | Self::Misfit(text) => {
                f.write_str(text)
            }
            Self::TimedOut(wall) => {
                write!(f, "time limit of {} ms exceeded (raise `limits.wall`)", wall.as_millis())
            }
        }
    }
}

/// What a call used and left behind, however it ended.
#[derive(Debug, Default)]
pub struct CallAccount {
    /// How long it took.
    pub duration: Duration,
    /// The most memory it had at a time.
    pub peak_memory_bytes: u64,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// Log lines beyond the quota.
    pub dropped_log_lines: u64,
    /// Host calls that were refused.
    pub denied_calls: u64,
    /// Host calls that were made.
    pub host_calls: u64,
    /// Bytes of what the host answered: see [`Lent::bytes_lent`].
    pub bytes_lent: u64,
    /// Its state, where it succeeded and changed it.
    pub state: Option<BTreeMap<String, String>>,
}

/// What calls of all collectors share.
pub struct CallContext {
    /// The engine.
    pub engine: Engine,
    /// Its clock.
    pub ticker: Ticker,
    /// What is lent.
    pub services: Arc<Services>,
}

impl std::fmt::Debug for CallContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallContext").finish_non_exhaustive()
    }
}

/// What one collector brings to each of its calls.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Its name in the configuration.
    pub collector: Arc<str>,
    /// What a call may take.
    pub limits: Limits,
    /// The files it is lent.
    pub files: Arc<FilesLent>,
    /// The commands that it may run.
    pub commands: Arc<CommandsLent>,
    /// What answers in the machine's place, in a test of the collector.
    pub fake: Option<Arc<Fake>>,
    /// Whether the bytes of all that it is lent are counted, for a benchmark.
    pub metered: bool,
    /// Directories that are preopened read-only, where `wasi:filesystem` is granted.
    pub preopens: Vec<(String, std::path::PathBuf)>,
}

/// Asks a component what it is. No capability is lent.
pub async fn describe(
    context: &CallContext,
    pre: &PluginPre<CallState>,
    settings: &CallSettings,
) -> (Result<wit::Descriptor, CallFailure>, CallAccount) {
    in_store(context, settings, Phase::Describe, BTreeMap::new(), async |store| {
        let plugin = match instantiate(pre, store).await? {
            Ok(plugin) => plugin,
            Err(misfit) => return Ok(Err(misfit)),
        };
        Ok(Ok(plugin.ghost_collector_collector().call_describe(store).await?))
    })
    .await
}

/// Has a component take its sections.
pub async fn collect(
    context: &CallContext,
    pre: &PluginPre<CallState>,
    settings: &CallSettings,
    invocation: &wit::Invocation,
    config: &String,
    state: BTreeMap<String, String>,
) -> (Result<Vec<wit::Section>, CallFailure>, CallAccount) {
    in_store(context, settings, Phase::Collect, state, async |store| {
        let plugin = match instantiate(pre, store).await? {
            Ok(plugin) => plugin,
            Err(misfit) => return Ok(Err(misfit)),
        };
        let returned = plugin.ghost_collector_collector().call_collect(store, invocation, config).await?;
        Ok(returned.map_err(|failure| CallFailure::Failed(failure_text(failure))))
    })
    .await
}

/// The types of a component's functions are compared when it is instantiated. What fails there and has no cause of the
/// guest's own making (a trap in a start function, a limit) is that.
async fn instantiate(
    pre: &PluginPre<CallState>,
    store: &mut Store<CallState>,
) -> wasmtime::Result<Result<Plugin, CallFailure>> {
    match pre.instantiate_async(store).await {
        Ok(plugin) => Ok(Ok(plugin)),
        Err(error)
            if error.downcast_ref::<Trap>().is_some()
                || error.downcast_ref::<LimitReached>().is_some()
                || error.downcast_ref::<DeadlinePassed>().is_some()
                || error.downcast_ref::<NotGranted>().is_some()
                || error.downcast_ref::<wasmtime_wasi::I32Exit>().is_some() =>
        {
            Err(error)
        }
        Err(error) => Ok(Err(CallFailure::Misfit(format!("{error:#}")))),
    }
}

fn failure_text(failure: wit::Failure) -> String {
    let (kind, text) = match failure {
        wit::Failure::Config(text) => ("configuration", text),
        wit::Failure::Denied(text) => ("denied", text),
        wit::Failure::Unavailable(text) => ("unavailable", text),
        wit::Failure::Internal(text) => ("internal", text),
    };
    format!("{kind}: {}", text.chars().take(1024).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>())
}

async fn in_store<T>(
    context: &CallContext,
    settings: &CallSettings,
    phase: Phase,
    state: BTreeMap<String, String>,
    guest: impl AsyncFnOnce(&mut Store<CallState>) -> wasmtime::Result<Result<T, CallFailure>>,
) -> (Result<T, CallFailure>, CallAccount) {
    let limits = &settings.limits;
    let started = Instant::now();
    let deadline = started + limits.wall;
    let log = LogBuffer::new(limits.log_lines, limits.log_line_bytes);
    let mut store = match new_store(context, settings, phase, deadline, state, &log) {
        Ok(store) => store,
        Err(error) => return (Err(CallFailure::Trapped(format!("{error:#}"))), CallAccount::default()),
    };
    store.epoch_deadline_callback(move |_| {
        if Instant::now() >= deadline { Err(DeadlinePassed.into()) } else { Ok(UpdateDeadline::Yield(1)) }
    });
    store.set_epoch_deadline(1);

    let ticking = context.ticker.tick();
    let returned = tokio::time::timeout(limits.wall, guest(&mut store)).await;
    drop(ticking);

    let outcome = match returned {
        Err(_elapsed) => Err(CallFailure::TimedOut(limits.wall)),
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Err(explain(&error, limits, &log)),
    };
    let state = store.into_data();
    let (log, dropped_log_lines) = log.finish();
    let account = CallAccount {
        duration: started.elapsed(),
        peak_memory_bytes: state.memory.peak,
        log,
        dropped_log_lines,
        denied_calls: state.lent.denied,
        host_calls: state.lent.host_calls,
        bytes_lent: state.lent.bytes_lent,
        state: (outcome.is_ok() && state.lent.state_changed).then_some(state.lent.state),
    };
    (outcome, account)
}

fn new_store(
    context: &CallContext,
    settings: &CallSettings,
    phase: Phase,
    deadline: Instant,
    state: BTreeMap<String, String>,
    log: &LogBuffer,
) -> wasmtime::Result<Store<CallState>> {
    let limits = &settings.limits;
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(log.stream(Level::Info)).stderr(log.stream(Level::Warn));
    if phase == Phase::Collect {
        for (name, path) in &settings.preopens {
            // A directory that is not there is said by whoever looks for it, as with any root.
            let _ = wasi.preopened_dir(path, name, wasmtime_wasi::FsPerms::ReadOnly);
        }
    }
    let lent = Lent {
        collector: Arc::clone(&settings.collector),
        phase,
        log: log.clone(),
        state,
        state_changed: false,
        state_bytes: limits.state_bytes,
        files: Arc::clone(&settings.files),
        commands: Arc::clone(&settings.commands),
        services: Arc::clone(&context.services),
        fake: settings.fake.clone(),
        metered: settings.metered,
        bytes_lent: 0,
        deadline,
        denied: 0,
        host_calls: 0,
        max_host_calls: limits.host_calls,
    };
    let state = CallState::new(wasi.build(), MemoryAccount::new(limits.memory_bytes), lent);
    let mut store = Store::new(&context.engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(usize::try_from(limits.result_bytes).unwrap_or(usize::MAX));
    store.set_max_component_handles(limits.handles);
    Ok(store)
}

/// Says what ended a guest, in words that lead to the mend.
fn explain(error: &wasmtime::Error, limits: &Limits, log: &LogBuffer) -> CallFailure {
    if error.downcast_ref::<DeadlinePassed>().is_some() {
        return CallFailure::TimedOut(limits.wall);
    }
    if let Some(limit) = error.downcast_ref::<LimitReached>() {
        return CallFailure::Limit(limit.0.clone());
    }
    if let Some(denied) = error.downcast_ref::<NotGranted>() {
        return CallFailure::Trapped(denied.0.clone());
    }
    let words = log.last_words().map(|words| format!(": {words}")).unwrap_or_default();
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return CallFailure::Trapped(format!("it exited with status {} instead of returning{words}", exit.0));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => CallFailure::Limit(format!("stack limit exceeded: it recursed too deeply{words}")),
        Some(Trap::UnreachableCodeReached) if !words.is_empty() => CallFailure::Trapped(words[2..].to_owned()),
        Some(trap) => CallFailure::Trapped(format!("{trap}{words}")),
        None => {
            let text = format!("{:#}", error);
            if text.contains("fuel") {
                // wasmtime has no type for this one.
                return CallFailure::Limit(format!(
                    "result limit of {} bytes exceeded in one call to the host (raise `limits.result`)",
                    limits.result_bytes
                ));
            }
            let first: String = error.root_cause().to_string().chars().take(512).collect();
            CallFailure::Trapped(format!("{first}{words}"))
        }
    }
}
