//! From the settings of alerts to rules, receivers and lines of the queue; and the languages that the configuration
//! is lent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alerts::{
    Auth, Body, Command, Email, Endpoint, Expression, Flaw, Kind, Lane, OnNoData, Receiver, Rule, Secret, Template,
    TlsMode, is_body_hole, is_summary_hole,
};
use crate::config::{self, AlertLevel, Channel, Config, Language, NoData, SecretRef, SmtpTls, TextFlaw, UrlRef};
use crate::model::AlertSeverity;

/// What a hole of a summary may be, for a message.
const SUMMARY_HOLES: &str = "value, threshold, rule, severity, or a label";
/// What a hole of a body may be, for a message.
const BODY_HOLES: &str = "title, text, status, count, group, host, receiver, notification, alerts, json";

/// Holds a text against its language.
pub fn language(text: Language<'_>) -> Result<(), TextFlaw> {
    let flaw = |Flaw { column, problem, hint }: Flaw| TextFlaw { column, problem, hint };
    match text {
        Language::Condition(text, daemons) => Expression::parse(text, daemons).map(drop).map_err(flaw),
        Language::Summary(text) => summary(text).map(drop).map_err(flaw),
        Language::Body(text, is_json) => {
            let template = body(text).map_err(flaw)?;
            let sample = template.fill(|hole| if matches!(hole, "alerts" | "json") { "[]" } else { "0" }.to_owned());
            match serde_json::from_str::<serde_json::Value>(&sample) {
                Err(error) if is_json => Err(TextFlaw {
                    column: 1,
                    problem: format!("is no JSON once it is filled in: {error}"),
                    hint: Some("another `content_type` takes any text".to_owned()),
                }),
                _ => Ok(()),
            }
        }
    }
}

fn summary(text: &str) -> Result<Template, Flaw> {
    Template::parse(text, is_summary_hole, SUMMARY_HOLES)
}

fn body(text: &str) -> Result<Template, Flaw> {
    Template::parse(text, is_body_hole, BODY_HOLES)
}

/// The rules. The configuration has checked each; what is faulty all the same is left out and logged.
pub fn alert_rules(config: &Config) -> Vec<Rule> {
    let daemons: Vec<&str> = config.daemons.iter().map(|daemon| daemon.name.as_str()).collect();
    let rule = |rule: &config::AlertRule| -> Result<Rule, Flaw> {
        Ok(Rule {
            name: rule.name.clone(),
            when: Expression::parse(&rule.when, &daemons)?,
            clear_when: rule.clear_when.as_deref().map(|text| Expression::parse(text, &daemons)).transpose()?,
            hold: rule.hold,
            severity: severity(rule.severity),
            labels: rule.labels.clone(),
            summary: rule.summary.as_deref().map(summary).transpose()?,
            repeat: Some(rule.repeat).filter(|repeat| *repeat > Duration::ZERO),
            group_by: rule.group_by.clone(),
            inhibited_by: rule.inhibited_by.clone(),
            on_no_data: match rule.on_no_data {
                NoData::Keep => OnNoData::Keep,
                NoData::Fire => OnNoData::Fire,
                NoData::Clear => OnNoData::Clear,
            },
            receivers: rule.receivers.clone(),
        })
    };
    config
        .alerts
        .rules
        .iter()
        .filter_map(|settings| match rule(settings) {
            Ok(rule) => Some(rule),
            Err(flaw) => {
                tracing::error!(alert = settings.name, %flaw, "A rule cannot be used.");
                None
            }
        })
        .collect()
}

fn severity(level: AlertLevel) -> AlertSeverity {
    match level {
        AlertLevel::Info => AlertSeverity::Info,
        AlertLevel::Low => AlertSeverity::Low,
        AlertLevel::Medium => AlertSeverity::Medium,
        AlertLevel::High => AlertSeverity::High,
        AlertLevel::Critical => AlertSeverity::Critical,
    }
}

/// The receivers by name.
pub fn receivers(config: &Config) -> BTreeMap<String, Arc<Receiver>> {
    let receiver = |settings: &config::Receiver| Receiver {
        name: settings.name.clone(),
        kind: kind(&settings.channel),
        timeout: settings.timeout,
    };
    config.alerts.receivers.iter().map(|(name, settings)| (name.clone(), Arc::new(receiver(settings)))).collect()
}

/// Their lines of the queue.
pub fn lanes(config: &Config) -> Vec<Lane> {
    config
        .alerts
        .receivers
        .values()
        .map(|settings| Lane {
            name: settings.name.clone(),
            kind: kind(&settings.channel).as_str(),
            max_queued: settings.max_queued as usize,
            give_up_after: settings.give_up_after,
            send_resolved: settings.send_resolved,
            resend_every: match &settings.channel {
                Channel::Alertmanager { resend_every, .. } => Some(*resend_every),
                _ => None,
            },
        })
        .collect()
}

fn kind(channel: &Channel) -> Kind {
    match channel {
        Channel::Log => Kind::Log,
        Channel::Webhook { endpoint: to, secret: key, body: text } => Kind::Webhook {
            endpoint: endpoint(to),
            signature: key.as_ref().map(secret),
            // The configuration has checked it.
            body: match text.as_ref().map(|(text, content_type)| (body(text), content_type)) {
                Some((Ok(template), content_type)) => Body::Template(template, content_type.clone()),
                _ => Body::Document,
            },
        },
        Channel::Alertmanager { endpoint: to, resend_every } => {
            Kind::Alertmanager { endpoint: endpoint(to), resend_every: *resend_every }
        }
        Channel::Email { host, port, tls, login, from, to, ca_file } => Kind::Email(Box::new(Email {
            host: host.clone(),
            port: *port,
            tls: match tls {
                SmtpTls::Starttls => TlsMode::StartTls,
                SmtpTls::Implicit => TlsMode::Implicit,
                SmtpTls::Off => TlsMode::Off,
            },
            login: login.as_ref().map(|(user, password)| (user.clone(), secret(password))),
            from: from.clone(),
            to: to.clone(),
            ca_file: ca_file.clone(),
        })),
        Channel::Command { argv } => Kind::Command(Command { argv: argv.clone() }),
    }
}

fn endpoint(settings: &config::Endpoint) -> Endpoint {
    let bearer = settings.bearer.as_ref().map(|token| Auth::Bearer(secret(token)));
    let login = settings.login.as_ref().map(|(user, password)| Auth::Basic(user.clone(), secret(password)));
    Endpoint {
        url: match &settings.url {
            UrlRef::Plain(url) => Secret::Plain(url.clone()),
            UrlRef::Secret(reference) => secret(reference),
        },
        auth: bearer.or(login),
        ca_file: settings.ca_file.clone(),
    }
}

fn secret(reference: &SecretRef) -> Secret {
    match reference {
        SecretRef::File(path) => Secret::File(path.clone()),
        SecretRef::Env(name) => Secret::Variable(name.clone()),
    }
}
