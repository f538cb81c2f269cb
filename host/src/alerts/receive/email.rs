//! E-mail by SMTP.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{Email, SendError, TlsMode};
use crate::alerts::courier::Job;
use crate::alerts::payload;
use crate::model::Wall;

pub(super) async fn send(job: &Job, email: &Email) -> Result<(), SendError> {
    let message = compose(job, email)?;
    transport(email, job.receiver.timeout)?.send(message).await.map(drop).map_err(|error| {
        // 530 to 538 are about who may send, which can be mended.
        let code = error.status().map(u16::from).unwrap_or_default();
        let refused = error.is_permanent() && !(530..540).contains(&code);
        SendError { refused, ..SendError::of("cannot send", &error) }
    })
}

fn compose(job: &Job, email: &Email) -> Result<Message, SendError> {
    let address = |text: &str| {
        text.parse::<Mailbox>().map_err(|error| SendError::new(format!("`{text}` is no address: {error}")))
    };
    let (notifications, from) = (&job.dispatch.notifications, address(&email.from)?);
    let at = notifications.first().map_or(job.now, |one| one.at);
    let id = format!("<{}@{}>", payload::key(notifications), from.email.domain());
    let mut builder = Message::builder()
        .date(UNIX_EPOCH + since_epoch(at))
        .message_id(Some(id))
        .from(from)
        .subject(payload::title(notifications))
        .header(ContentType::TEXT_PLAIN);
    for to in &email.to {
        builder = builder.to(address(to)?);
    }
    let text = format!("{}\n", payload::text(notifications, &job.host));
    builder.body(text).map_err(|error| SendError::of("cannot write the message", &error))
}

fn transport(email: &Email, timeout: Duration) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
    let tls = || -> Result<TlsParameters, SendError> {
        let mut parameters = TlsParameters::builder(email.host.clone());
        if let Some(path) = &email.ca_file {
            let pem = super::read_bounded(path)
                .map_err(|error| SendError::new(format!("cannot read `{}`: {error}", path.display())))?;
            let certificate = Certificate::from_pem(pem.as_bytes())
                .map_err(|error| SendError::of("the certificate authority cannot be used", &error))?;
            parameters = parameters.add_root_certificate(certificate);
        }
        parameters.build_rustls().map_err(|error| SendError::of("cannot set up TLS", &error))
    };
    let tls = match email.tls {
        TlsMode::StartTls => Tls::Required(tls()?),
        TlsMode::Implicit => Tls::Wrapper(tls()?),
        TlsMode::Off => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(email.host.as_str())
        .port(email.port)
        .tls(tls)
        .timeout(Some(timeout));
    if let Some((user, secret)) = &email.login {
        builder = builder.credentials(Credentials::new(user.clone(), secret.read()?));
    }
    Ok(builder.build())
}

/// A clock before 1970 counts as 1970.
fn since_epoch(at: Wall) -> Duration {
    Duration::from_nanos(at.0.max(0).unsigned_abs())
}
