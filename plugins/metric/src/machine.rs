//! Section `metric`: the machine as a whole. Each source for itself: one that fails costs its own part.

use std::collections::BTreeMap;

use ghostd_sdk::host::{state, system};
use ghostd_sdk::{Error, Failure, Invocation, Metric, Section};
use serde::{Deserialize, Serialize};

use crate::rate::{Moment, tidy};
use crate::{cpu, disk, filesystem, kernel, memory, network};

/// The key of the section.
pub(crate) const SECTION: &str = "metric";
/// The form of its body.
pub(crate) const SCHEMA: &str = "ghost.metric/1";
/// The key of its state.
const STATE_KEY: &str = "metric.1";

/// The counters that rates are reckoned from.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Base {
    moment: Moment,
    cpu: Option<cpu::Base>,
    disks: Option<disk::Base>,
    interfaces: Option<network::Base>,
}

#[derive(Debug, Default, Serialize)]
struct Body {
    /// What all rates and shares are reckoned over; none: there are none.
    rate_span_seconds: Option<f64>,
    cpu: Option<cpu::Body>,
    memory: Option<memory::Body>,
    filesystems: Option<Vec<filesystem::Body>>,
    filesystems_omitted: usize,
    disks: Option<Vec<disk::Body>>,
    interfaces: Option<Vec<network::Body>>,
    interfaces_omitted: usize,
    connections: Option<network::Connections>,
    pressure: Option<BTreeMap<String, kernel::Pressure>>,
    open_files: Option<kernel::OpenFiles>,
    /// What this platform cannot tell, and why. No fault of the machine's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unavailable: BTreeMap<&'static str, String>,
}

/// What comes together beside the body.
#[derive(Default)]
struct Report {
    unavailable: BTreeMap<&'static str, String>,
    warnings: Vec<String>,
    metrics: Vec<Metric>,
}

/// Reads everything.
///
/// # Errors
/// A state that cannot be stored: rates would silently stay away.
pub(crate) fn collect(call: &Invocation) -> Result<Section, Failure> {
    let stored: Option<Base> = state::load(STATE_KEY);
    let moment = Moment::of(call);
    let span = moment.since(stored.as_ref().map(|base| &base.moment));
    let old = stored.as_ref();
    let mut report = Report::default();

    let cpu_state = report.read("cpu", system::cpu());
    let disks = report.read("disks", system::disks());
    let interfaces = report.read("interfaces", system::network_interfaces());

    let mut body = Body { rate_span_seconds: span.seconds().map(tidy), ..Body::default() };
    body.cpu = cpu_state.as_ref().map(|now| cpu::body(now, old.and_then(|old| old.cpu.as_ref()), span));
    body.memory = report.read("memory", system::memory()).map(|now| memory::body(&now));
    body.disks = disks.as_ref().map(|now| disk::body(now, old.and_then(|old| old.disks.as_ref()), span));
    if let Some(now) = report.read("filesystems", system::filesystems()) {
        let filesystems = filesystem::read(&now, body.disks.as_deref().unwrap_or_default());
        report.warnings.extend(filesystems.warnings);
        report.metrics.extend(filesystems.metrics);
        body.filesystems = Some(filesystems.listed);
        body.filesystems_omitted = filesystems.omitted;
    }
    if let Some(now) = &interfaces {
        let (listed, omitted) = network::body(now, old.and_then(|old| old.interfaces.as_ref()), span);
        (body.interfaces, body.interfaces_omitted) = (Some(listed), omitted);
    }
    body.connections = report.read("connections", system::connections()).map(|now| network::connections(&now));
    body.pressure = report.read("pressure", system::pressure()).map(|now| kernel::pressure(&now));
    body.open_files = report.read("open_files", system::file_handles()).map(|now| kernel::open_files(&now));

    report.metrics.extend(metrics(&body));
    body.unavailable = std::mem::take(&mut report.unavailable);
    if span.renews_base() {
        // A source that failed once has no base: its rates come back one call later.
        let base = Base {
            moment,
            cpu: cpu_state.as_ref().map(cpu::base),
            disks: disks.as_deref().map(disk::base),
            interfaces: interfaces.as_deref().map(network::base),
        };
        state::store(STATE_KEY, &base)?;
    }
    Ok(Section::new(SECTION, SCHEMA).body(&body)?.metrics(report.metrics).warnings(report.warnings))
}

impl Report {
    /// What a source says, or the word that it could not.
    fn read<T>(&mut self, source: &'static str, answer: Result<T, Error>) -> Option<T> {
        match answer {
            Ok(value) => return Some(value),
            Err(Error::Unavailable(reason)) => {
                self.unavailable.insert(source, reason);
            }
            Err(error) => self.warnings.push(format!("{source}: {error}")),
        }
        None
    }
}

fn metrics(body: &Body) -> Vec<Metric> {
    let mut metrics = Vec::new();
    metrics.extend(body.cpu.iter().flat_map(cpu::metrics));
    metrics.extend(body.memory.iter().flat_map(memory::metrics));
    metrics.extend(body.disks.iter().flat_map(|disks| disk::metrics(disks)));
    metrics.extend(body.interfaces.iter().flat_map(|interfaces| network::metrics(interfaces)));
    metrics.extend(body.connections.iter().flat_map(network::connection_metrics));
    metrics.extend(body.pressure.iter().flat_map(kernel::pressure_metrics));
    metrics.extend(body.open_files.iter().flat_map(kernel::open_file_metrics));
    metrics
}
