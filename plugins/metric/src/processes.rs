//! Section `processes`: how many there are in which state, and the dearest by CPU and by memory.

use std::collections::BTreeMap;

use ghostd_sdk::host::processes::{self, Identity, Process, ProcessDetail, ProcessTable, RunState};
use ghostd_sdk::host::{state, system};
use ghostd_sdk::time::rfc3339;
use ghostd_sdk::{Error, Failure, Invocation, Metric, Section};
use serde::Serialize;

use crate::config::Config;
use crate::rate::{Moment, Span, percent, tidy};
use crate::usage::{Usage, cpu_ms};

/// The key of the section.
pub(crate) const SECTION: &str = "processes";
/// The form of its body.
pub(crate) const SCHEMA: &str = "ghost.processes/1";
/// Characters of a command line that are shown.
const COMMAND_LINE_CHARS: usize = 256;
/// The key of its state.
const STATE_KEY: &str = "processes.1";
/// As many as the host gives at once.
const MAX_PROCESSES: u32 = 32_768;

#[derive(Debug, Serialize)]
struct Body {
    /// What `cpu_percent` is reckoned over; none: there is none.
    rate_span_seconds: Option<f64>,
    total: u32,
    /// Those that could not be read; they are in no other count.
    unreadable: u32,
    /// Threads of the kernel, which are processes too.
    kernel: u32,
    threads: u64,
    by_state: BTreeMap<&'static str, u32>,
    /// By CPU since the base; without a base by CPU since their start.
    top_cpu: Vec<Entry>,
    /// By resident memory.
    top_memory: Vec<Entry>,
}

/// One of the dearest.
#[derive(Clone, Debug, Serialize)]
struct Entry {
    pid: u32,
    ppid: u32,
    name: String,
    state: &'static str,
    threads: u32,
    /// Of one processor: two busy threads make 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    /// Since its start.
    cpu_seconds: f64,
    resident_bytes: u64,
    /// Of all memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_percent: Option<f64>,
    started_at: String,
    #[serde(flatten)]
    detail: Option<Detail>,
    /// Why there is no more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Detail {
    command_line: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_files: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
}

/// The processes that are listed, as places in the table.
#[derive(Debug, PartialEq)]
struct Dearest {
    by_cpu: Vec<usize>,
    by_memory: Vec<usize>,
}

/// Reads the table, and details of the dearest alone.
///
/// # Errors
/// Where the table cannot be read: then there is nothing to say.
pub(crate) fn collect(call: &Invocation, config: &Config) -> Result<Section, Failure> {
    let base = state::load::<String>(STATE_KEY).and_then(|text| Usage::decode(&text));
    let moment = Moment::of(call);
    let span = moment.since(base.as_ref().map(|base| &base.moment));
    let table = processes::table(MAX_PROCESSES)?;
    let mut warnings = Vec::new();
    if table.total as usize > table.processes.len() + table.unreadable as usize {
        warnings.push(format!("{} of {} processes were looked at", table.processes.len(), table.total));
    }
    let memory_bytes = match system::memory() {
        Ok(memory) => Some(memory.total),
        Err(Error::Unavailable(_)) => None,
        Err(error) => {
            warnings.push(format!("memory: {error}"));
            None
        }
    };
    let used_ms: Vec<u64> = match (&base, span) {
        (Some(base), Span::Seconds(_)) => table.processes.iter().map(|process| base.since(process)).collect(),
        _ => table.processes.iter().map(cpu_ms).collect(),
    };
    let dearest = dearest(&table.processes, &used_ms, config.top as usize);
    let mut details = Details::default();
    let mut entries = |places: &[usize]| -> Vec<Entry> {
        places
            .iter()
            .filter_map(|&place| Some((table.processes.get(place)?, *used_ms.get(place)?)))
            .map(|(process, used_ms)| entry(process, used_ms, span, memory_bytes, &mut details))
            .collect()
    };
    let (top_cpu, top_memory) = (entries(&dearest.by_cpu), entries(&dearest.by_memory));
    warnings.extend(details.warning());
    let body = body(&table, span, top_cpu, top_memory);
    let metrics = metrics(&body);
    if span.renews_base() {
        state::store(STATE_KEY, &Usage::encode(&moment, &table.processes))?;
    }
    Ok(Section::new(SECTION, SCHEMA).body(&body)?.metrics(metrics).warnings(warnings))
}

/// The section where nothing can be said of processes.
pub(crate) fn missing(failure: &Failure) -> Section {
    Section::new(SECTION, SCHEMA).warn(failure.to_string())
}

/// Details by process, each asked for once though it may be in both lists.
#[derive(Default)]
struct Details {
    seen: BTreeMap<Identity, Result<ProcessDetail, Error>>,
}

impl Details {
    fn of(&mut self, process: &Process) -> &Result<ProcessDetail, Error> {
        self.seen.entry(process.identity).or_insert_with(|| processes::detail(process.identity))
    }

    /// A process that ended meanwhile is nobody's fault; each entry says its own reason anyway.
    fn warning(&self) -> Option<String> {
        let mut errors = self.seen.iter().filter_map(|(identity, detail)| {
            let error = detail.as_ref().err()?;
            (!matches!(error, Error::NotFound(_) | Error::Unavailable(_))).then_some((identity.pid, error))
        });
        let (pid, error) = errors.next()?;
        Some(match errors.count() {
            0 => format!("details of process {pid}: {error}"),
            more => format!("details of process {pid}: {error}; and of {more} more"),
        })
    }
}

fn body(table: &ProcessTable, span: Span, top_cpu: Vec<Entry>, top_memory: Vec<Entry>) -> Body {
    let mut by_state = BTreeMap::new();
    for process in &table.processes {
        *by_state.entry(state_word(process.state)).or_insert(0) += 1;
    }
    let kernel = table.processes.iter().filter(|process| process.kernel).count();
    Body {
        rate_span_seconds: span.seconds().map(tidy),
        total: table.total,
        unreadable: table.unreadable,
        kernel: u32::try_from(kernel).unwrap_or(u32::MAX),
        threads: table.processes.iter().map(|process| u64::from(process.threads)).sum(),
        by_state,
        top_cpu,
        top_memory,
    }
}

/// The `top` dearest, dearest first, equals by pid so that two calls agree. What used nothing is not
/// dear.
fn dearest(processes: &[Process], used_ms: &[u64], top: usize) -> Dearest {
    let select = |cost: &dyn Fn(usize) -> u64| {
        let mut places: Vec<usize> = (0..processes.len()).filter(|&place| cost(place) > 0).collect();
        let order = |&place: &usize| {
            (std::cmp::Reverse(cost(place)), processes.get(place).map_or(u32::MAX, |process| process.identity.pid))
        };
        if places.len() > top {
            // Sorting tens of thousands for the sake of ten would be the dearest part of the call.
            places.select_nth_unstable_by_key(top, order);
            places.truncate(top);
        }
        places.sort_unstable_by_key(order);
        places
    };
    Dearest {
        by_cpu: select(&|place| used_ms.get(place).copied().unwrap_or(0)),
        by_memory: select(&|place| processes.get(place).map_or(0, |process| process.resident_bytes)),
    }
}

fn entry(process: &Process, used_ms: u64, span: Span, memory_bytes: Option<u64>, details: &mut Details) -> Entry {
    let (detail, error) = match details.of(process) {
        Ok(detail) => (Some(self::detail(detail)), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Entry {
        pid: process.identity.pid,
        ppid: process.ppid,
        name: process.name.clone(),
        state: state_word(process.state),
        threads: process.threads,
        cpu_percent: span.seconds().map(|seconds| tidy(used_ms as f64 / seconds / 10.0)),
        cpu_seconds: cpu_ms(process) as f64 / 1e3,
        resident_bytes: process.resident_bytes,
        memory_percent: memory_bytes.and_then(|total| percent(process.resident_bytes, total)),
        started_at: rfc3339(process.started_ms),
        detail,
        error,
    }
}

fn detail(detail: &ProcessDetail) -> Detail {
    Detail {
        command_line: shortened(&detail.command_line),
        executable: detail.executable.clone(),
        unit: detail.unit.clone(),
        open_files: detail.open_files,
        uid: detail.uid,
    }
}

/// The beginning of a command line: a compiler's or a JVM's fills kilobytes of every snapshot and says little more.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(COMMAND_LINE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// OpenTelemetry's `system.process.count`. The dearest are no series: each would be a new one.
fn metrics(body: &Body) -> Vec<Metric> {
    let states = body.by_state.iter().map(|(state, count)| {
        Metric::gauge("system.process.count", "{process}", f64::from(*count)).label("process.state", *state)
    });
    states.chain([Metric::gauge("system.process.threads", "{thread}", body.threads as f64)]).collect()
}

fn state_word(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Sleeping => "sleeping",
        RunState::DiskSleep => "disk_sleep",
        RunState::Stopped => "stopped",
        RunState::Traced => "traced",
        RunState::Zombie => "zombie",
        RunState::Dead => "dead",
        RunState::Idle => "idle",
        RunState::Other => "other",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn process(pid: u32, start: u64, cpu_ms: u64) -> Process {
        Process {
            identity: Identity { pid, start },
            ppid: 1,
            name: format!("p{pid}"),
            state: RunState::Sleeping,
            kernel: false,
            threads: 2,
            user_ms: cpu_ms - cpu_ms / 4,
            system_ms: cpu_ms / 4,
            resident_bytes: u64::from(pid) << 20,
            virtual_bytes: 1 << 30,
            started_ms: 1_795_262_000_000,
        }
    }

    #[test]
    fn the_dearest_come_in_order_and_ties_by_pid() {
        let processes: Vec<Process> = [5, 3, 4, 1, 2].map(|pid| process(pid, 1, 0)).into();
        let dearest = dearest(&processes, &[10, 20, 20, 0, 5], 3);
        assert_eq!(dearest.by_cpu, [1, 2, 0]);
        assert_eq!(dearest.by_memory, [0, 2, 1]);
    }

    #[test]
    fn what_used_nothing_is_not_listed() {
        let processes = [process(1, 1, 0), process(2, 1, 0)];
        assert_eq!(dearest(&processes, &[0, 7], 10).by_cpu, [1]);
        assert!(dearest(&[], &[], 10).by_memory.is_empty());
        assert!(dearest(&processes, &[1, 1], 0).by_cpu.is_empty());
    }
}
