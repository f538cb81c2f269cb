//! HTTP/1.1, as little of it as a health check needs: one GET, the status, and the beginning of the body.

use std::pin::{Pin, pin};

use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::WallClock;
use super::HttpTarget;
use super::ask::{Fault, Progress, connect};
use super::tls::{self, Trust};

/// How much of a body is looked at. What a server sends beyond it is not read.
pub(super) const MAX_BODY_BYTES: usize = 64 << 10;
/// How much the head of an answer may take.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Seconds in a day.
const SECONDS_PER_DAY: i64 = 86_400;

/// Asks for the URL and holds the answer against what is expected.
pub(super) async fn get(
    target: &HttpTarget,
    deadline: Instant,
    trust: &Trust,
    wall: WallClock,
    progress: &Progress,
) -> Result<(), Fault> {
    let stream = connect(&target.host, target.port, deadline, progress).await?;
    let _ = stream.set_nodelay(true);
    if !target.tls {
        return exchange(stream, target, progress).await;
    }
    progress.at("TLS handshake");
    let (result, expires) = tls::handshake(stream, target, trust).await;
    progress.expires(expires);
    let stream = result?;
    let left_days = expires.map(|expires| (expires - wall() / 1_000_000_000).div_euclid(SECONDS_PER_DAY));
    exchange(stream, target, progress).await?;
    match left_days {
        Some(left) if left < i64::from(target.certificate_days) => {
            Err(Fault::wrong(format!("its certificate expires in {left} days, less than {}", target.certificate_days)))
        }
        _ => Ok(()),
    }
}

async fn exchange<S>(stream: S, target: &HttpTarget, progress: &Progress) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    progress.at("connected, waiting for an answer");
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| fault(&error))?;
    let asked = async {
        let request = Request::get(&target.path)
            .header(HOST, authority(target))
            .header(USER_AGENT, concat!("ghostd/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .header(CONNECTION, "close")
            .body(String::new())
            .map_err(|error| Fault::wrong(format!("the URL cannot be asked for: {error}")))?;
        let answer = sender.send_request(request).await.map_err(|error| fault(&error))?;
        let status = answer.status();
        if !is_expected(target, status) {
            return Err(Fault::wrong(format!("it answered with status {}", status.as_u16())));
        }
        match &target.body {
            Some(words) => {
                progress.at("reading its answer");
                holds(answer.into_body(), words).await
            }
            None => Ok(()),
        }
    };
    // The connection is driven here and by nobody else: when this attempt is over, so is the connection.
    let driven = async {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        result = pin!(asked) => result,
        never = pin!(driven) => never,
    }
}

fn is_expected(target: &HttpTarget, status: StatusCode) -> bool {
    if target.statuses.is_empty() {
        (200..400).contains(&status.as_u16())
    } else {
        target.statuses.contains(&status.as_u16())
    }
}

/// Reads until the words were there, the body ended, or enough was read.
async fn holds(mut body: Incoming, words: &str) -> Result<(), Fault> {
    let mut read: Vec<u8> = Vec::new();
    let finder = memchr::memmem::Finder::new(words);
    while read.len() < MAX_BODY_BYTES {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| fault(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        let from = read.len().saturating_sub(words.len());
        read.extend_from_slice(&data[..data.len().min(MAX_BODY_BYTES - read.len())]);
        if finder.find(&read[from..]).is_some() {
            return Ok(());
        }
    }
    let bytes = read.len();
    Err(Fault::wrong(format!("`{words}` is not in its answer ({bytes} bytes were looked at)")))
}

/// The host as a `Host` header has it: an IPv6 address in brackets, no port where it is the usual one.
fn authority(target: &HttpTarget) -> String {
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let usual = if target.tls { 443 } else { 80 };
    if target.port == usual { host } else { format!("{host}:{}", target.port) }
}

fn fault(error: &hyper::Error) -> Fault {
    if error.is_parse() {
        return Fault::wrong("its answer is not HTTP/1.1");
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(error) = one.downcast_ref::<std::io::Error>() {
            return Fault::io("no answer", error);
        }
        cause = one.source();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Fault::unreachable("no answer: the connection was closed before the answer was complete");
    }
    Fault::unreachable(format!("no answer: {error}"))
}
