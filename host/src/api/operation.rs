//! The table of what can be asked: the router and the OpenAPI document are both made from it, so neither says what the
//! other does not.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::access::{Caller, Via};
use super::exposition;
use super::gate::{Connection, SessionText};
use super::problem::Problem;
use super::query::{Param, Query};
use super::reply::{Reply, Wants};
use super::shared::Shared;
use crate::model::{Moment, Scope};
use crate::store::Reader;

/// The most that somebody may send.
pub(super) const MAX_BODY_BYTES: usize = 64 << 10;

/// How long the body of a request may take.
const BODY_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// What is asked, read and checked.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) shared: Arc<Shared>,
    pub(super) caller: Caller,
    pub(super) query: Query,
    pub(super) now: Moment,
    pub(super) connection: Arc<Connection>,
    /// The text of the session's cookie, where that is how they are known.
    pub(super) session: Option<String>,
    path: Vec<(String, String)>,
}

impl Ask {
    /// A part of the path.
    pub(super) fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What an order does.
pub(super) type Doing = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// How an answer comes about.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// From the store, on a thread that may wait for a disk.
    Read(fn(&Ask, &Reader) -> Result<Reply, Problem>),
    /// By asking the daemon.
    Order(fn(Ask, Json) -> Doing),
    /// As it goes on: what is sent is made while it is sent.
    Stream(fn(&Ask, &HeaderMap) -> Result<Response, Problem>),
    /// From memory, as Prometheus wants it.
    Scrape,
}

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "Read",
            Self::Order(_) => "Order",
            Self::Stream(_) => "Stream",
            Self::Scrape => "Scrape",
        })
    }
}

/// Makes the schema of something.
pub(super) type MakesSchema = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a type.
pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// One thing that can be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    /// `GET`, `POST`, `DELETE`.
    pub(super) method: &'static str,
    /// Below `/api/v1`.
    pub(super) path: &'static str,
    /// What it takes to ask for it; none where everybody may.
    pub(super) scope: Option<Scope>,
    /// What it does.
    pub(super) summary: &'static str,
    /// What may stand behind the `?`.
    pub(super) params: &'static [Param],
    /// What is sent along, in JSON.
    pub(super) body: Option<MakesSchema>,
    /// What is answered.
    pub(super) answer: Answered,
    /// How.
    pub(super) does: Does,
}

/// What an answer is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answered {
    /// JSON, with 200.
    Json(MakesSchema),
    /// JSON, with 201.
    Created(MakesSchema),
    /// Something else, with 200.
    Other(&'static str),
    /// Nothing, with 204.
    Nothing,
}

/// Reads what was sent along, or says what is wrong with it.
pub(super) fn body<T: DeserializeOwned>(body: Json) -> Result<T, Problem> {
    // Nothing sent is everything left out.
    let body = if body.is_null() { Json::Object(serde_json::Map::new()) } else { body };
    serde_json::from_value(body)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_body", error.to_string()))
}

/// The route of an operation.
pub(super) fn route(operation: &'static Operation, shared: &Arc<Shared>) -> MethodRouter {
    let filter = match operation.method {
        "POST" => MethodFilter::POST,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    let shared = Arc::clone(shared);
    on(filter, move |path: RawPathParams, request: Request| {
        let shared = Arc::clone(&shared);
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        async move {
            let wants = Wants::of(request.headers());
            match answer(operation, &shared, path, request, wants).await {
                Ok(response) => response,
                Err(problem) => problem.cleaned(|text| shared.clean(text)).into_response(),
            }
        }
    })
}

async fn answer(
    operation: &'static Operation,
    shared: &Arc<Shared>,
    path: Vec<(String, String)>,
    request: Request,
    wants: Wants,
) -> Result<Response, Problem> {
    let caller = match (request.extensions().get::<Caller>(), operation.scope) {
        (Some(caller), Some(scope)) if caller.scope >= scope => caller.clone(),
        (Some(caller), None) => caller.clone(),
        (Some(caller), Some(scope)) => {
            let detail = format!("this takes the scope `{}`, and yours is `{}`", scope.as_str(), caller.scope.as_str());
            return Err(Problem::new(StatusCode::FORBIDDEN, "scope", detail));
        }
        (None, None) => Caller { who: "nobody".to_owned(), scope: Scope::Read, via: Via::Token, token: None },
        (None, Some(_)) => return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_token", "a token is needed")),
    };
    let now = shared.clock.now();
    let query = Query::parse(request.uri(), operation.params, now.wall)?;
    let extensions = request.extensions();
    let connection = extensions.get::<Arc<Connection>>().cloned();
    let connection = connection.ok_or_else(|| Problem::unavailable("the connection is not known"))?;
    let session = extensions.get::<SessionText>().map(|text| text.0.clone());
    let ask = Ask { shared: Arc::clone(shared), caller, query, now, connection, session, path };
    match operation.does {
        Does::Read(read) => {
            let readers = Arc::clone(&shared.readers);
            readers.read(move |reader| Ok(read(&ask, reader)?.finish(&wants))).await
        }
        Does::Stream(stream) => stream(&ask, request.headers()),
        Does::Scrape => {
            let (kind, bytes) = exposition::scrape(shared, request.headers()).await?;
            Ok(Reply::bytes(kind, bytes.to_vec()).untagged().finish(&wants))
        }
        Does::Order(order) => {
            let body = read_body(operation, request).await?;
            Ok(order(ask, body).await?.finish(&wants))
        }
    }
}

/// The body of a request as JSON; null where there is none.
pub(super) async fn read_body(operation: &Operation, request: Request) -> Result<Json, Problem> {
    let is_json =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| {
            kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
        });
    let is_get = request.method() == Method::GET || request.method() == Method::HEAD;
    let reading = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES);
    let bytes = match tokio::time::timeout(BODY_WITHIN, reading).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if is_too_long(&error) => {
            let detail = format!("a body may have {MAX_BODY_BYTES} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail));
        }
        Ok(Err(_)) => {
            return Err(Problem::bad_request("bad_body", "the body ends too early or is not framed as HTTP has it"));
        }
        Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not come in time")),
    };
    if bytes.is_empty() {
        return Ok(Json::Null);
    }
    if operation.body.is_none() {
        let detail = if is_get { "a GET has no body" } else { "nothing is to be sent along here" };
        return Err(Problem::bad_request("no_body_wanted", detail));
    }
    if !is_json {
        // A form of another site cannot send this type without asking first.
        let detail = "send JSON, as `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request("bad_json", format!("the body is no JSON: {error}")))
}

fn is_too_long(error: &axum::Error) -> bool {
    crate::chain::chain(error).contains("length limit exceeded")
}
