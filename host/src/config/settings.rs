//! The validated configuration: what the rest of ghostd is given. Durations, sizes and absolute paths, nothing
//! left to parse or to doubt. Serialises to the same JSON whatever spelling was used, so that it can be hashed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

pub use super::ping::PingTarget;
pub use super::raw::{
    AccessScope, AlertLevel, Capability, LogFormat, LogLevel, NoData, OverallWord, ReceiverKind, SmtpTls,
};
pub use super::scalar::Cadence;
use super::units::{ByteSize, serialize_duration};
pub use super::window::Window;

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Sealed records of the whole machine.
    pub snapshot: Snapshot,
    /// Small records between them.
    pub heartbeat: Heartbeat,
    /// What is kept.
    pub store: Store,
    /// Backups.
    pub backup: Backup,
    /// Who can prove what was written.
    pub security: Security,
    /// What is removed beside the built-in rules.
    pub sanitize: Sanitize,
    /// ghostd's own log.
    pub log: Log,
    /// What the clock is compared with.
    pub clock: Clock,
    /// The machine that is recorded.
    pub host: Host,
    /// How other commands reach the daemon.
    pub control: Control,
    /// Files for those who read the original's.
    pub publish: Publish,
    /// What is served by HTTP.
    pub api: Api,
    /// What is watched, in the order of the configuration; names are unique.
    pub daemons: Vec<Daemon>,
    /// What is wrong when, and who is told.
    pub alerts: Alerts,
    /// Where dropped-in collectors are found.
    pub drop_ins: DropIns,
    /// What a collector without a table of its own has.
    pub collector_defaults: CollectorDefaults,
    /// The collectors that have a table, by name; also those that are not enabled.
    pub collectors: BTreeMap<String, Collector>,
}

/// `[snapshot]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// From one snapshot to the next.
    #[serde(serialize_with = "serialize_duration")]
    pub every: Duration,
    /// Whether one is taken at start, where the last is older than `every`.
    pub at_start: bool,
    /// How long it waits for collectors; at most `every`.
    #[serde(serialize_with = "serialize_duration")]
    pub deadline: Duration,
}

/// `[heartbeat]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// From one heartbeat to the next.
    #[serde(serialize_with = "serialize_duration")]
    pub every: Duration,
    /// The keys of the sections it is made of.
    pub sections: Vec<String>,
    /// How long each single one is kept.
    #[serde(serialize_with = "serialize_duration")]
    pub keep_raw: Duration,
    /// Where ghostd itself leaves signs of life, if it does.
    pub own_file: Option<PathBuf>,
    /// Where the verdict turns.
    pub thresholds: Thresholds,
    /// What is asked for while all is well.
    pub dead_man: Option<DeadMan>,
}

/// `[heartbeat.thresholds]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// In percent.
    pub unhealthy_below_percent: u32,
    /// In percent; not above the other.
    pub critical_below_percent: u32,
}

/// Where a secret is. It is read when it is needed; neither it nor what it says is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// The dead man's switch of `[heartbeat]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadMan {
    /// Where the URL is: it is read when it is needed, and never shown.
    pub url: SecretRef,
    /// How often it is asked for.
    #[serde(serialize_with = "serialize_duration")]
    pub every: Duration,
    /// The worst status that still counts as well.
    pub up_to: OverallWord,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Store {
    /// Cap on the number of snapshots that nothing protects.
    pub max_count: u32,
    /// Cap on their age.
    #[serde(serialize_with = "serialize_duration")]
    pub max_age: Duration,
    /// Cap on all files together.
    pub max_size: ByteSize,
    /// Protects the newest; at least 1.
    pub keep_last: u32,
    /// Protects one of each of so many hours.
    pub keep_hourly: u32,
    /// Protects one of each of so many days.
    pub keep_daily: u32,
    /// Protects one of each of so many weeks.
    pub keep_weekly: u32,
    /// Protects one of each of so many months.
    pub keep_monthly: u32,
    /// Protects the newest that were important when they were taken.
    pub max_important: u32,
    /// How often this is applied.
    #[serde(serialize_with = "serialize_duration")]
    pub cleanup_every: Duration,
    /// How often every file is checked.
    #[serde(serialize_with = "serialize_duration")]
    pub verify_every: Duration,
}

/// `[security]`, but for what is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Security {
    /// The key that signs.
    pub seal_key_file: Option<PathBuf>,
    /// How long each key signs.
    #[serde(serialize_with = "serialize_duration")]
    pub seal_key_every: Duration,
    /// A file that heads are appended to.
    pub head_file: Option<PathBuf>,
    /// Whether syslog is told heads.
    pub head_syslog: bool,
    /// A URL that heads are posted to.
    pub head_webhook: Option<String>,
    /// The size at which the audit log goes on in a new file.
    pub audit_rotate: ByteSize,
}

/// `[backup]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Whether they are made by themselves.
    pub enabled: bool,
    /// From one to the next.
    #[serde(serialize_with = "serialize_duration")]
    pub every: Duration,
    /// How many stay.
    pub keep: u32,
    /// zstd's level, 1 to 19.
    pub level: u32,
    /// Where they are, if not in the data directory.
    pub dir: Option<PathBuf>,
    /// Whom they are encrypted to, if to anybody: an age recipient.
    pub recipient: Option<String>,
}

/// `[security.sanitize]`, in addition to the built-in rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sanitize {
    /// Names of secrets.
    pub keys: Vec<String>,
    /// Formats of secrets.
    pub rules: Vec<SanitizeRule>,
    /// What is none.
    pub except: Vec<SanitizeException>,
}

/// One more format of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SanitizeRule {
    /// What `[REDACTED:...]` says.
    pub name: String,
    /// A regular expression.
    pub pattern: String,
    /// Where none of these occurs the pattern is not tried; empty: it always is.
    pub keywords: Vec<String>,
    /// The group that is the secret; 0: all of it.
    pub secret_group: u32,
}

/// What is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SanitizeException {
    /// For the report.
    pub name: String,
    /// A regular expression for the whole of it.
    pub pattern: String,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// The least serious lines that are written.
    pub level: LogLevel,
    /// Their form.
    pub format: LogFormat,
    /// Where to, if not to standard error.
    pub file: Option<PathBuf>,
}

/// `[clock]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// SNTP servers with their ports.
    pub servers: Vec<Server>,
    /// How often each is asked.
    #[serde(serialize_with = "serialize_duration")]
    pub sntp_every: Duration,
    /// chronyd's command port, if it is asked.
    pub chrony: Option<SocketAddr>,
}

/// An SNTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    /// As it was written, for the records.
    pub name: String,
    /// A host name or an address, without brackets.
    pub host: String,
    /// 123 where nothing else was written.
    pub port: u16,
}

/// `[host]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Its /proc.
    pub proc: PathBuf,
    /// Its /sys.
    pub sys: PathBuf,
    /// Its root directory.
    pub root: PathBuf,
    /// Commands for `host.versions`, each with its arguments; never empty.
    pub versions: BTreeMap<String, Vec<String>>,
}

/// `[control]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Control {
    /// The socket, where it is not in the runtime directory (see `Paths::control_socket`).
    pub socket: Option<PathBuf>,
}

/// `[publish]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publish {
    /// Where the files go, if there are any.
    pub dir: Option<PathBuf>,
    /// The name or the number of their group.
    pub group: Option<String>,
    /// Their permissions.
    pub mode: u32,
}

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Api {
    /// Whether anything is served.
    pub enabled: bool,
    /// The address of TCP, where there is one.
    pub listen: Option<SocketAddr>,
    /// The Unix socket, where it is not beside the control socket.
    pub socket: Option<PathBuf>,
    /// Who else may use that socket.
    pub socket_group: Option<String>,
    /// What they may do.
    pub socket_group_scope: AccessScope,
    /// Names with ports that it is reached by, beside the address itself; in lower case.
    pub hosts: Vec<String>,
    /// Certificate chain and key; none for plain HTTP, which another address than loopback has only where the
    /// configuration says so.
    pub tls: Option<Tls>,
}

/// The two files of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// The certificate chain.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// `[[daemon]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Daemon {
    /// Unique.
    pub name: String,
    /// How it is found.
    pub find: Find,
    /// How long it is shown as restarted.
    #[serde(serialize_with = "serialize_duration")]
    pub restarted_for: Duration,
    /// How it is asked whether it answers.
    pub ping: Option<Ping>,
    /// Where it leaves signs of life.
    pub heartbeat_file: Option<HeartbeatFile>,
    /// When it is in maintenance.
    pub maintenance: Vec<Window>,
}

/// The ping of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ping {
    /// What is asked.
    pub target: PingTarget,
    /// From one look to the next.
    #[serde(serialize_with = "serialize_duration")]
    pub every: Duration,
    /// For one attempt.
    #[serde(serialize_with = "serialize_duration")]
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// Status codes that are right; empty for 200 to 399.
    pub statuses: Vec<u16>,
    /// What the body must hold.
    pub body: Option<String>,
    /// For how long a certificate must still be valid.
    pub certificate_days: u32,
    /// Trusted certificates in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// The heartbeat file of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeartbeatFile {
    /// Absolute.
    pub path: PathBuf,
    /// How old the last sign of life may be.
    #[serde(serialize_with = "serialize_duration")]
    pub max_age: Duration,
    /// Which service of the file.
    pub service: Option<String>,
}

/// How a daemon's process is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Find {
    /// The base name of its executable, or of the script that an interpreter runs, is exactly this.
    BaseName(String),
    /// It meets one of these; at least one is given.
    Any(Box<Criteria>),
}

/// `[daemon.match]`; one that holds is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Criteria {
    /// The kernel's name for it.
    pub name: Option<String>,
    /// Base name or whole path of the executable.
    pub executable: Option<String>,
    /// Base name or whole path of the script.
    pub script: Option<String>,
    /// A regular expression found in the command line.
    pub cmdline: Option<String>,
    /// An absolute path.
    pub pid_file: Option<PathBuf>,
    /// With its suffix (`nginx.service`).
    pub unit: Option<String>,
}

/// `[alerts]`, `[[alert]]` and `[receiver]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alerts {
    /// How long a notification waits for others of its group.
    #[serde(serialize_with = "serialize_duration")]
    pub group_wait: Duration,
    /// The rules, in the order of the configuration; names are unique.
    pub rules: Vec<AlertRule>,
    /// Who can be told, by name.
    pub receivers: BTreeMap<String, Receiver>,
}

/// `[[alert]]`. Its conditions and its summary were read once and are well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertRule {
    /// Unique.
    pub name: String,
    /// When it is wrong.
    pub when: String,
    /// When what fires is over, if not as soon as `when` does not hold.
    pub clear_when: Option<String>,
    /// For how long the condition must hold.
    #[serde(rename = "for", serialize_with = "serialize_duration")]
    pub hold: Duration,
    /// How much it matters.
    pub severity: AlertLevel,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// One line with holes.
    pub summary: Option<String>,
    /// How often it is told again; zero for never.
    #[serde(serialize_with = "serialize_duration")]
    pub repeat: Duration,
    /// Labels by which notifications are put together.
    pub group_by: Vec<String>,
    /// Rules that it follows from: there are such, and no circle.
    pub inhibited_by: Vec<String>,
    /// What becomes of it without data.
    pub on_no_data: NoData,
    /// Who is told: there are such.
    pub receivers: Vec<String>,
}

/// `[receiver.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receiver {
    /// The key in the configuration.
    pub name: String,
    /// How long a sending may take.
    #[serde(serialize_with = "serialize_duration")]
    pub timeout: Duration,
    /// Notifications that may wait.
    pub max_queued: u32,
    /// How old one may become.
    #[serde(serialize_with = "serialize_duration")]
    pub give_up_after: Duration,
    /// Whether it is told of the end.
    pub send_resolved: bool,
    /// How it is told.
    pub channel: Channel,
}

/// How a receiver is told, with what that takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Channel {
    /// In ghostd's own log.
    Log,
    /// By HTTP POST.
    Webhook {
        /// Where.
        endpoint: Endpoint,
        /// The key of the signature.
        secret: Option<SecretRef>,
        /// A body with holes, and its content type.
        body: Option<(String, String)>,
    },
    /// By Alertmanager's API.
    Alertmanager {
        /// Where.
        endpoint: Endpoint,
        /// How often what fires is sent again.
        #[serde(serialize_with = "serialize_duration")]
        resend_every: Duration,
    },
    /// By SMTP.
    Email {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// How it is encrypted.
        tls: SmtpTls,
        /// Who to be there.
        login: Option<(String, SecretRef)>,
        /// The sender.
        from: String,
        /// Who gets it; never empty.
        to: Vec<String>,
        /// A certificate authority.
        ca_file: Option<PathBuf>,
    },
    /// By a program.
    Command {
        /// It and its arguments; never empty.
        argv: Vec<String>,
    },
}

/// An HTTP server that is told something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Its URL, or where that is.
    pub url: UrlRef,
    /// A bearer token.
    pub bearer: Option<SecretRef>,
    /// A user and a password.
    pub login: Option<(String, SecretRef)>,
    /// A certificate authority.
    pub ca_file: Option<PathBuf>,
}

/// A URL, or where one is that is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UrlRef {
    /// It.
    Plain(String),
    /// Where it is.
    Secret(SecretRef),
}

/// `[collectors]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropIns {
    /// Whether they run at all.
    pub enabled: bool,
    /// Where `NAME.wasm` is found.
    pub dir: PathBuf,
    /// Whether every component in a file needs a signature.
    pub require_signature: bool,
    /// The public keys whose signatures count, as they are written.
    pub keys: BTreeMap<String, String>,
}

/// `[collector_defaults]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CollectorDefaults {
    /// Whether a collector runs.
    pub enabled: bool,
    /// How often.
    pub every: Cadence,
    /// Whether WASI imports that are not granted are a reason to refuse it.
    pub strict: bool,
    /// For how many intervals a good section is carried.
    pub carry_intervals: u32,
    /// What it may use.
    pub limits: Limits,
}

/// `[collector.NAME]`, on top of the defaults.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Collector {
    /// The key in the configuration.
    pub name: String,
    /// Whether it runs.
    pub enabled: bool,
    /// Where the component is.
    pub source: Source,
    /// What its SHA-256 must be, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// How often it runs.
    pub every: Cadence,
    /// Sections with schedules of their own.
    pub sections: BTreeMap<String, Cadence>,
    /// What it may import beside `log`, `state` and `redact`.
    pub grant: BTreeSet<Capability>,
    /// Named directories for `files`.
    pub files: BTreeMap<String, PathBuf>,
    /// Argument lists for `commands`, by name.
    pub commands: BTreeMap<String, Vec<String>>,
    /// What it may use.
    pub limits: Limits,
    /// A JSON object.
    pub config: serde_json::Value,
    /// Whether WASI imports that are not granted are a reason to refuse it.
    pub strict: bool,
    /// For how many intervals a good section is carried.
    pub carry_intervals: u32,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Embedded in ghostd, under this name.
    Builtin(String),
    /// A file that the configuration names.
    File(PathBuf),
    /// A file in the directory of dropped-in collectors, which may come and go.
    DropIn(PathBuf),
}

/// What one collector may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Wall-clock time of a call.
    #[serde(serialize_with = "serialize_duration")]
    pub wall: Duration,
    /// All its memories together.
    pub memory: ByteSize,
    /// What a call returns.
    pub result: ByteSize,
    /// Its state, keys included.
    pub state: ByteSize,
    /// Log lines of a call.
    pub log_lines: u32,
    /// One log line.
    pub log_line: ByteSize,
    /// Calls of host functions in one call.
    pub host_calls: u32,
    /// Host objects held at a time.
    pub handles: u32,
    /// Files kept open between calls.
    pub kept_files: u32,
    /// Wall-clock time of one command.
    #[serde(serialize_with = "serialize_duration")]
    pub command: Duration,
}

impl Cadence {
    /// The interval it comes to.
    pub fn interval(self, config: &Config) -> Duration {
        match self {
            Cadence::Every(duration) => duration,
            Cadence::Snapshot => config.snapshot.every,
            Cadence::Heartbeat => config.heartbeat.every,
        }
    }
}

impl Capability {
    /// Every capability that can be granted.
    pub const ALL: [Capability; 11] = [
        Capability::Processes,
        Capability::System,
        Capability::Files,
        Capability::Probe,
        Capability::Clock,
        Capability::Journal,
        Capability::Sockets,
        Capability::Units,
        Capability::Commands,
        Capability::WasiFilesystem,
        Capability::WasiSockets,
    ];

    /// By its name in `grant`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.as_str() == name)
    }

    /// As `grant` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Processes => "processes",
            Capability::System => "system",
            Capability::Files => "files",
            Capability::Probe => "probe",
            Capability::Clock => "clock",
            Capability::Journal => "journal",
            Capability::Sockets => "sockets",
            Capability::Units => "units",
            Capability::Commands => "commands",
            Capability::WasiFilesystem => "wasi:filesystem",
            Capability::WasiSockets => "wasi:sockets",
        }
    }
}

impl Config {
    /// The settings of a component that was dropped in under a name that has no table of its own: no grants.
    pub fn drop_in(&self, name: &str, file: &Path) -> Collector {
        let CollectorDefaults { enabled, every, strict, carry_intervals, limits } = self.collector_defaults.clone();
        Collector {
            name: name.to_owned(),
            enabled,
            source: Source::DropIn(file.to_owned()),
            sha256: None,
            every,
            sections: BTreeMap::new(),
            grant: BTreeSet::new(),
            files: BTreeMap::new(),
            commands: BTreeMap::new(),
            limits,
            config: serde_json::Value::Object(serde_json::Map::new()),
            strict,
            carry_intervals,
        }
    }

    /// The configuration as JSON with sorted keys and no spaces: equal settings give equal bytes.
    pub fn canonical_json(&self) -> String {
        canonical(self)
    }
}

impl Collector {
    /// This collector's settings as JSON with sorted keys and no spaces: equal settings give equal bytes.
    pub fn canonical_json(&self) -> String {
        canonical(self)
    }
}

/// Sorted keys whatever `serde_json` was built with: another crate's feature must not change a hash.
fn canonical(value: &impl Serialize) -> String {
    // These types have text keys and finite numbers only: serialising them cannot fail.
    let value = serde_json::to_value(value).unwrap_or_default();
    serde_json::to_string(&Sorted(&value)).unwrap_or_default()
}

struct Sorted<'a>(&'a serde_json::Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            serde_json::Value::Object(object) => {
                let sorted: BTreeMap<&str, Sorted<'_>> =
                    object.iter().map(|(key, value)| (key.as_str(), Sorted(value))).collect();
                serializer.collect_map(sorted)
            }
            serde_json::Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            scalar => scalar.serialize(serializer),
        }
    }
}
