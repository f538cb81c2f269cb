//! Receivers: where notifications go, and how each kind is spoken to.
//!
//! Every sending has the receiver's `timeout`, and what an answer may hold is bounded. Secrets are references and are
//! read for each sending, so that one that was changed on disk counts at once; they are in no message.
//!
//! Owns: HTTP, SMTP and child processes for alerts. Must not know: queues, and whether it is the first try.

mod command;
mod email;
mod http;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::courier::Job;
use super::payload;
use super::template::Template;

/// A secret in a file may have so many bytes.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Somebody who can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Unique.
    pub name: String,
    /// How it is told.
    pub kind: Kind,
    /// How long a sending may take.
    pub timeout: Duration,
}

/// How a receiver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// In ghostd's own log.
    Log,
    /// By HTTP POST.
    Webhook {
        /// Where.
        endpoint: Endpoint,
        /// What.
        body: Body,
        /// What the body is signed with.
        signature: Option<Secret>,
    },
    /// By Alertmanager's API, version 2.
    Alertmanager {
        /// Its base: `/api/v2/alerts` is added.
        endpoint: Endpoint,
        /// How often what fires is sent again.
        resend_every: Duration,
    },
    /// By SMTP.
    Email(Box<Email>),
    /// By a program, with JSON on its standard input.
    Command(Command),
}

impl Kind {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Webhook { .. } => "webhook",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Email(_) => "email",
            Self::Command(_) => "command",
        }
    }
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file, without the white space at its end.
    File(PathBuf),
    /// In a variable of ghostd's environment.
    Variable(String),
    /// It is none: it may stand in the configuration.
    Plain(String),
}

/// An HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URL, which is a secret with some services.
    pub url: Secret,
    /// What it asks for.
    pub auth: Option<Auth>,
    /// A certificate authority to trust in place of the machine's, as PEM.
    pub ca_file: Option<PathBuf>,
}

/// What a server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic(String, Secret),
}

/// What a webhook is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The document `ghostd.alerts/1`.
    Document,
    /// A text with holes and its content type. In JSON what is filled in is escaped for a JSON string, `{{alerts}}` and
    /// `{{json}}` apart, which are JSON themselves.
    Template(Template, String),
}

/// A mail server and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is encrypted.
    pub tls: TlsMode,
    /// Who to be there.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// A certificate authority to trust beside the machine's, as PEM.
    pub ca_file: Option<PathBuf>,
}

/// How SMTP is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// STARTTLS, or nothing is sent.
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all: for a server on this machine.
    Off,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
}

/// Why a sending failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError {
    /// One line.
    pub message: String,
    /// The receiver understood it and will not take it, however often it is sent.
    pub refused: bool,
}

impl SendError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), refused: false }
    }

    fn of(what: &str, error: &dyn std::error::Error) -> Self {
        Self::new(format!("{what}: {}", crate::chain::chain(error)))
    }
}

impl Secret {
    fn read(&self) -> Result<String, SendError> {
        let text = match self {
            Self::Plain(text) => return Ok(text.clone()),
            Self::Variable(name) => std::env::var(name)
                .map_err(|_| SendError::new(format!("the environment variable `{name}` is not set, or no text")))?,
            Self::File(path) => read_bounded(path)
                .map_err(|error| SendError::new(format!("cannot read `{}`: {error}", path.display())))?,
        };
        let text = text.trim_end().to_owned();
        if text.is_empty() { Err(SendError::new("the secret is empty")) } else { Ok(text) }
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // A pipe in its place must not hold up the sending.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Sends, within the receiver's time.
pub(super) async fn send(job: &Job) -> Result<(), SendError> {
    let receiver = &*job.receiver;
    let sending = async {
        match &receiver.kind {
            Kind::Log => {
                write_to_log(job);
                Ok(())
            }
            Kind::Webhook { endpoint, body, signature } => http::webhook(job, endpoint, body, signature.as_ref()).await,
            Kind::Alertmanager { endpoint, resend_every } => http::alertmanager(job, endpoint, *resend_every).await,
            Kind::Email(email) => email::send(job, email).await,
            Kind::Command(command) => command::run(job, command).await,
        }
    };
    match tokio::time::timeout(receiver.timeout, sending).await {
        Ok(result) => result,
        Err(_) => Err(SendError::new(format!("no answer within {} s", receiver.timeout.as_secs_f64()))),
    }
}

/// A line of ghostd's own log for each.
pub fn write_to_log(job: &Job) {
    for one in &job.dispatch.notifications {
        let (status, severity) = (payload::status(one.kind), one.alert.severity.as_str());
        let (alert, summary) = (&one.alert.id, &one.alert.summary);
        if status == "firing" && one.alert.severity > crate::model::AlertSeverity::Low {
            tracing::warn!(alert, severity, "An alert fires: {summary}");
        } else if status == "firing" {
            tracing::info!(alert, severity, "An alert fires: {summary}");
        } else if status == "test" {
            tracing::info!("{summary}");
        } else {
            tracing::info!(alert, severity, "An alert is over: {summary}");
        }
    }
}
