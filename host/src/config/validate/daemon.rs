//! What `[[daemon]]` says: names, and how processes are found.

use std::collections::HashMap;

use super::super::check::shorten;
use super::super::raw;
use super::super::settings::{Criteria, Daemon, Find};
use super::name::NameRule;
use super::{At, Judge};

impl Judge<'_> {
    pub(super) fn daemons(&mut self, raw: Vec<raw::Daemon>, at: &At<'_>) -> Vec<Daemon> {
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
}
