//! What `[[daemon]]` says: names, how processes are found, pings, heartbeat files, maintenance windows.

use std::collections::HashMap;
use std::path::Path;

use super::super::check::shorten;
use super::super::settings::{Criteria, Daemon, Find, HeartbeatFile, Ping, PingTarget, Window};
use super::super::{ping, raw, window};
use super::name::NameRule;
use super::{At, Judge};

impl Judge<'_> {
    /// `dir` is where heartbeat files start from.
    pub(super) fn daemons(&mut self, raw: Vec<raw::Daemon>, dir: Option<&Path>, at: &At<'_>) -> Vec<Daemon> {
        let mut seen = HashMap::new();
        let mut daemons = Vec::with_capacity(raw.len());
        for (index, mut daemon) in raw.into_iter().enumerate() {
            let at = at.item(index);
            self.name(&daemon.name, &at.key("name"), NameRule::DAEMON);
            self.once(&daemon.name, &at.key("name"), &mut seen, "daemon");
            let find = match daemon.r#match.take() {
                None => Find::BaseName(daemon.name.clone()),
                Some(criteria) => Find::Any(Box::new(self.criteria(criteria, &at.key("match")))),
            };
            let windows_at = at.key("maintenance");
            let ping = daemon.ping.as_ref().and_then(|target| self.ping(target, &daemon, &at));
            let windows = daemon.maintenance.iter().enumerate();
            daemons.push(Daemon {
                find,
                restarted_for: daemon.restarted_for.0,
                ping,
                heartbeat_file: self.heartbeat_file(daemon.heartbeat, dir, &at.key("heartbeat")),
                maintenance: windows.filter_map(|(index, text)| self.window(text, &windows_at.item(index))).collect(),
                name: daemon.name,
            });
        }
        daemons
    }

    fn ping(&mut self, text: &str, daemon: &raw::Daemon, at: &At<'_>) -> Option<Ping> {
        let target = match PingTarget::parse(text) {
            Ok(target) => target,
            Err(why) => {
                self.fault_with(&at.key("ping"), format!("`{}` cannot be asked: {why}", shorten(text)), ping::HINT);
                return None;
            }
        };
        let expect_at = at.key("ping_expect");
        let expect = daemon.ping_expect.as_ref();
        let statuses = expect.and_then(|expect| expect.status.clone()).unwrap_or_default();
        if let Some(index) = statuses.iter().position(|status| !(100..600).contains(status)) {
            let at = expect_at.key("status").item(index);
            self.fault_with(&at, format!("`{}` is no status of HTTP", statuses[index]), "from `100` to `599`");
        }
        let is_http = matches!(target, PingTarget::Http { .. });
        let is_tls = matches!(target, PingTarget::Http { tls: true, .. });
        if let Some(expect) = expect {
            let http = [("status", expect.status.is_some()), ("body", expect.body.is_some())];
            let tls = [("certificate_days", expect.certificate_days.is_some()), ("ca_file", expect.ca_file.is_some())];
            for (key, _) in http.into_iter().filter(|(_, given)| *given && !is_http) {
                self.fault(&expect_at.key(key), "means nothing for a ping that is not by HTTP");
            }
            for (key, _) in tls.into_iter().filter(|(_, given)| *given && !is_tls) {
                self.fault(&expect_at.key(key), "means nothing for a ping that is not by `https`");
            }
        }
        Some(Ping {
            target,
            every: daemon.ping_every.0,
            timeout: daemon.timeout.0,
            retries: daemon.retries,
            statuses,
            body: expect.and_then(|expect| expect.body.clone()),
            certificate_days: expect.and_then(|expect| expect.certificate_days).unwrap_or(0),
            ca_file: expect
                .and_then(|expect| expect.ca_file.as_ref())
                .map(|file| self.path(file, &expect_at.key("ca_file"))),
        })
    }

    fn heartbeat_file(&mut self, raw: raw::DaemonHeartbeat, dir: Option<&Path>, at: &At<'_>) -> Option<HeartbeatFile> {
        let file = raw.file?;
        let at = at.key("file");
        if dir.is_none() && !file.starts_with('/') {
            let hint = "set `heartbeat.dir` at the top, or write an absolute path";
            self.fault_with(&at, "starts from no directory", hint);
        }
        let path = self.path(&file, &at);
        let path = dir.map_or(path, |dir| dir.join(&file));
        Some(HeartbeatFile { path, max_age: raw.max_age.0, service: raw.service })
    }

    fn window(&mut self, text: &str, at: &At<'_>) -> Option<Window> {
        let window = Window::parse(text);
        if window.is_none() {
            self.fault_with(at, format!("`{}` is no maintenance window", shorten(text)), window::HINT);
        }
        window
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
