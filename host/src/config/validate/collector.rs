//! What `[collector.NAME]` says: where the component is, what it is granted, and whether that makes sense.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::check::shorten;
use super::super::nearest::nearest;
use super::super::raw;
use super::super::settings::{Capability, Collector, DropIns, Source};
use super::name::NameRule;
use super::{At, Judge, limits};

/// What `builtin:` may name.
pub const BUILTINS: [&str; 6] = ["daemon", "clock", "metric", "patch", "anomaly", "telemetry"];

impl Judge<'_> {
    pub(super) fn collectors(
        &mut self,
        raw: BTreeMap<String, raw::Collector>,
        drop_ins: &DropIns,
        at: &At<'_>,
    ) -> BTreeMap<String, Collector> {
        let names: Vec<String> = raw.keys().cloned().collect();
        let mut collectors = BTreeMap::new();
        for (name, collector) in raw {
            let others: Vec<&str> = names.iter().map(String::as_str).filter(|other| *other != name).collect();
            self.name(&name, &at.name(&name), NameRule::PLAIN);
            let collector = self.collector(&name, collector, drop_ins, &others, &at.key(&name));
            collectors.insert(name, collector);
        }
        collectors
    }

    fn collector(
        &mut self,
        name: &str,
        raw: raw::Collector,
        drop_ins: &DropIns,
        others: &[&str],
        at: &At<'_>,
    ) -> Collector {
        let source = match &raw.source {
            Some(text) => self.source(text, raw.enabled, &at.key("source")),
            None => self.drop_in(name, raw.enabled, drop_ins, others, at),
        };
        if let Some(pin) = &raw.sha256 {
            self.pin(pin, &source, raw.enabled, &at.key("sha256"));
        }
        let sections_at = at.key("sections");
        for section in raw.sections.keys() {
            self.name(section, &sections_at.name(section), NameRule::SECTION);
        }
        let files_at = at.key("files");
        let mut files = BTreeMap::new();
        for (root, path) in &raw.files {
            self.name(root, &files_at.name(root), NameRule::ROOT);
            let at = files_at.key(root);
            if path.is_empty() {
                self.fault(&at, "must not be empty");
            }
            files.insert(root.clone(), self.root(path, raw.enabled, &at));
        }
        let commands_at = at.key("commands");
        for (command, arguments) in &raw.commands {
            self.name(command, &commands_at.name(command), NameRule::ROOT);
            if arguments.first().is_some_and(String::is_empty) {
                self.fault(&commands_at.key(command).item(0), "must not be empty");
            }
        }
        if raw.enabled && !raw.commands.is_empty() && !raw.grant.contains(&Capability::Commands) {
            self.notice(&commands_at, "is of no use", "the capability is not granted: add `commands` to `grant`");
        }
        let may_read = raw.grant.contains(&Capability::Files);
        if raw.enabled && !files.is_empty() && !may_read {
            self.notice(&files_at, "is of no use", "the capability is not granted: add `files` to `grant`");
        }
        Collector {
            name: name.to_owned(),
            enabled: raw.enabled,
            source,
            sha256: raw.sha256.map(|pin| pin.to_ascii_lowercase()),
            every: raw.every,
            sections: raw.sections,
            grant: raw.grant.into_iter().collect(),
            files,
            commands: raw.commands,
            limits: limits(&raw.limits),
            config: serde_json::Value::Object(raw.config),
            strict: raw.strict,
            carry_intervals: raw.carry_intervals,
        }
    }

    /// Only their form: whether one is a point on the curve is found out by whoever verifies with it.
    pub(super) fn signing_keys(&mut self, raw: BTreeMap<String, String>, at: &At<'_>) -> BTreeMap<String, String> {
        for (name, key) in &raw {
            self.name(name, &at.name(name), NameRule::ROOT);
            let fits = key.strip_prefix("ed25519:").is_some_and(|text| {
                text.trim_end_matches('=').len() == 43
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
            });
            if !fits {
                let hint = "write `ed25519:` and 43 characters of base64, as `ghostd collector sign` prints them";
                self.fault_with(&at.key(name), "is no public key", hint);
            }
        }
        raw
    }

    /// A collector that is switched off may name what is not there.
    fn source(&mut self, text: &str, enabled: bool, at: &At<'_>) -> Source {
        if let Some(name) = text.strip_prefix("builtin:") {
            if !BUILTINS.contains(&name) {
                let hint = match nearest(name, BUILTINS) {
                    Some(near) => format!("did you mean `builtin:{near}`?"),
                    None => format!("there are {}", BUILTINS.map(|name| format!("`builtin:{name}`")).join(", ")),
                };
                self.fault_with(at, format!("there is no built-in collector `{}`", shorten(name)), hint);
            }
            return Source::Builtin(name.to_owned());
        }
        let path = self.path(text, at);
        if enabled && !text.starts_with('~') {
            self.component(&path, text, at);
        }
        Source::File(path)
    }

    fn component(&mut self, path: &Path, text: &str, at: &At<'_>) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => _ = self.fault(at, format!("`{}` is no regular file", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let hint = if BUILTINS.contains(&text) {
                    format!("write `builtin:{text}` for the built-in collector")
                } else {
                    "a relative path starts from the configuration file's directory".to_owned()
                };
                self.fault_with(at, format!("`{}` does not exist", path.display()), hint);
            }
            Err(error) => _ = self.fault(at, format!("cannot look at `{}`: {error}", path.display())),
        }
    }

    /// Dropped-in files come and go, so one that is missing is no fault.
    fn drop_in(&mut self, name: &str, enabled: bool, drop_ins: &DropIns, others: &[&str], at: &At<'_>) -> Source {
        let path = drop_ins.dir.join(format!("{name}.wasm"));
        if enabled && !path.exists() {
            let hint = match nearest(name, others.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? or give it a `source`"),
                None => "give it a `source`, or put the file there".to_owned(),
            };
            self.notice(at, format!("there is no `{}` to run", path.display()), hint);
        }
        Source::DropIn(path)
    }

    fn pin(&mut self, pin: &str, source: &Source, enabled: bool, at: &At<'_>) {
        if pin.len() != 64 || !pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let hint = "64 hexadecimal digits, as `sha256sum` prints them";
            self.fault_with(at, format!("`{}` is no SHA-256", shorten(pin)), hint);
            return;
        }
        let (Some(digest), true, Source::File(path)) = (self.hooks.digest, enabled, source) else {
            return;
        };
        if let Ok(found) = digest(path)
            && !found.eq_ignore_ascii_case(pin)
        {
            let problem = format!("`{}` has another SHA-256", path.display());
            self.fault_with(at, problem, format!("it is `{found}`; pin that only if you trust the file"));
        }
    }

    fn root(&mut self, text: &str, enabled: bool, at: &At<'_>) -> PathBuf {
        let path = self.path(text, at);
        let by_user = at.place.is_some_and(|place| place.origin != super::super::place::Origin::Default);
        if enabled && by_user && !path.is_dir() {
            let hint = "the collector reports it until there is one";
            self.notice(at, format!("there is no directory `{}` now", path.display()), hint);
        }
        path
    }
}
