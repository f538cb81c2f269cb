//! One attempt: resolve, connect, ask, and say in a sentence what went wrong.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use super::super::WallClock;
use super::tls::Trust;
use super::{Outcome, PingSpec, Target, http, icmp};

/// How many of a name's addresses are tried in one attempt.
const MAX_ADDRESSES: usize = 4;

/// What one attempt brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// How it ended.
    pub outcome: Outcome,
    /// How long a good answer took.
    pub latency: Option<Duration>,
    /// What went wrong, in a sentence.
    pub detail: Option<String>,
    /// When the certificate that was shown expires, in seconds since the epoch.
    pub certificate_expires: Option<i64>,
}

/// Why there is no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) outcome: Outcome,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn wrong(detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Wrong, detail: detail.into() }
    }

    pub(super) fn unreachable(detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unreachable, detail: detail.into() }
    }

    /// What the system says, in the words that tell people where to look.
    pub(super) fn io(what: &str, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
            io::ErrorKind::NotFound => "there is no such socket".to_owned(),
            io::ErrorKind::UnexpectedEof => "the connection was closed before the answer was complete".to_owned(),
            _ => error.to_string(),
        };
        Self::unreachable(format!("{what}: {why}"))
    }
}

/// How far an attempt has come, for the sentence about a timeout.
#[derive(Debug)]
pub(super) struct Progress(Mutex<(&'static str, Option<i64>)>);

impl Progress {
    pub(super) fn at(&self, stage: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = stage;
    }

    /// The certificate that was shown expires then.
    pub(super) fn expires(&self, at: Option<i64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = at;
    }

    fn read(&self) -> (&'static str, Option<i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks once, within the time that the target has.
pub async fn ask(spec: &PingSpec, wall: WallClock, trust: &Trust) -> Asked {
    let progress = Progress(Mutex::new(("resolving its name", None)));
    let started = Instant::now();
    let deadline = started + spec.timeout;
    let answer = timeout(spec.timeout, async {
        match &spec.target {
            Target::Tcp { host, port } => connect(host, *port, deadline, &progress).await.map(drop),
            Target::Unix(path) => {
                progress.at("connecting");
                UnixStream::connect(path).await.map(drop).map_err(|error| Fault::io("cannot connect", &error))
            }
            Target::Http(target) => http::get(target, deadline, trust, wall, &progress).await,
            Target::Icmp { host } => icmp::echo(host, &progress).await,
        }
    })
    .await;
    let latency = started.elapsed();
    let (stage, certificate_expires) = progress.read();
    match answer {
        Ok(Ok(())) => Asked { outcome: Outcome::Ok, latency: Some(latency), detail: None, certificate_expires },
        Ok(Err(Fault { outcome, detail })) => {
            Asked { outcome, latency: None, detail: Some(detail), certificate_expires }
        }
        Err(_) => {
            let detail = format!("no answer within {} s ({})", spec.timeout.as_secs_f64(), stage);
            Asked { outcome: Outcome::Timeout, latency: None, detail: Some(detail), certificate_expires }
        }
    }
}

/// The addresses of a name, in the resolver's order.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<SocketAddr> =
        found.map_err(|error| Fault::unreachable(format!("`{host}` has no address: {error}")))?.collect();
    if addresses.is_empty() {
        return Err(Fault::unreachable(format!("`{host}` has no address")));
    }
    Ok(addresses.into_iter().take(MAX_ADDRESSES).collect())
}

/// Connects to the first address that lets us. One that swallows packets gets its share of the time and no more.
pub(super) async fn connect(host: &str, port: u16, deadline: Instant, progress: &Progress) -> Result<TcpStream, Fault> {
    let addresses = resolve(host, port).await?;
    progress.at("connecting");
    let mut fault = None;
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(1);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => fault = Some(Fault::io("cannot connect", &error)),
            // The last one's share is all that is left: the caller's own deadline says the same.
            Err(_) if left == 1 => std::future::pending().await,
            Err(_) => {}
        }
    }
    Err(fault.unwrap_or_else(|| Fault::unreachable("cannot connect")))
}
