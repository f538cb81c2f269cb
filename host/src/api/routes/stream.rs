//! What is published, as it is published: server-sent events.
//!
//! Each has an id; a browser that comes back sends the last one as `Last-Event-ID` and goes on there. What could not be
//! kept for it, or was lost because it was too slow, is said by an event of its own, `gap`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::Frame;
use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::api::access::Via;
use crate::api::operation::{Answered, Ask, Does, Operation};
use crate::api::problem::Problem;
use crate::api::query::{Kind, Param};
use crate::model::Scope;
use crate::publish::{Next, Published, Subscription, What};

/// Frames that wait for a slow reader; beyond it the subscription itself falls behind, and says so.
const FRAMES: usize = 16;

/// How often something is sent where nothing happens, so that a dead connection is noticed; and how often it is looked
/// whether the one who reads still may.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// How soon a browser comes back.
const RETRY_MS: u64 = 1_000;

const TYPES: Param = Param {
    name: "types",
    kind: Kind::Text(200),
    what: "Only these, separated by commas: heartbeat, event, snapshot, finding, alert, silence, document, section, points.",
};

const KNOWN: [&str; 9] =
    ["heartbeat", "event", "snapshot", "finding", "alert", "silence", "document", "section", "points"];

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    method: "GET",
    path: "/api/v1/stream",
    scope: Some(Scope::Read),
    summary: "What becomes durable, as it does: server-sent events, resumed by Last-Event-ID; `gap` says where some are missing",
    params: &[TYPES],
    body: None,
    answer: Answered::Other("text/event-stream"),
    does: Does::Stream(stream),
}];

fn stream(ask: &Ask, headers: &HeaderMap) -> Result<Response, Problem> {
    let types: Option<Vec<&'static str>> = match ask.query.text("types") {
        None => None,
        Some(text) => Some(text.split(',').map(known).collect::<Result<_, _>>()?),
    };
    let turn = Arc::clone(&ask.shared.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", "too many streams are open"))?;
    let run = ask.shared.run;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    // Numbers begin anew with each start of ghostd: one of another run means that anything may be missing.
    let (after, foreign) =
        match last.map(|last| last.split_once('-').map(|(of, number)| (of.parse::<i64>(), number.parse::<u64>()))) {
            None => (None, false),
            Some(Some((Ok(of), Ok(number)))) if of == run => (Some(number), false),
            Some(_) => (None, true),
        };
    let subscription = ask.shared.publisher.subscribe(after);
    let (frames, receiver) = mpsc::channel(FRAMES);
    let told = Telling { frames, run, types, ask: ask.clone() };
    tokio::spawn(async move {
        told.tell(subscription, foreign).await;
        drop(turn);
    });
    let mut response = Response::new(Body::new(Frames(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn known(word: &str) -> Result<&'static str, Problem> {
    let found = KNOWN.iter().find(|known| **known == word.trim()).copied();
    found.ok_or_else(|| Problem::bad_request("bad_parameter", format!("`types` may name {}", KNOWN.join(", "))))
}

/// One stream.
struct Telling {
    frames: mpsc::Sender<Bytes>,
    run: i64,
    types: Option<Vec<&'static str>>,
    ask: Ask,
}

/// The other side is gone.
struct Gone;

impl Telling {
    /// Tells until either side ends.
    async fn tell(&self, mut subscription: Subscription, foreign: bool) {
        let _ = self.all(&mut subscription, foreign).await;
    }

    async fn all(&self, subscription: &mut Subscription, foreign: bool) -> Result<(), Gone> {
        self.send(format!("retry: {RETRY_MS}\n\n")).await?;
        if foreign || subscription.has_gap {
            self.gap(None).await?;
        }
        for published in std::mem::take(&mut subscription.backlog) {
            self.published(&published).await?;
        }
        loop {
            match tokio::time::timeout(ALIVE_EVERY, subscription.next()).await {
                Ok(Next::Published(published)) => self.published(&published).await?,
                Ok(Next::Lost(count)) => self.gap(Some(count)).await?,
                Ok(Next::Ended) => return Ok(()),
                Err(_) => {
                    if !self.may_still_read() {
                        return Ok(());
                    }
                    self.send(":\n\n".to_owned()).await?;
                }
            }
        }
    }

    /// Whether the token or session that the stream was opened with is still good.
    fn may_still_read(&self) -> bool {
        let (shared, now) = (&self.ask.shared, self.ask.shared.clock.now());
        let is_good = |id: &str| shared.tokens.find(id).is_some_and(|token| token.is_good(now.wall));
        match self.ask.caller.via {
            Via::Socket => true,
            Via::Token => self.ask.caller.token.as_deref().is_some_and(is_good),
            Via::Session => self
                .ask
                .session
                .as_deref()
                .is_some_and(|text| shared.logins.check(text, now.boottime_ns, is_good).is_ok()),
        }
    }

    async fn published(&self, published: &Published) -> Result<(), Gone> {
        let (kind, data) = shown(&published.what);
        if self.types.as_ref().is_some_and(|types| !types.contains(&kind)) {
            return Ok(());
        }
        self.send(format!("id: {}-{}\nevent: {kind}\ndata: {data}\n\n", self.run, published.number)).await
    }

    /// Something is missing: what is shown has to be asked for anew.
    async fn gap(&self, lost: Option<u64>) -> Result<(), Gone> {
        self.send(format!("event: gap\ndata: {}\n\n", json!({"lost": lost}))).await
    }

    async fn send(&self, text: String) -> Result<(), Gone> {
        self.frames.send(Bytes::from(text)).await.map_err(|_| Gone)
    }
}

/// The kind of something published, and its data in one line.
fn shown(what: &What) -> (&'static str, String) {
    match what {
        What::Heartbeat(heartbeat) => ("heartbeat", line(heartbeat)),
        What::Event(event) => ("event", line(event)),
        What::Snapshot(stored) => (
            "snapshot",
            line(&json!({
                "id": stored.id, "sequence": stored.sequence, "captured_at": stored.captured_at,
                "size_bytes": stored.size_bytes,
            })),
        ),
        What::Finding(stored) => {
            let mut row = serde_json::to_value(&stored.finding).unwrap_or_default();
            row["open"] = Json::from(stored.resolved_at.is_none());
            row["collector"] = Json::from(stored.collector.as_str());
            row["opened_at"] = json!(stored.opened_at);
            row["resolved_at"] = json!(stored.resolved_at);
            ("finding", line(&row))
        }
        What::Points(points) => {
            ("points", line(&json!({"collector": points.collector, "at": points.at, "metrics": points.metrics})))
        }
        What::Document(document) => {
            let kind = match document.namespace.as_str() {
                crate::model::ALERTS => "alert",
                crate::model::SILENCES => "silence",
                _ => "document",
            };
            let data = json!({
                "namespace": document.namespace, "key": document.key, "at": document.at, "document": document.document,
            });
            (kind, line(&data))
        }
        What::Section { collector, key } => ("section", line(&json!({"collector": collector, "key": key}))),
    }
}

fn line(value: &impl Serialize) -> String {
    // JSON has no line feeds of its own unless it is made pretty.
    serde_json::to_string(value).unwrap_or_default()
}

/// The frames as a body.
struct Frames(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().0.poll_recv(context).map(|frame| frame.map(|bytes| Ok(Frame::data(bytes))))
    }
}
