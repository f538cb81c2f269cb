//! From settings to things that run: what the daemon and a single capture have in common.
//!
//! Owns: the translation of the configuration into what each module takes. Knows many and decides nothing.

mod alerts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::backup;
use crate::clock::Clock;
use crate::collect::{Every, Intervals, Spec};
use crate::config::{self, Cadence, Config};
use crate::head;
use crate::hostinfo::HostFacts;
use crate::model::{Digest, HostInfo, Moment};
use crate::plugins::cache::Cache;
use crate::plugins::call::{CallContext, CallSettings};
use crate::plugins::engine::{Ticker, new_engine};
use crate::plugins::lend::files::FilesLent;
use crate::plugins::lend::{CommandsLent, Outside, Services, TimeSources};
use crate::plugins::load::{self, LoadError, Loaded, Loader, Origin, Request, Source};
use crate::plugins::run::Runner;
use crate::plugins::signature;
use crate::plugins::state::Limits;
use crate::probe::clock::ServerSpec;
use crate::probe::files::Kept;
use crate::probe::ping::{HttpTarget, PingSpec, Target};
use crate::probe::processes::{DaemonSpec, Pattern, Rule};
use crate::probe::signs::SignSpec;
use crate::retention::Policy;
use crate::sanitize::{ExceptSetting, RuleSetting, Sanitizer, Settings};
use crate::sealer::{Sealer, SealerError};
use crate::store::HistoryPolicy;

pub use alerts::{alert_rules, lanes, language, receivers};

/// Everything that a capture needs beside a store.
#[derive(Debug)]
pub struct Machinery {
    /// The settings.
    pub config: Config,
    /// SHA-256 of the effective settings.
    pub config_sha256: Digest,
    /// The machine's clocks.
    pub clock: Clock,
    /// What removes secrets.
    pub sanitizer: Arc<Sanitizer>,
    /// What calls share.
    pub context: Arc<CallContext>,
    /// What loads components.
    pub loader: Arc<Loader>,
    /// Where they run.
    pub runner: Arc<Runner>,
    /// The machine's own facts.
    pub facts: HostFacts,
    /// Where compiled components are kept.
    pub cache_dir: Option<PathBuf>,
}

/// Why nothing can run.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The sandbox cannot be set up.
    #[error("cannot set up the sandbox: {0}")]
    Engine(String),
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// /proc cannot be read.
    #[error("cannot read the machine: {0}")]
    Probe(#[from] crate::probe::Error),
    /// A key that is to verify signatures is none.
    #[error("{0}")]
    Key(String),
    /// The sanitizer's rules are wrong.
    #[error("the rules of [security.sanitize] are wrong: {0}")]
    Sanitizer(String),
}

impl Machinery {
    /// Sets everything up. `cache_dir` is where compiled components are kept; without it they are compiled in memory.
    pub fn new(config: Config, cache_dir: Option<&Path>) -> Result<Self, WiringError> {
        Self::with_kept(config, cache_dir, Arc::default())
    }

    /// The same with files that an earlier one kept open.
    pub fn with_kept(config: Config, cache_dir: Option<&Path>, kept: Arc<Mutex<Kept>>) -> Result<Self, WiringError> {
        let engine = new_engine().map_err(|error| WiringError::Engine(format!("{error:#}")))?;
        let sanitizer = Arc::new(sanitizer(&config)?);
        let services = Services::new(
            &config.host.proc,
            &config.host.sys,
            &config.host.root,
            daemons(&config),
            Arc::clone(&sanitizer),
            kept,
            outside(&config),
        )?;
        let ticker = Ticker::start(&engine).map_err(WiringError::Thread)?;
        let cache = cache_dir.and_then(|dir| match Cache::open(dir, &engine) {
            Ok(cache) => Some(cache),
            Err(error) => {
                let error = crate::chain::chain(&error);
                tracing::warn!(error, "Collectors are compiled in memory at each start.");
                None
            }
        });
        let context = Arc::new(CallContext { engine, ticker, services: Arc::new(services) });
        let signatures = signature::Policy::new(config.drop_ins.require_signature, &config.drop_ins.keys)
            .map_err(|error| WiringError::Key(error.to_string()))?;
        let loader = Loader::new(Arc::clone(&context), cache, own_program(), signatures)
            .map_err(|error| WiringError::Engine(format!("{error:#}")))?;
        Ok(Self {
            config_sha256: Digest::of(config.canonical_json().as_bytes()),
            clock: Clock::system(&config.host.proc),
            facts: HostFacts::gather(&config.host.root),
            runner: Arc::new(Runner::start().map_err(WiringError::Thread)?),
            sanitizer,
            context,
            loader: Arc::new(loader),
            cache_dir: cache_dir.map(Path::to_owned),
            config,
        })
    }

    /// SHA-256 of the sanitizer's rules.
    pub fn sanitizer_sha256(&self) -> Digest {
        let hex = self.sanitizer.rules_sha256();
        hex.parse().unwrap_or_else(|_| Digest::of(hex.as_bytes()))
    }

    /// What a snapshot says of the machine, now.
    pub fn host(&self, now: &Moment) -> HostInfo {
        let load = self.context.services.system.cpu().map_or((0.0, 0.0, 0.0), |cpu| cpu.load);
        self.facts.at(now, load)
    }

    /// The intervals of snapshots and heartbeats.
    pub fn intervals(&self) -> Intervals {
        Intervals { snapshot: self.config.snapshot.every, heartbeat: self.config.heartbeat.every }
    }
}

/// Loads one collector, whatever it takes. Blocks for as long as compiling does: not for an async thread.
pub fn load(loader: &Loader, runner: &Runner, collector: &config::Collector) -> Result<(Loaded, Source), LoadError> {
    let request = request(collector);
    let source = load::read(&request.origin)?;
    // The pin first: what nobody meant to run is not even compiled.
    if let Some(pinned) = request.pin
        && pinned != source.sha256
    {
        return Err(LoadError::Pin { found: source.sha256, pinned });
    }
    loader.check_signature(&request.origin, &source)?;
    let component = loader.compile(&source)?;
    let loaded = runner
        .block_on(loader.load(request, &source, &component))
        .unwrap_or_else(|| Err(LoadError::Contract("ghostd is ending".to_owned())))?;
    Ok((loaded, source))
}

/// What a collector is to do, and when.
pub fn spec(collector: &config::Collector) -> Spec {
    Spec {
        name: collector.name.as_str().into(),
        every: every(collector.every),
        sections: collector.sections.iter().map(|(key, cadence)| (key.clone(), every(*cadence))).collect(),
        carry_intervals: collector.carry_intervals,
    }
}

fn every(cadence: Cadence) -> Every {
    match cadence {
        Cadence::Every(interval) => Every::Interval(interval),
        Cadence::Snapshot => Every::Snapshot,
        Cadence::Heartbeat => Every::Heartbeat,
    }
}

/// What is loaded for a collector, and with which rights.
pub fn request(collector: &config::Collector) -> Request {
    let grants: BTreeSet<String> = collector.grant.iter().map(|grant| grant.as_str().to_owned()).collect();
    Request {
        origin: origin(&collector.source),
        // The configuration has checked its form.
        pin: collector.sha256.as_deref().and_then(|hex| hex.parse().ok()),
        strict: collector.strict,
        config: collector.config.clone(),
        settings: call_settings(collector),
        grants,
    }
}

/// Where a component comes from.
pub fn origin(source: &config::Source) -> Origin {
    match source {
        config::Source::Builtin(name) => Origin::Builtin(name.clone()),
        config::Source::File(path) | config::Source::DropIn(path) => Origin::File(path.clone()),
    }
}

/// What a collector's calls get.
pub fn call_settings(collector: &config::Collector) -> CallSettings {
    let limits = &collector.limits;
    let preopened = collector.grant.contains(&config::Capability::WasiFilesystem);
    CallSettings {
        collector: collector.name.as_str().into(),
        limits: Limits {
            wall: limits.wall,
            memory_bytes: limits.memory.0,
            result_bytes: limits.result.0,
            state_bytes: limits.state.0,
            log_lines: limits.log_lines,
            log_line_bytes: usize::try_from(limits.log_line.0).unwrap_or(usize::MAX),
            host_calls: u64::from(limits.host_calls),
            handles: limits.handles as usize,
        },
        files: Arc::new(FilesLent::new(&collector.files, limits.kept_files as usize)),
        commands: Arc::new(CommandsLent { commands: collector.commands.clone(), wall: limits.command }),
        fake: None,
        metered: false,
        preopens: if preopened {
            collector.files.iter().map(|(name, path)| (name.clone(), path.clone())).collect()
        } else {
            Vec::new()
        },
    }
}

fn sanitizer(config: &Config) -> Result<Sanitizer, WiringError> {
    Sanitizer::new(&sanitizer_settings(&config.sanitize))
        .map_err(|faults| WiringError::Sanitizer(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

/// The sanitizer's settings.
pub fn sanitizer_settings(sanitize: &config::Sanitize) -> Settings {
    Settings {
        keys: sanitize.keys.clone(),
        rules: sanitize
            .rules
            .iter()
            .map(|rule| RuleSetting {
                name: rule.name.clone(),
                pattern: rule.pattern.clone(),
                keywords: rule.keywords.clone(),
                secret_group: rule.secret_group as usize,
            })
            .collect(),
        except: sanitize
            .except
            .iter()
            .map(|except| ExceptSetting { rule: None, pattern: Some(except.pattern.clone()), value: None })
            .collect(),
        tags: None,
    }
}

fn time_sources(config: &Config) -> TimeSources {
    let server = |server: &config::Server| ServerSpec {
        name: server.name.clone(),
        host: server.host.clone(),
        port: server.port,
    };
    TimeSources {
        servers: config.clock.servers.iter().map(server).collect(),
        every: config.clock.sntp_every,
        chrony_port: config.clock.chrony.map(|address| address.port()),
    }
}

fn outside(config: &Config) -> Outside {
    let ping = |daemon: &config::Daemon| daemon.ping.as_ref().map(|ping| ping_spec(&daemon.name, ping));
    let sign = |daemon: &config::Daemon| {
        daemon.heartbeat_file.as_ref().map(|file| SignSpec {
            daemon: daemon.name.clone(),
            path: file.path.clone(),
            max_age: file.max_age,
            service: file.service.clone(),
        })
    };
    let unit = |daemon: &config::Daemon| match &daemon.find {
        config::Find::Any(criteria) => criteria.unit.clone().map(|unit| (daemon.name.clone(), unit)),
        config::Find::BaseName(_) => None,
    };
    Outside {
        time: time_sources(config),
        pings: config.daemons.iter().filter_map(ping).collect(),
        signs: config.daemons.iter().filter_map(sign).collect(),
        signs_every: config.heartbeat.every,
        units: config.daemons.iter().filter_map(unit).collect(),
    }
}

fn ping_spec(name: &str, ping: &config::Ping) -> PingSpec {
    let target = match &ping.target {
        config::PingTarget::Tcp { host, port } => Target::Tcp { host: host.clone(), port: *port },
        config::PingTarget::Unix(path) => Target::Unix(path.clone()),
        config::PingTarget::Icmp { host } => Target::Icmp { host: host.clone() },
        config::PingTarget::Http { tls, host, port, path } => Target::Http(HttpTarget {
            tls: *tls,
            host: host.clone(),
            port: *port,
            path: path.clone(),
            statuses: ping.statuses.clone(),
            body: ping.body.clone(),
            certificate_days: ping.certificate_days,
            ca_file: ping.ca_file.clone(),
        }),
    };
    PingSpec { name: name.to_owned(), target, every: ping.every, timeout: ping.timeout, retries: ping.retries }
}

fn daemons(config: &Config) -> Vec<DaemonSpec> {
    config
        .daemons
        .iter()
        .map(|daemon| DaemonSpec {
            name: daemon.name.clone(),
            rules: rules(&daemon.find),
            restarted_for_ms: u64::try_from(daemon.restarted_for.as_millis()).unwrap_or(u64::MAX),
        })
        .collect()
}

fn rules(find: &config::Find) -> Vec<Rule> {
    let criteria = match find {
        config::Find::BaseName(name) => return vec![Rule::Default(name.clone())],
        config::Find::Any(criteria) => criteria,
    };
    let command_line = criteria.cmdline.as_ref().map(|pattern| match regex::Regex::new(pattern) {
        Ok(regex) => Rule::CommandLine(Pattern::Test(Arc::new(move |line| regex.is_match(line)))),
        // The configuration has refused a pattern that is none.
        Err(_) => Rule::CommandLine(Pattern::Contains(pattern.clone())),
    });
    [
        criteria.name.clone().map(Rule::Name),
        criteria.executable.clone().map(Rule::Executable),
        criteria.script.clone().map(Rule::Script),
        command_line,
        criteria.pid_file.clone().map(Rule::PidFile),
        criteria.unit.clone().map(Rule::Unit),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The retention of the configuration.
pub fn policy(store: &config::Store) -> Policy {
    Policy {
        max_count: Some(store.max_count.into()),
        max_age: Some(store.max_age),
        max_size_bytes: Some(store.max_size.0),
        keep_last: store.keep_last.into(),
        keep_hourly: store.keep_hourly.into(),
        keep_daily: store.keep_daily.into(),
        keep_weekly: store.keep_weekly.into(),
        keep_monthly: store.keep_monthly.into(),
        max_important: Some(store.max_important.into()),
    }
}

/// The key that seals, where one is configured. `now_ns` is BOOTTIME.
pub fn sealer(security: &config::Security, now_ns: u64) -> Result<Option<Sealer>, SealerError> {
    security.seal_key_file.as_deref().map(|path| Sealer::load(path, security.seal_key_every, now_ns)).transpose()
}

/// Where the head of the chain is published.
pub fn head_places(security: &config::Security) -> head::Places {
    head::Places {
        file: security.head_file.clone(),
        syslog: security.head_syslog,
        webhook: security.head_webhook.clone(),
    }
}

/// Where the backups of a data directory are.
pub fn backup_directory(config: &config::Backup, data_dir: &Path) -> PathBuf {
    config.dir.clone().unwrap_or_else(|| data_dir.join(crate::store::BACKUPS))
}

/// How a backup is made. The configuration goes into it as it is in its file: it holds no secret but references.
pub fn backup_options(config: &config::Backup, data_dir: &Path, config_file: &Path) -> Result<backup::Options, String> {
    let recipient = config.recipient.as_deref().map(backup::Recipient::parse).transpose();
    let recipient = recipient.map_err(|reason| format!("`backup.recipient`: {reason}"))?;
    let config_file = match std::fs::read(config_file) {
        Ok(bytes) => vec![("config.toml".to_owned(), bytes)],
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("cannot read configuration `{}`: {error}", config_file.display())),
    };
    Ok(backup::Options {
        directory: backup_directory(config, data_dir),
        recipient,
        level: i32::try_from(config.level).unwrap_or(3),
        config: config_file,
        ghostd_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Where derived files go. An error says why that cannot be known: the group is none.
pub fn derived(config: &Config, data_dir: &Path) -> Result<crate::derived::Settings, String> {
    let group = config.publish.group.as_deref().map(crate::hostinfo::group_id).transpose()?;
    Ok(crate::derived::Settings {
        dir: config.publish.dir.clone(),
        own_file: config.heartbeat.own_file.clone(),
        readers: crate::store::Readers { mode: config.publish.mode, group },
        data_dir: data_dir.to_owned(),
    })
}

/// How long history is kept at each resolution.
pub fn history(config: &Config) -> HistoryPolicy {
    HistoryPolicy { raw: config.heartbeat.keep_raw, ..HistoryPolicy::default() }
}

/// The configured collectors that are enabled, and the components in the drop-in directory, by name. A drop-in whose
/// name has a table of its own is that table's business.
pub fn wanted(config: &Config, drop_ins: &BTreeMap<String, PathBuf>) -> BTreeMap<String, config::Collector> {
    let mut wanted: BTreeMap<String, config::Collector> = config
        .collectors
        .iter()
        .filter(|(_, collector)| collector.enabled)
        .filter(|(name, collector)| match &collector.source {
            config::Source::DropIn(_) => drop_ins.contains_key(*name),
            _ => true,
        })
        .map(|(name, collector)| (name.clone(), collector.clone()))
        .collect();
    for (name, path) in drop_ins {
        if !config.collectors.contains_key(name) && config.collector_defaults.enabled {
            wanted.insert(name.clone(), config.drop_in(name, path));
        }
    }
    wanted
}

/// The wanted collector that a section's key belongs to whatever else is loaded: a built-in one. Who comes first must
/// not decide it, or a stranger's component could take a built-in's place by being loaded sooner.
pub fn owner_beforehand<'a>(wanted: &'a BTreeMap<String, config::Collector>, key: &str) -> Option<&'a str> {
    wanted.values().find_map(|collector| match &collector.source {
        config::Source::Builtin(builtin) if crate::plugins::builtin::sections(builtin).contains(&key) => {
            Some(collector.name.as_str())
        }
        _ => None,
    })
}

/// The ghostd that compiles as a child: this one.
fn own_program() -> PathBuf {
    // A running program that was replaced on disk is still this one under /proc.
    let proc = Path::new("/proc/self/exe");
    if proc.exists() { proc.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "ghostd".into()) }
}
