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
    Clock, CollectorDefaults, Config, Control, Criteria, Daemon, DropIns, Find, Heartbeat, Host, Limits, Log, Sanitize,
    SanitizeException, SanitizeRule, Snapshot, Store,
};
use super::tree::{Node, join};

mod clock;
mod collector;

pub use collector::BUILTINS;

/// What the configuration cannot judge by itself.
pub struct Hooks<'a> {
    /// Compiles a regular expression as its user will: gives the number of its groups, or what is wrong with it.
    pub pattern: &'a dyn Fn(&str) -> Result<usize, String>,
    /// Whether a text is a secret by its form, and of which kind (the sanitizer).
    pub is_secret: SecretCheck<'a>,
    /// The SHA-256 of a file in lower-case hexadecimal, to hold against a pin; none leaves it to the loader.
    pub digest: Option<&'a dyn Fn(&Path) -> io::Result<String>>,
}

/// Judges nothing.
impl Default for Hooks<'_> {
    fn default() -> Self {
        Self { pattern: &|_| Ok(usize::MAX), is_secret: &|_| None, digest: None }
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
        let heartbeat = self.heartbeat(raw.heartbeat, &root.key("heartbeat"));
        let sanitize = self.sanitize(raw.security.sanitize, &root.key("security").key("sanitize"));
        let log_at = root.key("log");
        let log = Log {
            level: raw.log.level,
            format: raw.log.format,
            file: raw.log.file.map(|file| self.path(&file, &log_at.key("file"))),
        };
        let clock: Clock = self.clock(raw.clock, &root.key("clock"));
        let host = self.host(raw.host, &root.key("host"));
        let control = self.control(raw.control, &root.key("control"));
        let daemons = self.daemons(raw.daemon, &root.key("daemon"));
        let dir = self.path(&raw.collectors.dir, &root.key("collectors").key("dir"));
        let drop_ins = DropIns { enabled: raw.collectors.enabled, dir };
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
            sanitize,
            log,
            clock,
            host,
            control,
            daemons,
            drop_ins,
            collector_defaults,
            collectors,
        }
    }

    fn heartbeat(&mut self, raw: raw::Heartbeat, at: &At<'_>) -> Heartbeat {
        let sections_at = at.key("sections");
        for (index, section) in raw.sections.iter().enumerate() {
            let at = sections_at.item(index);
            self.name(section, &at, NameRule::SECTION);
            if raw.sections[..index].contains(section) {
                self.fault(&at, format!("`{}` is there twice", shorten(section)));
            }
        }
        Heartbeat { every: raw.every.0, sections: raw.sections, keep_raw: raw.keep_raw.0 }
    }

    fn sanitize(&mut self, raw: raw::Sanitize, at: &At<'_>) -> Sanitize {
        let keys_at = at.key("keys");
        for (index, key) in raw.keys.iter().enumerate() {
            if !key.chars().any(char::is_alphanumeric) {
                self.fault(&keys_at.item(index), "is no name").hint = Some("such as `session_id`".to_owned());
            }
        }
        let rules_at = at.key("rules");
        let mut seen = HashMap::new();
        let mut rules = Vec::with_capacity(raw.rules.len());
        for (index, rule) in raw.rules.into_iter().enumerate() {
            let at = rules_at.item(index);
            self.name(&rule.name, &at.key("name"), NameRule::PLAIN);
            self.once(&rule.name, &at.key("name"), &mut seen, "rule");
            let groups = self.pattern(&rule.pattern, &at.key("pattern"));
            let secret_group = rule.secret_group.unwrap_or(0);
            if let Some(groups) = groups.filter(|groups| secret_group as usize > *groups) {
                let problem = format!("the pattern has no group {secret_group}");
                self.fault_with(&at.key("secret_group"), problem, format!("it has {groups}; 0 means the whole match"));
            }
            let keywords = rule.keywords.unwrap_or_default();
            if let Some(empty) = keywords.iter().position(String::is_empty) {
                self.fault(&at.key("keywords").item(empty), "must not be empty");
            }
            rules.push(SanitizeRule { name: rule.name, pattern: rule.pattern, keywords, secret_group });
        }
        let except_at = at.key("except");
        let mut seen = HashMap::new();
        let mut except = Vec::with_capacity(raw.except.len());
        for (index, exception) in raw.except.into_iter().enumerate() {
            let at = except_at.item(index);
            self.name(&exception.name, &at.key("name"), NameRule::PLAIN);
            self.once(&exception.name, &at.key("name"), &mut seen, "exception");
            self.pattern(&exception.pattern, &at.key("pattern"));
            except.push(SanitizeException { name: exception.name, pattern: exception.pattern });
        }
        Sanitize { keys: raw.keys, rules, except }
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

    fn control(&mut self, raw: raw::Control, at: &At<'_>) -> Control {
        let at = at.key("socket");
        let socket = raw.socket.map(|socket| self.path(&socket, &at));
        if let Some(bytes) = socket.as_ref().map(|path| path.as_os_str().len()).filter(|n| *n > MAX_SOCKET_PATH_BYTES) {
            let problem = format!("the path is {bytes} bytes long, a socket's may have {MAX_SOCKET_PATH_BYTES}");
            self.fault_with(&at, problem, "choose a shorter one");
        }
        Control { socket }
    }

    fn daemons(&mut self, raw: Vec<raw::Daemon>, at: &At<'_>) -> Vec<Daemon> {
        let mut seen = HashMap::new();
        let mut daemons = Vec::with_capacity(raw.len());
        for (index, daemon) in raw.into_iter().enumerate() {
            let at = at.item(index);
            self.name(&daemon.name, &at.key("name"), NameRule::DAEMON);
            self.once(&daemon.name, &at.key("name"), &mut seen, "daemon");
            let find = match daemon.r#match {
                None => Find::BaseName(daemon.name.clone()),
                Some(criteria) => Find::Any(Box::new(self.criteria(criteria, &at.key("match")))),
            };
            daemons.push(Daemon { name: daemon.name, find, restarted_for: daemon.restarted_for.0 });
        }
        daemons
    }

    fn criteria(&mut self, raw: raw::Match, at: &At<'_>) -> Criteria {
        if let Some(pattern) = &raw.cmdline {
            self.pattern(pattern, &at.key("cmdline"));
        }
        for (key, value) in [("executable", &raw.executable), ("script", &raw.script)] {
            if value.as_ref().is_some_and(|value| value.contains('/') && !value.starts_with('/')) {
                let hint = "write the base name alone, or the absolute path";
                self.fault_with(&at.key(key), "is neither a base name nor an absolute path", hint);
            }
        }
        let criteria = Criteria {
            name: raw.name,
            executable: raw.executable,
            script: raw.script,
            cmdline: raw.cmdline,
            pid_file: raw.pid_file.map(|file| {
                let at = at.key("pid_file");
                if !file.starts_with('/') && !file.starts_with('~') {
                    self.fault(&at, format!("`{}` is not an absolute path", shorten(&file)));
                }
                self.path(&file, &at)
            }),
            unit: raw.unit.map(|unit| if unit.contains('.') { unit } else { format!("{unit}.service") }),
        };
        if criteria == Criteria::default() {
            self.fault_with(at, "says nothing", "leave it out for the default rule, or give `name`, `executable`, `script`, `cmdline`, `pid_file` or `unit`");
        }
        criteria
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

/// What a name may be made of. The schema says the same by patterns.
#[derive(Clone, Copy)]
struct NameRule {
    accepts: fn(&str) -> bool,
    hint: &'static str,
}

impl NameRule {
    const PLAIN: Self = Self {
        accepts: |name| first_and_rest(name, |c| c.is_ascii_lowercase(), |c| lower_or_digit(c) || c == '-'),
        hint: "1 to 64 of `a-z`, `0-9` and `-`, beginning with a letter",
    };
    const SECTION: Self = Self {
        accepts: |name| first_and_rest(name, |c| c.is_ascii_lowercase(), |c| lower_or_digit(c) || c == '_'),
        hint: "1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter",
    };
    const ROOT: Self = Self {
        accepts: |name| first_and_rest(name, |c| c.is_ascii_lowercase(), |c| lower_or_digit(c) || c == '_' || c == '-'),
        hint: "1 to 64 of `a-z`, `0-9`, `_` and `-`, beginning with a letter",
    };
    const VERSION: Self = Self {
        accepts: |name| {
            first_and_rest(name, |c| c.is_ascii_alphabetic(), |c| c.is_ascii_alphanumeric() || "_.+-".contains(c))
        },
        hint: "1 to 64 letters, digits and `_ . + -`, beginning with a letter",
    };
    const DAEMON: Self = Self {
        accepts: |name| {
            first_and_rest(name, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || "_.@:-".contains(c))
        },
        hint: "1 to 64 letters, digits and `_ . @ : -`, beginning with a letter or a digit",
    };
}

fn lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn first_and_rest(name: &str, first: impl Fn(char) -> bool, rest: impl Fn(char) -> bool) -> bool {
    let mut characters = name.chars();
    name.len() <= 64 && characters.next().is_some_and(first) && characters.all(rest)
}

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
        max_deletes_per_pass: raw.max_deletes_per_pass,
        verify_every: raw.verify_every.0,
        verify_on_read: raw.verify_on_read,
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
    }
}
