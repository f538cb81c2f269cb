//! The configuration as it is written: one struct for each table, every field required, because
//! `config/default.toml` gives each a value. The documentation of a field here is its description in
//! the JSON schema. What is optional has no default and says so. Nothing of this leaves `config/`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{Cadence, ChronyAddress, ListenAddress, Size, Span};

/// The configuration of ghostd.
///
/// A file may hold any part of this: what it leaves out stays as in `default.toml`. Tables merge key by
/// key, lists and single values replace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) snapshot: Snapshot,
    pub(super) heartbeat: Heartbeat,
    pub(super) store: Store,
    pub(super) backup: Backup,
    pub(super) security: Security,
    pub(super) log: Log,
    pub(super) clock: Clock,
    pub(super) host: Host,
    pub(super) control: Control,
    pub(super) publish: Publish,
    pub(super) api: Api,
    #[expect(dead_code, reason = "it is laid under every daemon before this is read")]
    pub(super) daemon_defaults: DaemonDefaults,
    /// The daemons that are watched. A list here replaces the default one.
    pub(super) daemon: Vec<Daemon>,
    pub(super) alerts: Alerts,
    #[expect(dead_code, reason = "it is laid under every alert before this is read")]
    pub(super) alert_defaults: AlertDefaults,
    /// The rules of alerts. A list here replaces the default one.
    #[schemars(length(max = 256))]
    pub(super) alert: Vec<Alert>,
    #[expect(dead_code, reason = "it is laid under every receiver before this is read")]
    pub(super) receiver_defaults: ReceiverDefaults,
    /// Who can be told of alerts, by name (`[receiver.ops]`). Names are 1 to 64 of `a-z`, `0-9` and `-`, beginning with
    /// a letter.
    #[schemars(extend("maxProperties" = 32))]
    pub(super) receiver: BTreeMap<String, Receiver>,
    pub(super) collectors: Collectors,
    pub(super) collector_defaults: CollectorDefaults,
    /// The collectors, by name (`[collector.nginx]`). Names are 1 to 64 of `a-z`, `0-9` and `-`,
    /// beginning with a letter.
    pub(super) collector: BTreeMap<String, Collector>,
}

/// Sealed records of the whole machine, one file each.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Snapshot {
    /// The time from one snapshot to the next. 200 ms to 31 days.
    #[schemars(extend("x-ghostd-min" = "200ms", "x-ghostd-max" = "31d"))]
    pub(super) every: Span,
    /// Whether one is taken at start, where the last is older than `every`.
    pub(super) at_start: bool,
    /// How long a snapshot waits for collectors that are still running before it goes without them; never longer
    /// than `every`. 100 ms to 10 minutes.
    #[schemars(extend("x-ghostd-min" = "100ms", "x-ghostd-max" = "10m"))]
    pub(super) deadline: Span,
}

/// Small records between the snapshots, rows in a history.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Heartbeat {
    /// The time from one heartbeat to the next. 50 ms to 1 day.
    #[schemars(extend("x-ghostd-min" = "50ms", "x-ghostd-max" = "1d"))]
    pub(super) every: Span,
    /// The sections that a heartbeat is made of.
    #[schemars(length(min = 1, max = 16))]
    pub(super) sections: Vec<String>,
    /// How long each single heartbeat is kept. 1 minute to 3,650 days.
    #[schemars(extend("x-ghostd-min" = "1m", "x-ghostd-max" = "3650d"))]
    pub(super) keep_raw: Span,
    /// The directory in which daemons leave signs of life: what `heartbeat.file` of a daemon starts from. Optional.
    #[schemars(length(min = 1))]
    pub(super) dir: Option<String>,
    /// The file in `dir` that ghostd itself writes with each heartbeat. Optional.
    #[schemars(length(min = 1))]
    pub(super) own_file: Option<String>,
    pub(super) thresholds: Thresholds,
    /// A file that holds a URL which is asked for while all is well, so that somebody notices when ghostd dies. Optional.
    #[schemars(length(min = 1))]
    pub(super) dead_man_url_file: Option<String>,
    /// An environment variable that holds this URL. Optional.
    #[schemars(length(min = 1))]
    pub(super) dead_man_url_env: Option<String>,
    /// How often it is asked for. 1 second to 1 day.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "1d"))]
    pub(super) dead_man_every: Span,
    /// The worst overall status that still counts as well.
    pub(super) dead_man_up_to: OverallWord,
}

/// Where the overall status turns.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Thresholds {
    /// The machine is unhealthy where less than this many percent of its daemons are healthy. 0 to 100.
    #[schemars(range(max = 100))]
    pub(super) unhealthy_below_percent: u32,
    /// The machine is critical where less than this many percent are. 0 to 100.
    #[schemars(range(max = 100))]
    pub(super) critical_below_percent: u32,
}

/// An overall status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OverallWord {
    /// Nothing is known to be wrong.
    Healthy,
    /// Something is not as it should be.
    Degraded,
    /// Too few daemons are healthy.
    Unhealthy,
    /// Far too few are.
    Critical,
}

/// What is kept. Caps (`max_*`) remove snapshots; protection (`keep_*`, `max_important`) exempts from
/// `max_count` and `max_age`; `max_size` goes before all protection but marks by hand and the newest snapshot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    /// At most this many snapshots, protected ones not counted. 1 to 10,000,000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) max_count: u32,
    /// Snapshots older than this are removed, protected ones excepted. 1 minute to 36,500 days.
    #[schemars(extend("x-ghostd-min" = "1m", "x-ghostd-max" = "36500d"))]
    pub(super) max_age: Span,
    /// All snapshots together, oldest removed first. 1 MiB to 1,024 TiB.
    #[schemars(extend("x-ghostd-min" = "1MiB", "x-ghostd-max" = "1024TiB"))]
    pub(super) max_size: Size,
    /// The newest snapshots, as many as this, are protected. 1 to 1,000,000.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) keep_last: u32,
    /// The newest snapshot of each of the last so many hours is protected. 0 for none.
    #[schemars(range(max = 1_000_000))]
    pub(super) keep_hourly: u32,
    /// Likewise of days.
    #[schemars(range(max = 1_000_000))]
    pub(super) keep_daily: u32,
    /// Likewise of weeks.
    #[schemars(range(max = 1_000_000))]
    pub(super) keep_weekly: u32,
    /// Likewise of months.
    #[schemars(range(max = 1_000_000))]
    pub(super) keep_monthly: u32,
    /// The newest snapshots that were important when they were taken, as many as this, are protected.
    #[schemars(range(max = 1_000_000))]
    pub(super) max_important: u32,
    /// How often caps and protection are applied. 1 second to 7 days.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "7d"))]
    pub(super) cleanup_every: Span,
    /// How often every stored file is read again and checked. 1 minute to 365 days.
    #[schemars(extend("x-ghostd-min" = "1m", "x-ghostd-max" = "365d"))]
    pub(super) verify_every: Span,
}

/// Everything of the store in one file, for the day that the disk is gone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Backup {
    /// Whether they are made by themselves.
    pub(super) enabled: bool,
    /// The time from one backup to the next. 1 second to 365 days.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "365d"))]
    pub(super) every: Span,
    /// The newest backups, as many as this, stay; older ones are removed. 1 to 10,000.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) keep: u32,
    /// zstd's level. 1 to 19.
    #[schemars(range(min = 1, max = 19))]
    pub(super) level: u32,
    /// A directory of their own, which must be there. Relative to the configuration file. Optional: by default
    /// `backups` in the data directory.
    #[schemars(length(min = 1))]
    pub(super) dir: Option<String>,
    /// Encrypts them to this age recipient (`age1...`). Optional: by default they are not encrypted.
    #[schemars(length(min = 1, max = 128))]
    pub(super) recipient: Option<String>,
}

/// What protects the records.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Security {
    /// The file of the key that signs every snapshot, mode 0600. Relative to the configuration file. Optional: by
    /// default none is signed.
    #[schemars(length(min = 1))]
    pub(super) seal_key_file: Option<String>,
    /// How long each key signs before it gives way to the next and is destroyed. 1 second to 365 days.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "365d"))]
    pub(super) seal_key_every: Span,
    /// A file, elsewhere, that the name and hash of each snapshot are appended to. Relative to the configuration file.
    /// Optional.
    #[schemars(length(min = 1))]
    pub(super) head_file: Option<String>,
    /// Whether syslog is told the name and hash of each snapshot.
    pub(super) head_syslog: bool,
    /// A URL that the name and hash of each snapshot are posted to, as JSON. Optional.
    #[schemars(length(min = 1, max = 2048))]
    pub(super) head_webhook: Option<String>,
    /// The size at which the audit log goes on in a new file. 4 KiB to 1 GiB.
    #[schemars(extend("x-ghostd-min" = "4KiB", "x-ghostd-max" = "1GiB"))]
    pub(super) audit_rotate: Size,
    pub(super) sanitize: Sanitize,
}

/// Removing secrets before anything is written. It cannot be switched off; this adds to the built-in rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sanitize {
    /// Names whose values are secrets wherever they occur (as JSON keys, flags, variables, headers), beside
    /// the built-in ones. Case, dashes and underscores make no difference.
    #[schemars(length(max = 1024))]
    pub(super) keys: Vec<String>,
    /// Token formats beside the built-in ones.
    #[schemars(length(max = 256))]
    pub(super) rules: Vec<SanitizeRule>,
    /// What is no secret although a rule says so.
    #[schemars(length(max = 256))]
    pub(super) except: Vec<SanitizeException>,
}

/// A token format.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-ghostd-required" = ["name", "pattern"]))]
pub(super) struct SanitizeRule {
    /// Stands in what is written: `[REDACTED:name]`. 1 to 64 of `a-z`, `0-9` and `-`, beginning with a letter.
    pub(super) name: String,
    /// A regular expression (the syntax of Rust's `regex`). Write `(?-u:\b)` for a word boundary: it is much faster.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) pattern: String,
    /// The pattern is tried only where one of these occurs (without regard to case). Empty or absent:
    /// everywhere, which costs time.
    #[schemars(length(max = 64))]
    pub(super) keywords: Option<Vec<String>>,
    /// The number of the group that is the secret; absent or 0: the whole match.
    #[schemars(range(max = 64))]
    pub(super) secret_group: Option<u32>,
}

/// What is no secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-ghostd-required" = ["name", "pattern"]))]
pub(super) struct SanitizeException {
    /// For the report. 1 to 64 of `a-z`, `0-9` and `-`, beginning with a letter.
    pub(super) name: String,
    /// A regular expression. What it matches as a whole stays as it is.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) pattern: String,
}

/// ghostd's own log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    /// The least serious lines that are written.
    pub(super) level: LogLevel,
    /// The form of a line.
    pub(super) format: LogFormat,
    /// A file to write to instead of standard error. Relative to the configuration file. Optional.
    #[schemars(length(min = 1))]
    pub(super) file: Option<String>,
}

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may fail next.
    Warn,
    /// What happened.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// The form of ghostd's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the clock is compared with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Clock {
    /// SNTP servers, `host` or `host:port`. Empty: none is asked.
    #[schemars(length(max = 16))]
    pub(super) servers: Vec<String>,
    /// How often each is asked. At least 64 seconds where a server is not on this machine; at most 1 day.
    #[schemars(extend("x-ghostd-min" = "200ms", "x-ghostd-max" = "1d"))]
    pub(super) sntp_every: Span,
    /// The command port of a chronyd on this machine, or `off`.
    pub(super) chrony: ChronyAddress,
}

/// The machine that is recorded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    /// Where its /proc is; in a container, where the real machine's is mounted.
    #[schemars(length(min = 1))]
    pub(super) proc: String,
    /// Where its /sys is.
    #[schemars(length(min = 1))]
    pub(super) sys: String,
    /// Where its root directory is.
    #[schemars(length(min = 1))]
    pub(super) root: String,
    /// Commands that are run once at start, each with its whole argument list; the first line of what they answer
    /// stands in every snapshot (`node = ["node", "--version"]`). At most 32.
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 64}))]
    pub(super) versions: BTreeMap<String, Vec<String>>,
}

/// The socket by which the other commands talk to a running daemon.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    /// The socket's path. Optional: by default in the runtime directory.
    #[schemars(length(min = 1))]
    pub(super) socket: Option<String>,
}

/// Files for those who read what the original wrote: `heartbeat-state.json`, `snapshot-state.json`, `events.log`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    /// Their directory, relative to the configuration file. Optional: without it there are none.
    #[schemars(length(min = 1))]
    pub(super) dir: Option<String>,
    /// The group that may read them: a name or a number. Optional.
    #[schemars(length(min = 1, max = 64))]
    pub(super) group: Option<String>,
    /// Their permissions, in octal: `0640`.
    #[schemars(regex(pattern = r"^0?[0-7]{3}$"))]
    pub(super) mode: String,
}

/// The HTTP API, the metrics for Prometheus, and the dashboard.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    /// Whether it is served at all.
    pub(super) enabled: bool,
    /// The address and port that browsers and programs reach it at, or `off`. Whoever asks there needs a token
    /// (`ghostd token new`). Port 0 takes a free one. An address that is not this machine's own needs TLS or
    /// `allow_plain_remote`.
    pub(super) listen: ListenAddress,
    /// A Unix socket that answers the same without a token, by who asks: this user and root may do everything.
    /// Optional: by default `api.sock` beside the control socket.
    #[schemars(length(min = 1))]
    pub(super) socket: Option<String>,
    /// A group whose members may use the socket as well. Optional: nobody else may.
    #[schemars(length(min = 1, max = 32))]
    pub(super) socket_group: Option<String>,
    /// What they may do.
    pub(super) socket_group_scope: AccessScope,
    /// Names and ports under which it is reached beside the address itself, as a browser sends them
    /// (`ghost.example.org:7878`). Requests for any other are refused.
    #[schemars(length(max = 32))]
    pub(super) hosts: Vec<String>,
    /// The certificate chain for TLS, PEM. Optional, together with `tls_key_file`.
    #[schemars(length(min = 1))]
    pub(super) tls_cert_file: Option<String>,
    /// The private key of that certificate, PEM, readable by nobody else. Optional.
    #[schemars(length(min = 1))]
    pub(super) tls_key_file: Option<String>,
    /// Serve another address than loopback without TLS: tokens and records then cross the network in the clear.
    pub(super) allow_plain_remote: bool,
}

/// What somebody may do through the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessScope {
    /// Look at everything.
    Read,
    /// Also take snapshots, mark them, resolve findings, silence alerts.
    Operate,
    /// Also apply retention and take a new configuration.
    Admin,
}

/// What a `[[daemon]]` has where it says nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DaemonDefaults {
    /// How long a daemon that came back with another process is shown as restarted. 1 second to 7 days.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "7d"))]
    #[expect(dead_code, reason = "it is laid under every daemon before this is read")]
    pub(super) restarted_for: Span,
    /// From one look at its ping to the next. 100 ms to 1 day.
    #[schemars(extend("x-ghostd-min" = "100ms", "x-ghostd-max" = "1d"))]
    #[expect(dead_code, reason = "it is laid under every daemon before this is read")]
    pub(super) ping_every: Span,
    /// How long one attempt may take. 10 ms to 5 minutes.
    #[schemars(extend("x-ghostd-min" = "10ms", "x-ghostd-max" = "5m"))]
    #[expect(dead_code, reason = "it is laid under every daemon before this is read")]
    pub(super) timeout: Span,
    /// How often a ping is tried again, with growing waits, before it counts as failed. 0 to 20.
    #[schemars(range(max = 20))]
    #[expect(dead_code, reason = "it is laid under every daemon before this is read")]
    pub(super) retries: u32,
    #[expect(dead_code, reason = "it is laid under every daemon before this is read")]
    pub(super) heartbeat: DaemonHeartbeat,
    /// When it is in maintenance: `daily 03:00-03:30`, `sat,sun 22:00-02:00 UTC`.
    #[schemars(length(max = 32))]
    #[expect(dead_code, reason = "it is laid under every daemon before this is read")]
    pub(super) maintenance: Vec<String>,
}

/// The file in which a daemon leaves signs of life.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DaemonHeartbeat {
    /// The file, relative to `[heartbeat] dir`. Optional: without it there is none.
    #[schemars(length(min = 1))]
    pub(super) file: Option<String>,
    /// How old the last sign of life may be. 1 second to 365 days.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "365d"))]
    pub(super) max_age: Span,
    /// Which service of the file it is, where the file tells of several. Optional: by default the one that is called
    /// like the daemon, or the only one.
    #[schemars(length(min = 1))]
    pub(super) service: Option<String>,
}

/// What the answer to a ping by HTTP should be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PingExpect {
    /// The status codes that are right. Optional: by default any from 200 to 399.
    #[schemars(length(min = 1, max = 32))]
    pub(super) status: Option<Vec<u16>>,
    /// What the first 64 KiB of the answer must hold somewhere. Optional.
    #[schemars(length(min = 1, max = 1024))]
    pub(super) body: Option<String>,
    /// A certificate that is valid for fewer days than this is wrong. Optional: by default only one that expired.
    #[schemars(range(max = 3650))]
    pub(super) certificate_days: Option<u32>,
    /// A file of PEM certificates that are trusted in place of the system's. Relative to the configuration file. Optional.
    #[schemars(length(min = 1))]
    pub(super) ca_file: Option<String>,
}

/// A daemon that is watched.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-ghostd-required" = ["name"]))]
pub(super) struct Daemon {
    /// What it is called in the records. 1 to 64 of letters, digits and `_ . @ : -`. Each name once.
    pub(super) name: String,
    /// How its process is found. Optional: by default, the base name of the executable or of the script that an
    /// interpreter runs is exactly `name`.
    pub(super) r#match: Option<Match>,
    /// How long it is shown as restarted after it came back with another process. 1 second to 7 days.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "7d"))]
    pub(super) restarted_for: Span,
    /// What is asked whether it answers: `http://...`, `https://...`, `tcp://host:port`, `unix:/path`, `icmp://host`.
    /// Optional.
    #[schemars(length(min = 1, max = 2048))]
    pub(super) ping: Option<String>,
    /// What the answer to a ping by HTTP should be.
    pub(super) ping_expect: Option<PingExpect>,
    /// From one look at its ping to the next. 100 ms to 1 day.
    #[schemars(extend("x-ghostd-min" = "100ms", "x-ghostd-max" = "1d"))]
    pub(super) ping_every: Span,
    /// How long one attempt may take. 10 ms to 5 minutes.
    #[schemars(extend("x-ghostd-min" = "10ms", "x-ghostd-max" = "5m"))]
    pub(super) timeout: Span,
    /// How often a ping is tried again, with growing waits, before it counts as failed. 0 to 20.
    #[schemars(range(max = 20))]
    pub(super) retries: u32,
    /// The file in which it leaves signs of life.
    pub(super) heartbeat: DaemonHeartbeat,
    /// When it is in maintenance: `daily 03:00-03:30`, `sat,sun 22:00-02:00 UTC`. What happens to it then is outside
    /// every verdict.
    #[schemars(length(max = 32))]
    pub(super) maintenance: Vec<String>,
}

/// How a daemon's process is found. Where several are given, meeting one of them is enough.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Match {
    /// The name that the kernel has for it (`comm`): on Linux at most 15 bytes, longer ones are compared by those.
    #[schemars(length(min = 1))]
    pub(super) name: Option<String>,
    /// The executable: its base name, or its whole path where this holds a `/`.
    #[schemars(length(min = 1))]
    pub(super) executable: Option<String>,
    /// The script that an interpreter runs: its base name, or its whole path where this holds a `/`.
    #[schemars(length(min = 1))]
    pub(super) script: Option<String>,
    /// A regular expression that is found in the command line, arguments separated by spaces, as `pgrep -f` does.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) cmdline: Option<String>,
    /// A file that holds its process id. An absolute path.
    #[schemars(length(min = 1))]
    pub(super) pid_file: Option<String>,
    /// The systemd unit in whose control group it runs; `nginx` means `nginx.service`.
    #[schemars(length(min = 1))]
    pub(super) unit: Option<String>,
}

/// What all alerts have in common.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Alerts {
    /// How long a notification waits for others of its group before it is sent. 0 to 10 minutes.
    #[schemars(extend("x-ghostd-min" = "0s", "x-ghostd-max" = "10m"))]
    pub(super) group_wait: Span,
}

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertLevel {
    /// For the record: nothing is wrong.
    Info,
    /// Worth knowing when looking at the machine anyway.
    Low,
    /// Worth looking at during the day.
    Medium,
    /// Something does not work.
    High,
    /// Data or the machine is at stake.
    Critical,
}

/// What a rule makes of having nothing to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// Nothing changes: what fires goes on firing.
    Keep,
    /// As if the condition held.
    Fire,
    /// What fires ends, and says that it ended for want of data.
    Clear,
}

/// What an `[[alert]]` has where it says nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is laid under every alert before this is read")]
pub(super) struct AlertDefaults {
    /// For how long the condition must be seen to hold before it fires. 0 to 31 days.
    #[schemars(extend("x-ghostd-min" = "0s", "x-ghostd-max" = "31d"))]
    pub(super) r#for: Span,
    /// How much it matters.
    pub(super) severity: AlertLevel,
    /// Further labels, for routing at the receiver.
    #[schemars(extend("maxProperties" = 32))]
    pub(super) labels: BTreeMap<String, String>,
    /// How often it is told again while it fires; `0s` for never. At most 31 days.
    #[schemars(extend("x-ghostd-min" = "0s", "x-ghostd-max" = "31d"))]
    pub(super) repeat: Span,
    /// Labels by which notifications are put together; `rule` and `severity` are labels too.
    #[schemars(length(max = 16))]
    pub(super) group_by: Vec<String>,
    /// Rules that this one follows from: while one of them fires of the same thing, this one is not told.
    #[schemars(length(max = 16))]
    pub(super) inhibited_by: Vec<String>,
    /// What becomes of it without data. It is never taken for good.
    pub(super) on_no_data: NoData,
    /// Who is told. Empty: nobody, it is merely shown.
    #[schemars(length(max = 32))]
    pub(super) receivers: Vec<String>,
}

/// A rule of alerts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-ghostd-required" = ["name", "when"]))]
pub(super) struct Alert {
    /// What it is called. 1 to 64 of `a-z`, `0-9` and `-`, beginning with a letter. Each name once.
    pub(super) name: String,
    /// When it is wrong, such as `clock.offset_seconds.abs > 30`.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) when: String,
    /// When what fires is over. Optional: by default as soon as `when` does not hold any more.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) clear_when: Option<String>,
    /// One line for people, with `{{value}}`, `{{threshold}}`, `{{rule}}`, `{{severity}}` and labels as holes. Optional:
    /// by default made of name, value and threshold.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) summary: Option<String>,
    /// For how long the condition must be seen to hold before it fires. 0 to 31 days.
    #[schemars(extend("x-ghostd-min" = "0s", "x-ghostd-max" = "31d"))]
    pub(super) r#for: Span,
    /// How much it matters.
    pub(super) severity: AlertLevel,
    /// Further labels, for routing at the receiver.
    #[schemars(extend("maxProperties" = 32))]
    pub(super) labels: BTreeMap<String, String>,
    /// How often it is told again while it fires; `0s` for never. At most 31 days.
    #[schemars(extend("x-ghostd-min" = "0s", "x-ghostd-max" = "31d"))]
    pub(super) repeat: Span,
    /// Labels by which notifications are put together; `rule` and `severity` are labels too.
    #[schemars(length(max = 16))]
    pub(super) group_by: Vec<String>,
    /// Rules that this one follows from: while one of them fires of the same thing, this one is not told.
    #[schemars(length(max = 16))]
    pub(super) inhibited_by: Vec<String>,
    /// What becomes of it without data. It is never taken for good.
    pub(super) on_no_data: NoData,
    /// Who is told. Empty: nobody, it is merely shown.
    #[schemars(length(max = 32))]
    pub(super) receivers: Vec<String>,
}

/// How a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverKind {
    /// A line in ghostd's own log.
    Log,
    /// HTTP POST of JSON, or of a text of your own.
    Webhook,
    /// Alertmanager's API, version 2.
    Alertmanager,
    /// SMTP.
    Email,
    /// A program with JSON on its standard input.
    Command,
}

/// How SMTP is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// STARTTLS, or nothing is sent. Port 587 by default.
    Starttls,
    /// From the first byte. Port 465 by default.
    Implicit,
    /// Not at all: for a server on this machine. Port 25 by default.
    Off,
}

/// What a `[receiver.NAME]` has where it says nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is laid under every receiver before this is read")]
pub(super) struct ReceiverDefaults {
    /// How long a sending may take. 100 ms to 2 minutes.
    #[schemars(extend("x-ghostd-min" = "100ms", "x-ghostd-max" = "2m"))]
    pub(super) timeout: Span,
    /// Notifications that may wait for it; beyond it the oldest are given up. 1 to 100,000.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) max_queued: u32,
    /// How old a notification may become before it is given up. 1 minute to 31 days.
    #[schemars(extend("x-ghostd-min" = "1m", "x-ghostd-max" = "31d"))]
    pub(super) give_up_after: Span,
    /// Whether it is told that something is over.
    pub(super) send_resolved: bool,
    /// How often an Alertmanager is sent again what fires: well below its `resolve_timeout`. 1 second to 1 hour.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "1h"))]
    pub(super) resend_every: Span,
}

/// Somebody who can be told of alerts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Receiver {
    /// How it is told. Optional only where another source of the configuration says it.
    pub(super) kind: Option<ReceiverKind>,
    /// How long a sending may take. 100 ms to 2 minutes.
    #[schemars(extend("x-ghostd-min" = "100ms", "x-ghostd-max" = "2m"))]
    pub(super) timeout: Span,
    /// Notifications that may wait for it; beyond it the oldest are given up. 1 to 100,000.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) max_queued: u32,
    /// How old a notification may become before it is given up. 1 minute to 31 days.
    #[schemars(extend("x-ghostd-min" = "1m", "x-ghostd-max" = "31d"))]
    pub(super) give_up_after: Span,
    /// Whether it is told that something is over.
    pub(super) send_resolved: bool,
    /// How often an Alertmanager is sent again what fires: well below its `resolve_timeout`. 1 second to 1 hour.
    #[schemars(extend("x-ghostd-min" = "1s", "x-ghostd-max" = "1h"))]
    pub(super) resend_every: Span,
    /// webhook, alertmanager: where. Optional where `url_file` or `url_env` says it.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) url: Option<String>,
    /// webhook, alertmanager: a file that holds the URL, where it is a secret. Optional.
    #[schemars(length(min = 1))]
    pub(super) url_file: Option<String>,
    /// webhook, alertmanager: the environment variable that holds the URL. Optional.
    #[schemars(length(min = 1))]
    pub(super) url_env: Option<String>,
    /// webhook, alertmanager: a file that holds a bearer token. Optional.
    #[schemars(length(min = 1))]
    pub(super) bearer_file: Option<String>,
    /// webhook, alertmanager: the environment variable that holds a bearer token. Optional.
    #[schemars(length(min = 1))]
    pub(super) bearer_env: Option<String>,
    /// webhook, alertmanager, email: who to be there. Optional.
    #[schemars(length(min = 1))]
    pub(super) username: Option<String>,
    /// webhook, alertmanager, email: a file that holds the password. Optional.
    #[schemars(length(min = 1))]
    pub(super) password_file: Option<String>,
    /// webhook, alertmanager, email: the environment variable that holds the password. Optional.
    #[schemars(length(min = 1))]
    pub(super) password_env: Option<String>,
    /// webhook, alertmanager, email: a certificate authority to trust, PEM. Optional.
    #[schemars(length(min = 1))]
    pub(super) ca_file: Option<String>,
    /// webhook: a file that holds the key of the signature: the header `X-Ghostd-Signature` is then `sha256=` and the
    /// HMAC-SHA256 of the body in hexadecimal. Optional.
    #[schemars(length(min = 1))]
    pub(super) secret_file: Option<String>,
    /// webhook: the environment variable that holds it. Optional.
    #[schemars(length(min = 1))]
    pub(super) secret_env: Option<String>,
    /// webhook: a body in place of the document `ghostd.alerts/1`, with `{{title}}`, `{{text}}`, `{{status}}`,
    /// `{{count}}`, `{{group}}`, `{{host}}`, `{{receiver}}`, `{{notification}}`, `{{alerts}}` and `{{json}}` as holes.
    /// Optional.
    #[schemars(length(min = 1, max = 16_384))]
    pub(super) body: Option<String>,
    /// webhook: what kind of text `body` is. Optional: by default `application/json`, where what is filled in is escaped.
    #[schemars(length(min = 1, max = 256))]
    pub(super) content_type: Option<String>,
    /// email: the server. Optional for the other kinds.
    #[schemars(length(min = 1, max = 253))]
    pub(super) host: Option<String>,
    /// email: its port. Optional: by default 587, 465 or 25, as `tls` says.
    #[schemars(range(min = 1, max = 65_535))]
    pub(super) port: Option<u16>,
    /// email: how it is encrypted. Optional: by default `starttls`.
    pub(super) tls: Option<SmtpTls>,
    /// email: the sender. Optional for the other kinds.
    #[schemars(length(min = 1, max = 512))]
    pub(super) from: Option<String>,
    /// email: who gets it. Optional for the other kinds.
    #[schemars(length(min = 1, max = 32))]
    pub(super) to: Option<Vec<String>>,
    /// command: the program and its arguments. Optional for the other kinds.
    #[schemars(length(min = 1, max = 64))]
    pub(super) argv: Option<Vec<String>>,
}

/// Where dropped-in collectors are found.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Collectors {
    /// Whether components in `dir` are run at all.
    pub(super) enabled: bool,
    /// A directory of `NAME.wasm`, relative to the configuration file. Each runs with `log`, `state` and `redact`, and
    /// nothing else until `[collector.NAME]` grants it more.
    #[schemars(length(min = 1))]
    pub(super) dir: String,
    /// Whether a component that stands in a file runs only with a signature beside it (`FILE.sig`) by one of `keys`.
    pub(super) require_signature: bool,
    /// The public keys whose signatures count, each under a name: `ed25519:` and 43 characters of base64, as
    /// `ghostd collector sign` prints them.
    #[schemars(extend("maxProperties" = 64))]
    pub(super) keys: BTreeMap<String, String>,
}

/// What every collector has where its own table says nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CollectorDefaults {
    /// Whether it runs.
    pub(super) enabled: bool,
    /// How often it runs: a duration, or with each `snapshot` or `heartbeat`.
    #[schemars(extend("x-ghostd-min" = "50ms", "x-ghostd-max" = "31d"))]
    pub(super) every: Cadence,
    /// Whether it is refused for a WASI import that is not granted. Otherwise such an import is there and fails when it
    /// is called: some languages' tools import more than they use.
    pub(super) strict: bool,
    /// For how many of its intervals the last good section is carried forward after failures. 0 to 1,000.
    #[schemars(range(max = 1000))]
    pub(super) carry_intervals: u32,
    pub(super) limits: Limits,
}

/// What one collector may use. A limit that was hit is named in the snapshot, with its value and what was used.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// The time that a call may take. 10 ms to 10 minutes.
    #[schemars(extend("x-ghostd-min" = "10ms", "x-ghostd-max" = "10m"))]
    pub(super) wall: Span,
    /// All its memories together. 1 MiB to 4 GiB.
    #[schemars(extend("x-ghostd-min" = "1MiB", "x-ghostd-max" = "4GiB"))]
    pub(super) memory: Size,
    /// What one call may return, and hand to the host in one piece. 1 KiB to 64 MiB.
    #[schemars(extend("x-ghostd-min" = "1KiB", "x-ghostd-max" = "64MiB"))]
    pub(super) result: Size,
    /// What it may remember from call to call, keys included. 0 to 16 MiB.
    #[schemars(extend("x-ghostd-min" = "0B", "x-ghostd-max" = "16MiB"))]
    pub(super) state: Size,
    /// Log lines in one call; more are dropped and counted. 0 to 10,000.
    #[schemars(range(max = 10_000))]
    pub(super) log_lines: u32,
    /// The length of one log line; what is longer is cut. 64 B to 64 KiB.
    #[schemars(extend("x-ghostd-min" = "64B", "x-ghostd-max" = "64KiB"))]
    pub(super) log_line: Size,
    /// Calls of host functions in one call. 100 to 100,000,000.
    #[schemars(range(min = 100, max = 100_000_000))]
    pub(super) host_calls: u32,
    /// Host objects (open files, streams) that it may hold at a time. 16 to 100,000.
    #[schemars(range(min = 16, max = 100_000))]
    pub(super) handles: u32,
    /// Files that stay open for it between calls. 0 to 16,384.
    #[schemars(range(max = 16_384))]
    pub(super) kept_files: u32,
    /// The time that one command of `commands` may take, and never longer than the call. 10 ms to 10 minutes.
    #[schemars(extend("x-ghostd-min" = "10ms", "x-ghostd-max" = "10m"))]
    pub(super) command: Span,
}

/// One collector.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Collector {
    /// Whether it runs.
    pub(super) enabled: bool,
    /// `builtin:NAME`, or a component's file, relative to the configuration file. Optional: by default
    /// `NAME.wasm` in the directory of dropped-in collectors.
    #[schemars(length(min = 1))]
    pub(super) source: Option<String>,
    /// The SHA-256 that the component must have, 64 hexadecimal digits. Optional. A component that is pinned changes
    /// only with the configuration.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub(super) sha256: Option<String>,
    /// How often it runs: a duration from 50 ms to 31 days, or with each `snapshot` or `heartbeat`.
    #[schemars(extend("x-ghostd-min" = "50ms", "x-ghostd-max" = "31d"))]
    pub(super) every: Cadence,
    /// Sections that have a schedule of their own (`processes = "snapshot"`).
    #[schemars(extend("maxProperties" = 16))]
    pub(super) sections: BTreeMap<String, Cadence>,
    /// The capabilities that it has. `log`, `state` and `redact` are always lent and not listed.
    #[schemars(length(max = 32))]
    pub(super) grant: Vec<Capability>,
    /// Directories that the capability `files` may read, each under a name. Relative to the configuration file. One
    /// that does not exist is no error here: the collector reports it.
    #[schemars(extend("maxProperties" = 64))]
    pub(super) files: BTreeMap<String, String>,
    /// Commands that the capability `commands` may run, each under a name with its whole argument list. The collector
    /// names one and gives no argument. At most 32.
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 64}))]
    pub(super) commands: BTreeMap<String, Vec<String>>,
    /// What differs from `[collector_defaults.limits]`.
    pub(super) limits: Limits,
    /// Handed to the collector as JSON; its own schema says what may stand here.
    pub(super) config: serde_json::Map<String, serde_json::Value>,
    /// Whether it is refused for a WASI import that is not granted.
    pub(super) strict: bool,
    /// For how many of its intervals the last good section is carried forward after failures. 0 to 1,000.
    #[schemars(range(max = 1000))]
    pub(super) carry_intervals: u32,
}

/// What a collector may be granted: one interface of `ghost:host`, or one part of WASI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// The process table and the watched daemons.
    Processes,
    /// The machine's figures: processors, memory, disks, interfaces.
    System,
    /// Reading below the directories under `files`.
    Files,
    /// The results of the host's own probes.
    Probe,
    /// Clocks and what keeps them right.
    Clock,
    /// The systemd journal.
    Journal,
    /// Who listens on this machine.
    Sockets,
    /// The units of the service manager.
    Units,
    /// Commands that the configuration names.
    Commands,
    /// WASI's file system.
    #[serde(rename = "wasi:filesystem")]
    WasiFilesystem,
    /// WASI's network.
    #[serde(rename = "wasi:sockets")]
    WasiSockets,
}
