//! What `[receiver.NAME]` says: each kind takes keys of its own, and secrets by reference alone.

use std::collections::BTreeMap;

use super::super::check::shorten;
use super::super::raw;
use super::super::settings::{Channel, Endpoint, Receiver, ReceiverKind, SecretRef, SmtpTls, UrlRef};
use super::name::NameRule;
use super::{At, Judge, Language};

/// What each kind takes beside what all take.
fn keys_of(kind: ReceiverKind) -> &'static [&'static str] {
    const HTTP: [&str; 9] = [
        "url",
        "url_file",
        "url_env",
        "bearer_file",
        "bearer_env",
        "username",
        "password_file",
        "password_env",
        "ca_file",
    ];
    const WEBHOOK: [&str; 13] = [
        "url",
        "url_file",
        "url_env",
        "bearer_file",
        "bearer_env",
        "username",
        "password_file",
        "password_env",
        "ca_file",
        "secret_file",
        "secret_env",
        "body",
        "content_type",
    ];
    const EMAIL: [&str; 9] =
        ["host", "port", "tls", "from", "to", "username", "password_file", "password_env", "ca_file"];
    match kind {
        ReceiverKind::Log => &[],
        ReceiverKind::Webhook => &WEBHOOK,
        ReceiverKind::Alertmanager => &HTTP,
        ReceiverKind::Email => &EMAIL,
        ReceiverKind::Command => &["argv"],
    }
}

/// What a receiver of any kind takes.
const COMMON: [&str; 6] = ["kind", "timeout", "max_queued", "give_up_after", "send_resolved", "resend_every"];

impl Judge<'_> {
    pub(super) fn receivers(
        &mut self,
        raw: BTreeMap<String, raw::Receiver>,
        at: &At<'_>,
    ) -> BTreeMap<String, Receiver> {
        let mut receivers = BTreeMap::new();
        for (name, receiver) in raw {
            self.name(&name, &at.name(&name), NameRule::PLAIN);
            let receiver = self.receiver(name.clone(), receiver, &at.key(&name));
            receivers.insert(name, receiver);
        }
        receivers
    }

    fn receiver(&mut self, name: String, raw: raw::Receiver, at: &At<'_>) -> Receiver {
        let kind = raw.kind.unwrap_or_else(|| {
            self.fault_with(at, "`kind` is missing", "log, webhook, alertmanager, email or command");
            ReceiverKind::Log
        });
        let own = keys_of(kind);
        // Without a kind nobody can say what it takes.
        let known = at.node.filter(|_| raw.kind.is_some());
        let given: Vec<String> =
            known.into_iter().flat_map(|node| node.entries()).map(|entry| entry.key.clone()).collect();
        for key in given.iter().filter(|key| !COMMON.contains(&key.as_str()) && !own.contains(&key.as_str())) {
            let hint = match own {
                [] => "it takes no keys of its own".to_owned(),
                own => format!("it takes {}", own.join(", ")),
            };
            self.fault_with(&at.name(key), "means nothing for a receiver of this kind", hint);
        }
        let (timeout, max_queued) = (raw.timeout.0, raw.max_queued);
        let (give_up_after, send_resolved) = (raw.give_up_after.0, raw.send_resolved);
        let channel = self.channel(kind, raw, at);
        Receiver { name, timeout, max_queued, give_up_after, send_resolved, channel }
    }

    fn channel(&mut self, kind: ReceiverKind, raw: raw::Receiver, at: &At<'_>) -> Channel {
        match kind {
            ReceiverKind::Log => Channel::Log,
            ReceiverKind::Webhook => {
                let secret = self.secret(raw.secret_file.as_deref(), raw.secret_env.as_deref(), "secret", at);
                let is_json = raw.content_type.as_ref().is_none_or(|kind| kind.contains("json"));
                if let Some(body) = &raw.body {
                    self.text(Language::Body(body, is_json), &at.key("body"));
                } else if raw.content_type.is_some() {
                    self.fault(&at.key("content_type"), "says nothing without `body`");
                }
                let content_type = raw.content_type.clone().unwrap_or_else(|| "application/json".to_owned());
                if content_type.chars().any(|c| c.is_control() || !c.is_ascii()) {
                    self.fault(&at.key("content_type"), "cannot stand in a header");
                }
                let body = raw.body.clone().map(|body| (body, content_type));
                Channel::Webhook { endpoint: self.endpoint(&raw, at), secret, body }
            }
            ReceiverKind::Alertmanager => {
                Channel::Alertmanager { resend_every: raw.resend_every.0, endpoint: self.endpoint(&raw, at) }
            }
            ReceiverKind::Email => self.email(raw, at),
            ReceiverKind::Command => {
                let argv = raw.argv.unwrap_or_default();
                if argv.first().is_none_or(String::is_empty) {
                    let hint = "the program and its arguments: `argv = [\"/usr/local/bin/page\", \"--now\"]`";
                    self.fault_with(at, "`argv` is missing", hint);
                }
                Channel::Command { argv }
            }
        }
    }

    fn email(&mut self, raw: raw::Receiver, at: &At<'_>) -> Channel {
        let login = self.login(&raw, at);
        let tls = raw.tls.unwrap_or(SmtpTls::Starttls);
        let port = raw.port.unwrap_or(match tls {
            SmtpTls::Starttls => 587,
            SmtpTls::Implicit => 465,
            SmtpTls::Off => 25,
        });
        for (key, missing) in [
            ("host", raw.host.is_none()),
            ("from", raw.from.is_none()),
            ("to", raw.to.as_ref().is_none_or(Vec::is_empty)),
        ] {
            if missing {
                self.fault(at, format!("`{key}` is missing"));
            }
        }
        let (from, to) = (raw.from.unwrap_or_default(), raw.to.unwrap_or_default());
        let from_at = at.key("from");
        let addresses = std::iter::once((&from, from_at.clone()))
            .chain(to.iter().enumerate().map(|(nth, address)| (address, at.key("to").item(nth))));
        for (address, at) in addresses.filter(|(address, _)| !address.is_empty()) {
            let bare = address.rsplit_once('<').map_or(address.as_str(), |(_, rest)| rest.trim_end_matches('>'));
            let is_one = bare.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
            if !is_one || address.chars().any(char::is_control) || bare.contains(' ') {
                let hint = "such as `ops@example.org` or `Operations <ops@example.org>`";
                self.fault_with(&at, format!("`{}` is no address", shorten(address)), hint);
            }
        }
        let ca_file = raw.ca_file.as_deref().map(|file| self.path(file, &at.key("ca_file")));
        Channel::Email { host: raw.host.unwrap_or_default(), port, tls, login, from, to, ca_file }
    }

    fn endpoint(&mut self, raw: &raw::Receiver, at: &At<'_>) -> Endpoint {
        let secret_url = self.secret(raw.url_file.as_deref(), raw.url_env.as_deref(), "url", at);
        let url = match (&raw.url, secret_url) {
            (Some(url), None) => {
                let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
                if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) || url.contains(char::is_whitespace)
                {
                    let problem = format!("`{}` is no URL of a web server", shorten(url));
                    self.fault_with(&at.key("url"), problem, "such as `http://127.0.0.1:9093`");
                }
                UrlRef::Plain(url.clone())
            }
            (None, Some(secret)) => UrlRef::Secret(secret),
            (Some(url), Some(_)) => {
                self.fault(&at.key("url"), "stands beside `url_file` or `url_env`: one of them is enough");
                UrlRef::Plain(url.clone())
            }
            (None, None) => {
                self.fault_with(at, "`url` is missing", "or `url_file` or `url_env`, where it is a secret");
                UrlRef::Plain(String::new())
            }
        };
        let bearer = self.secret(raw.bearer_file.as_deref(), raw.bearer_env.as_deref(), "bearer", at);
        let login = self.login(raw, at);
        if bearer.is_some() && login.is_some() {
            self.fault(at, "has a bearer token and a password: one of them is enough");
        }
        let ca_file = raw.ca_file.as_deref().map(|file| self.path(file, &at.key("ca_file")));
        Endpoint { url, bearer, login, ca_file }
    }

    fn login(&mut self, raw: &raw::Receiver, at: &At<'_>) -> Option<(String, SecretRef)> {
        let password = self.secret(raw.password_file.as_deref(), raw.password_env.as_deref(), "password", at);
        match (&raw.username, password) {
            (Some(user), Some(password)) => Some((user.clone(), password)),
            (None, None) => None,
            (Some(_), None) => {
                self.fault(&at.key("username"), "needs `password_file` or `password_env`");
                None
            }
            (None, Some(_)) => {
                self.fault(at, "has a password and no `username`");
                None
            }
        }
    }

    fn secret(&mut self, file: Option<&str>, env: Option<&str>, name: &str, at: &At<'_>) -> Option<SecretRef> {
        if let (Some(_), Some(_)) = (file, env) {
            self.fault(&at.key(&format!("{name}_env")), format!("stands beside `{name}_file`: one is enough"));
        }
        if let Some(variable) = env.filter(|name| name.contains(['=', '\0'])) {
            let problem = format!("`{}` cannot be the name of a variable", shorten(variable));
            self.fault(&at.key(&format!("{name}_env")), problem);
        }
        let file = file.map(|file| SecretRef::File(self.path(file, &at.key(&format!("{name}_file")))));
        file.or_else(|| env.map(|variable| SecretRef::Env(variable.to_owned())))
    }
}
