//! From raw to validated: what no type says. Names, duplicates, paths, patterns, addresses. Every fault is
//! gathered; a value that is faulty is replaced by something harmless, which nobody sees because there was a fault.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::check::{SecretCheck, shorten};
use super::fault::Fault;
use super::place::Place;
use super::raw::{self, Raw};
use super::settings::{
    Alerts, Backup, Clock, CollectorDefaults, Config, Control, DropIns, Host, Limits, Log, Publish, Security, Snapshot,
    Store,
};
use super::tree::{Node, join};

mod alert;
mod api;
mod clock;
mod collector;
mod daemon;
mod heartbeat;
mod name;
mod receiver;
mod sanitize;

pub use collector::BUILTINS;
use name::NameRule;

/// What the configuration cannot judge by itself.
pub struct Hooks<'a> {
    /// Compiles a regular expression as its user will: gives the number of its groups, or what is wrong with it.
    pub pattern: &'a dyn Fn(&str) -> Result<usize, String>,
    /// Whether a text is a secret by its form, and of which kind (the sanitizer).
    pub is_secret: SecretCheck<'a>,
    /// The SHA-256 of a file in lower-case hexadecimal, to hold against a pin; none leaves it to the loader.
    pub digest: Option<Digest<'a>>,
    /// Whether a text is a recipient that backups can be encrypted to, or what is wrong with it.
    pub recipient: &'a dyn Fn(&str) -> Result<(), String>,
    /// What is wrong with a text in one of the languages of alerts.
    pub language: &'a dyn Fn(Language<'_>) -> Result<(), TextFlaw>,
}

/// A text in a language that the configuration does not speak itself.
#[derive(Debug, Clone, Copy)]
pub enum Language<'a> {
    /// A condition, and the names of the daemons that it may ask for.
    Condition(&'a str, &'a [&'a str]),
    /// A summary with holes.
    Summary(&'a str),
    /// A webhook's body with holes, and whether it must be JSON.
    Body(&'a str, bool),
}

/// What is wrong with such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFlaw {
    /// The character at which it stands, counted from 1.
    pub column: usize,
    /// What is wrong, without a full stop.
    pub problem: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Hashes a file.
pub type Digest<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Judges nothing.
impl Default for Hooks<'_> {
    fn default() -> Self {
        Self {
            pattern: &|_| Ok(usize::MAX),
            is_secret: &|_| None,
            digest: None,
            recipient: &|_| Ok(()),
            language: &|_| Ok(()),
        }
    }
}

/// The settings, faults, and notices. The settings count only where there are no faults.
pub(super) fn validate(raw: Raw, tree: &Node, base: &Path, hooks: &Hooks<'_>) -> (Config, Vec<Fault>, Vec<Fault>) {
    let root = At { path: String::new(), place: None, node: Some(tree) };
    let mut judge = Judge { base, hooks, faults: Vec::new(), notices: Vec::new() };
    let config = judge.config(raw, &root);
    (config, judge.faults, judge.notices)
}

/// A key, where it stands, and what is below it.
#[derive(Clone)]
struct At<'t> {
    path: String,
    place: Option<&'t Place>,
    node: Option<&'t Node>,
}

impl<'t> At<'t> {
    /// A key below this; its place is that of the value, or of the key where the value is a table.
    fn key(&self, key: &str) -> At<'t> {
        let entry = self.node.and_then(|node| node.entry(key));
        let place = entry.map(|entry| match &entry.node.value {
            super::tree::Value::Table(_) => &entry.place,
            _ => &entry.node.place,
        });
        At { path: join(&self.path, key), place, node: entry.map(|entry| &entry.node) }
    }

    /// The n-th element that is left of a list.
    fn item(&self, nth: usize) -> At<'t> {
        let item = self.node.and_then(|node| node.items().get(nth));
        let index = item.map_or(nth, |item| item.index);
        let node = item.map(|item| &item.node);
        At { path: format!("{}[{index}]", self.path), place: node.map(|node| &node.place), node }
    }

    /// The key of an entry, for what is wrong with the name itself.
    fn name(&self, key: &str) -> At<'t> {
        let at = self.key(key);
        let place = self.node.and_then(|node| node.entry(key)).map(|entry| &entry.place);
        At { place, ..at }
    }
}

struct Judge<'a> {
    base: &'a Path,
    hooks: &'a Hooks<'a>,
    faults: Vec<Fault>,
    notices: Vec<Fault>,
}

impl Judge<'_> {
    fn fault(&mut self, at: &At<'_>, problem: impl Into<String>) -> &mut Fault {
        self.faults.push(Fault::new(at.place, &at.path, problem));
        let last = self.faults.len() - 1;
        &mut self.faults[last]
    }

    fn fault_with(&mut self, at: &At<'_>, problem: impl Into<String>, hint: impl Into<String>) {
        self.fault(at, problem).hint = Some(hint.into());
    }

    fn notice(&mut self, at: &At<'_>, problem: impl Into<String>, hint: impl Into<String>) {
        self.notices.push(Fault::new(at.place, &at.path, problem).hint(hint));
    }

    fn config(&mut self, raw: Raw, root: &At<'_>) -> Config {
        let snapshot = Snapshot {
            every: raw.snapshot.every.0,
            at_start: raw.snapshot.at_start,
            deadline: raw.snapshot.deadline.0.min(raw.snapshot.every.0),
        };
        let publish = self.publish(raw.publish, &root.key("publish"));
        let (heartbeat, heartbeat_dir) = self.heartbeat(raw.heartbeat, &root.key("heartbeat"));
        let at = root.key("security");
        if let Some(url) = &raw.security.head_webhook
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            self.fault_with(&at.key("head_webhook"), "is no URL", "it begins with `https://` or `http://`");
        }
        let security = Security {
            seal_key_file: raw.security.seal_key_file.map(|file| self.path(&file, &at.key("seal_key_file"))),
            seal_key_every: raw.security.seal_key_every.0,
            head_file: raw.security.head_file.map(|file| self.path(&file, &at.key("head_file"))),
            head_syslog: raw.security.head_syslog,
            head_webhook: raw.security.head_webhook,
            audit_rotate: raw.security.audit_rotate.0,
        };
        let sanitize = self.sanitize(raw.security.sanitize, &root.key("security").key("sanitize"));
        let backup = self.backup(raw.backup, &root.key("backup"));
        let log_at = root.key("log");
        let log = Log {
            level: raw.log.level,
            format: raw.log.format,
            file: raw.log.file.map(|file| self.path(&file, &log_at.key("file"))),
        };
        let clock: Clock = self.clock(raw.clock, &root.key("clock"));
        let host = self.host(raw.host, &root.key("host"));
        let control = self.control(raw.control, &root.key("control"));
        let api = self.api(raw.api, &root.key("api"));
        let daemons = self.daemons(raw.daemon, heartbeat_dir.as_deref(), &root.key("daemon"));
        let receivers = self.receivers(raw.receiver, &root.key("receiver"));
        let watched: Vec<&str> = daemons.iter().map(|daemon| daemon.name.as_str()).collect();
        let rules = self.alert_rules(raw.alert, &watched, &receivers, &root.key("alert"));
        let alerts = Alerts { group_wait: raw.alerts.group_wait.0, rules, receivers };
        let dir = self.path(&raw.collectors.dir, &root.key("collectors").key("dir"));
        let keys = self.signing_keys(raw.collectors.keys, &root.key("collectors").key("keys"));
        let require_signature = raw.collectors.require_signature;
        if require_signature && keys.is_empty() {
            let at = root.key("collectors").key("require_signature");
            self.fault_with(&at, "no key's signature would count", "name one under [collectors.keys]");
        }
        let drop_ins = DropIns { enabled: raw.collectors.enabled, dir, require_signature, keys };
        let defaults = raw.collector_defaults;
        let collector_defaults = CollectorDefaults {
            enabled: defaults.enabled,
            every: defaults.every,
            strict: defaults.strict,
            carry_intervals: defaults.carry_intervals,
            limits: limits(&defaults.limits),
        };
        let collectors = self.collectors(raw.collector, &drop_ins, &root.key("collector"));
        Config {
            snapshot,
            heartbeat,
            store: store(&raw.store),
            backup,
            security,
            sanitize,
            log,
            clock,
            host,
            control,
            publish,
            api,
            daemons,
            alerts,
            drop_ins,
            collector_defaults,
            collectors,
        }
    }

    fn backup(&mut self, raw: raw::Backup, at: &At<'_>) -> Backup {
        if let Some(Err(reason)) = raw.recipient.as_deref().map(self.hooks.recipient) {
            let hint = "`ghostd backup key FILE` makes a key and prints its recipient";
            self.fault_with(&at.key("recipient"), format!("is no age recipient: {reason}"), hint);
        }
        Backup {
            enabled: raw.enabled,
            every: raw.every.0,
            keep: raw.keep,
            level: raw.level,
            dir: raw.dir.map(|dir| self.path(&dir, &at.key("dir"))),
            recipient: raw.recipient,
        }
    }

    fn host(&mut self, raw: raw::Host, at: &At<'_>) -> Host {
        let versions_at = at.key("versions");
        for (name, arguments) in &raw.versions {
            self.name(name, &versions_at.name(name), NameRule::VERSION);
            if arguments.first().is_some_and(String::is_empty) {
                self.fault(&versions_at.key(name).item(0), "must not be empty");
            }
        }
        Host {
            proc: self.path(&raw.proc, &at.key("proc")),
            sys: self.path(&raw.sys, &at.key("sys")),
            root: self.path(&raw.root, &at.key("root")),
            versions: raw.versions,
        }
    }

    fn publish(&mut self, raw: raw::Publish, at: &At<'_>) -> Publish {
        let mode = u32::from_str_radix(&raw.mode, 8).ok().filter(|mode| raw.mode.len() <= 4 && *mode <= 0o777);
        let mode_at = at.key("mode");
        match mode {
            None => self.fault_with(&mode_at, "is no mode", "three octal digits, such as `0640`"),
            Some(mode) if mode & 0o600 != 0o600 => self.fault(&mode_at, "does not let ghostd itself write").hint = None,
            Some(mode) if mode & 0o022 != 0 => {
                self.notice(&mode_at, "others may write what ghostd publishes", "`0640` or `0644`");
            }
            Some(_) => {}
        }
        let dir = raw.dir.map(|dir| self.path(&dir, &at.key("dir")));
        Publish { dir, group: raw.group, mode: mode.unwrap_or(0o640) }
    }

    fn control(&mut self, raw: raw::Control, at: &At<'_>) -> Control {
        Control { socket: self.socket(raw.socket, &at.key("socket")) }
    }

    fn socket(&mut self, socket: Option<String>, at: &At<'_>) -> Option<PathBuf> {
        let socket = socket.map(|socket| self.path(&socket, at));
        if let Some(bytes) = socket.as_ref().map(|path| path.as_os_str().len()).filter(|n| *n > MAX_SOCKET_PATH_BYTES) {
            let problem = format!("the path is {bytes} bytes long, a socket's may have {MAX_SOCKET_PATH_BYTES}");
            self.fault_with(at, problem, "choose a shorter one");
        }
        socket
    }

    /// Absolute; what is relative starts from the configuration file's directory.
    fn path(&mut self, text: &str, at: &At<'_>) -> PathBuf {
        if text == "~" || text.starts_with("~/") {
            self.fault_with(at, "`~` is not expanded here", "write the whole path");
        }
        if text.contains('\0') {
            self.fault(at, "a path cannot hold a NUL byte");
        }
        self.base.join(text)
    }

    fn pattern(&mut self, pattern: &str, at: &At<'_>) -> Option<usize> {
        match (self.hooks.pattern)(pattern) {
            Ok(groups) => Some(groups),
            Err(reason) => {
                // The last line of a regex error says what; the rest repeats the pattern.
                let reason = reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
                self.fault(at, format!("is no regular expression: {reason}"));
                None
            }
        }
    }

    fn name(&mut self, name: &str, at: &At<'_>, rule: NameRule) {
        if !(rule.accepts)(name) {
            self.fault_with(at, format!("`{}` cannot be a name here", shorten(name)), rule.hint);
        }
    }

    fn once(&mut self, name: &str, at: &At<'_>, seen: &mut HashMap<String, Option<Place>>, what: &str) {
        match seen.get(name) {
            Some(first) => {
                let hint = first.as_ref().map(|place| format!("the first is at {place}"));
                self.fault(at, format!("there are two {what}s `{}`", shorten(name))).hint = hint;
            }
            None => _ = seen.insert(name.to_owned(), at.place.cloned()),
        }
    }
}

/// A socket's path is 108 bytes with its NUL on Linux and 104 on macOS (unix(7), unix(4)).
const MAX_SOCKET_PATH_BYTES: usize = 103;

fn store(raw: &raw::Store) -> Store {
    Store {
        max_count: raw.max_count,
        max_age: raw.max_age.0,
        max_size: raw.max_size.0,
        keep_last: raw.keep_last,
        keep_hourly: raw.keep_hourly,
        keep_daily: raw.keep_daily,
        keep_weekly: raw.keep_weekly,
        keep_monthly: raw.keep_monthly,
        max_important: raw.max_important,
        cleanup_every: raw.cleanup_every.0,
        verify_every: raw.verify_every.0,
    }
}

fn limits(raw: &raw::Limits) -> Limits {
    Limits {
        wall: raw.wall.0,
        memory: raw.memory.0,
        result: raw.result.0,
        state: raw.state.0,
        log_lines: raw.log_lines,
        log_line: raw.log_line.0,
        host_calls: raw.host_calls,
        handles: raw.handles,
        kept_files: raw.kept_files,
        command: raw.command.0,
    }
}
