//! What can be asked, a file for each subject. Each has its part of the table.

mod alerts;
mod collectors;
mod configuration;
mod daemons;
mod events;
mod findings;
mod health;
mod heartbeats;
mod metrics;
mod sections;
mod session;
mod snapshots;
mod status;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;

use super::assets;
use super::gate::Route;
use super::openapi;
use super::operation::{self, Ask, Operation};
use super::problem::Problem;
use super::query::{Kind, Param};
use super::reply::Reply;
use super::shared::Shared;
use crate::control;

/// How long an order that the disk is needed for may take.
const DISK_PATIENCE: Duration = Duration::from_secs(60);

/// Everything that can be asked.
pub(super) const TABLE: &[&[Operation]] = &[
    status::OPERATIONS,
    heartbeats::OPERATIONS,
    daemons::OPERATIONS,
    sections::OPERATIONS,
    snapshots::OPERATIONS,
    findings::OPERATIONS,
    events::OPERATIONS,
    alerts::OPERATIONS,
    stream::OPERATIONS,
    metrics::OPERATIONS,
    collectors::OPERATIONS,
    configuration::OPERATIONS,
    session::OPERATIONS,
];

/// From when on.
const SINCE: Param =
    Param { name: "since", kind: Kind::Time, what: "From here on: RFC 3339, or `-2h` for two hours ago." };
/// Up to when.
const UNTIL: Param = Param { name: "until", kind: Kind::Time, what: "Up to and with here." };
/// The next page.
const CURSOR: Param = Param { name: "cursor", kind: Kind::Cursor, what: "`next` of the page before." };
/// How many.
const LIMIT: Param =
    Param { name: "limit", kind: Kind::Number { min: 1, max: 1_000, default: 100 }, what: "How many at most." };
/// How fine.
pub(super) const POINTS: Param = Param {
    name: "points",
    kind: Kind::Number { min: 1, max: 5_000, default: 300 },
    what: "How many points at most: what lies closer together is summed up.",
};

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
struct Page<T> {
    /// What is on it.
    items: Vec<T>,
    /// The `cursor` of the next page; null where this is the last.
    next: Option<String>,
}

/// The router of all of it.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new();
    for operation in TABLE.iter().copied().flatten() {
        let route = operation::route(operation, shared);
        // For the account: which route it was, whatever the path said.
        let tell = move |mut response: Response| async move {
            response.extensions_mut().insert(Route(operation.path));
            response
        };
        router = router.route(operation.path, route.layer(axum::middleware::map_response(tell)));
    }
    let document = openapi::text();
    router
        .route("/api/v1/openapi.json", get(move |request: Request| openapi::serve(document, request)))
        .route("/healthz", get(health::alive))
        .route("/readyz", health::ready(shared))
        .route("/login", session::login(shared))
        .fallback(fallback)
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this cannot be asked that way").into_response()
        })
}

async fn fallback(request: Request) -> Response {
    if request.uri().path().starts_with("/api") {
        return Problem::not_found("there is no such route (`/api/v1/openapi.json` names them all)").into_response();
    }
    assets::serve(request).await
}

/// Something was done.
#[derive(Debug, Serialize, JsonSchema)]
struct Done {
    /// What.
    message: String,
}

/// The daemon answered what was not asked.
fn odd_answer() -> Problem {
    Problem::unavailable("the daemon answered something else")
}

/// Has the daemon do something that it answers with a word.
async fn done(ask: &Ask, request: control::Request) -> Result<Reply, Problem> {
    match ask.shared.ask(request, DISK_PATIENCE).await? {
        control::Answer::Done { message } => Reply::json(&Done { message }),
        _ => Err(odd_answer()),
    }
}
