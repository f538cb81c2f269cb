//! Webhooks and Alertmanager.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Value as Json, json};

use super::{Auth, Body, Endpoint, Secret, SendError};
use crate::alerts::courier::Job;
use crate::alerts::payload::{self, Notification, TellingKind};
use crate::alerts::rule::short;
use crate::model::{Alert, Wall};

/// The header that names a sending: the same for each attempt.
const KEY_HEADER: &str = "Idempotency-Key";
/// The header with the signature: `sha256=` and the HMAC-SHA256 of the body in hexadecimal.
const SIGNATURE_HEADER: &str = "X-Ghostd-Signature";
/// So much of an answer that refuses is read.
const MAX_ANSWER_BYTES: usize = 1_024;
/// Prometheus has an alert end by itself after so many intervals at which it was not sent again.
const RESENDS_UNTIL_OVER: u32 = 4;
/// The longest label or annotation.
const MAX_LABEL_CHARACTERS: usize = 2_000;

pub(super) async fn webhook(
    job: &Job,
    endpoint: &Endpoint,
    body: &Body,
    signature: Option<&Secret>,
) -> Result<(), SendError> {
    let (bytes, content_type) = render(job, body);
    let mut headers = vec![(KEY_HEADER, job.dispatch.key())];
    if let Some(secret) = signature {
        headers.push((SIGNATURE_HEADER, sign(secret.read()?.as_bytes(), bytes.as_bytes())?));
    }
    post(endpoint, "", bytes, &content_type, headers).await
}

/// The body and its content type.
fn render(job: &Job, body: &Body) -> (String, String) {
    let (notifications, receiver) = (&job.dispatch.notifications, &job.receiver.name);
    let document = || payload::document(notifications, receiver, &job.host);
    let Body::Template(template, content_type) = body else {
        return (document().to_string(), "application/json".to_owned());
    };
    let is_json = content_type.contains("json");
    let text = template.fill(|hole| {
        let text = match hole {
            "json" => return document().to_string(),
            "alerts" => return document()["alerts"].to_string(),
            "status" => payload::overall_status(notifications).to_owned(),
            "count" => notifications.len().to_string(),
            "receiver" => receiver.clone(),
            "title" => payload::title(notifications),
            "text" => payload::text(notifications, &job.host),
            "host" => job.host.clone(),
            "notification" => payload::key(notifications),
            "group" => {
                let group = notifications.first().map(|one| &one.group).into_iter().flatten();
                group.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        };
        if is_json { escaped(&text) } else { text }
    });
    (text, content_type.clone())
}

/// What stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Json::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn sign(key: &[u8], body: &[u8]) -> Result<String, SendError> {
    let mut mac =
        Hmac::<sha2::Sha256>::new_from_slice(key).map_err(|_| SendError::new("the secret cannot be a key"))?;
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256={hex}"))
}

pub(super) async fn alertmanager(job: &Job, endpoint: &Endpoint, resend_every: Duration) -> Result<(), SendError> {
    let ends = job.now.plus_ns(i64::try_from((resend_every * RESENDS_UNTIL_OVER).as_nanos()).unwrap_or(i64::MAX));
    let mut alerts: Vec<Json> =
        job.dispatch.notifications.iter().map(|one| posted(&one.alert, ends_at(one, ends), &job.host)).collect();
    if job.dispatch.is_refresh {
        alerts.extend(job.firing.iter().map(|alert| posted(alert, ends, &job.host)));
    } else {
        // In the same sending, so that nothing lapses while others are told.
        let told = |alert: &&Alert| job.dispatch.notifications.iter().all(|one| one.alert.id != alert.id);
        alerts.extend(job.firing.iter().filter(told).map(|alert| posted(alert, ends, &job.host)));
    }
    let body = Json::from(alerts).to_string();
    let headers = vec![(KEY_HEADER, job.dispatch.key())];
    post(endpoint, "/api/v2/alerts", body, "application/json", headers).await
}

fn ends_at(one: &Notification, ends: Wall) -> Wall {
    match one.kind {
        TellingKind::Fired | TellingKind::Repeated => ends,
        TellingKind::Resolved => one.alert.resolved_at.unwrap_or(one.at),
        // It is over a minute later.
        TellingKind::Test => one.at.plus_ns(60_000_000_000),
    }
}

/// An alert as Alertmanager takes it (openapi.yaml of its API, `postableAlert`).
fn posted(alert: &Alert, ends: Wall, host: &str) -> Json {
    let cut = |text: &str| text.chars().take(MAX_LABEL_CHARACTERS).collect::<String>();
    let mut labels = serde_json::Map::new();
    for (name, value) in &alert.labels {
        labels.insert(label_name(name), cut(value).into());
    }
    for (name, value) in [("alertname", &*alert.rule), ("severity", alert.severity.as_str()), ("instance", host)] {
        labels.insert(name.to_owned(), cut(value).into());
    }
    let value = alert.value.as_ref().map(short).unwrap_or_default();
    let starts = alert.fired_at.unwrap_or(alert.since).min(ends);
    json!({
        "labels": labels,
        "annotations": {
            "summary": cut(&alert.summary), "condition": cut(&alert.condition), "value": value, "ghostd_alert": alert.id,
        },
        "startsAt": starts,
        "endsAt": ends,
    })
}

/// Prometheus' label names are letters, digits and `_`, not beginning with a digit.
fn label_name(name: &str) -> String {
    let mut safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if safe.is_empty() || safe.starts_with(|c: char| c.is_ascii_digit()) {
        safe.insert(0, '_');
    }
    safe
}

async fn post(
    endpoint: &Endpoint,
    path: &str,
    body: String,
    content_type: &str,
    headers: Vec<(&str, String)>,
) -> Result<(), SendError> {
    let url = format!("{}{path}", endpoint.url.read()?.trim_end_matches('/'));
    let client = client(endpoint, url.starts_with("https:"))?;
    let mut request = client.post(&url).header(CONTENT_TYPE, content_type).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(auth) = &endpoint.auth {
        request = match auth {
            Auth::Bearer(secret) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.read()?))
                    .map_err(|_| SendError::new("the bearer token holds what no header may hold"))?;
                value.set_sensitive(true);
                request.header(AUTHORIZATION, value)
            }
            Auth::Basic(user, secret) => request.basic_auth(user, Some(secret.read()?)),
        };
    }
    // The URL may be a secret.
    let mut response = request.send().await.map_err(|error| SendError::of("cannot send", &error.without_url()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let mut answer = Vec::new();
    while answer.len() < MAX_ANSWER_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        answer.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - answer.len())]);
    }
    let said: String = String::from_utf8_lossy(&answer).split_whitespace().collect::<Vec<_>>().join(" ");
    let hint = if status.is_redirection() { " (redirections are not followed: name the place itself)" } else { "" };
    // What may be mended at the receiver's end is tried again: a wrong token, a path that is not there yet.
    let refused = matches!(status.as_u16(), 400 | 405 | 406 | 410 | 411 | 413 | 415 | 422);
    Err(SendError { message: format!("it answered {status}{hint}: {said}"), refused })
}

fn client(endpoint: &Endpoint, is_https: bool) -> Result<reqwest::Client, SendError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("ghostd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0);
    let builder = match &endpoint.ca_file {
        Some(path) => {
            let pem = super::read_bounded(path)
                .map_err(|error| SendError::new(format!("cannot read `{}`: {error}", path.display())))?;
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| SendError::of("the certificate authority cannot be used", &error))?;
            builder.tls_certs_only(certificates)
        }
        // The machine's certificates need not be read for what is not encrypted.
        None if !is_https => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build().map_err(|error| SendError::of("cannot speak HTTP", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_the_body() {
        // RFC 4231, test case 2.
        let signed = sign(b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(signed, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn labels_are_made_fit_for_prometheus() {
        assert_eq!(label_name("system.filesystem.mountpoint"), "system_filesystem_mountpoint");
        assert_eq!(label_name("1a"), "_1a");
        assert_eq!(label_name("größe"), "gr__e");
        assert_eq!(escaped("a\"b\n"), "a\\\"b\\n");
    }
}
