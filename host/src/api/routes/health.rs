//! Whether ghostd is alive, and whether it records: for those who start and stop it. Neither tells anything of the
//! machine, so neither takes a token.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};

use crate::api::shared::Shared;

/// It answers, so it is alive.
pub(super) async fn alive() -> Response {
    (StatusCode::OK, "ok\n").into_response()
}

/// Ready: the loop answers, there was a heartbeat, and what is recorded reaches the disk.
pub(super) fn ready(shared: &Arc<Shared>) -> MethodRouter {
    let shared = Arc::clone(shared);
    get(move || {
        let shared = Arc::clone(&shared);
        async move {
            let ready = shared
                .status()
                .await
                .is_ok_and(|status| status.heartbeat.is_some() && !status.conditions.iter().any(|text| is_grave(text)));
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, if ready { "ready\n" } else { "not ready\n" }).into_response()
        }
    })
}

/// What keeps records from being written; a port that is taken does not.
fn is_grave(condition: &str) -> bool {
    !condition.starts_with("the API ")
}
