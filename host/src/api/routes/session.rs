//! Logging in and out of a browser, and who one is.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, get};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::api::access::logins::SESSION_LIFE;
use crate::api::access::{Refusal, Via};
use crate::api::gate::{Connection, refusal};
use crate::api::operation::{Answered, Ask, Does, Doing, Operation, body, schema_of};
use crate::api::problem::Problem;
use crate::api::query::{Kind, Param, Query};
use crate::api::reply::Reply;
use crate::api::shared::Shared;
use crate::model::Scope;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/session",
        scope: Some(Scope::Read),
        summary: "Who is asking, and what they may do",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Session>),
        does: Does::Order(who),
    },
    Operation {
        method: "POST",
        path: "/api/v1/session",
        scope: None,
        summary: "Logs a browser in: gives a cookie for a token",
        params: &[],
        body: Some(schema_of::<Login>),
        answer: Answered::Json(schema_of::<Session>),
        does: Does::Order(log_in),
    },
    Operation {
        method: "DELETE",
        path: "/api/v1/session",
        scope: Some(Scope::Read),
        summary: "Logs a browser out",
        params: &[],
        body: None,
        answer: Answered::Nothing,
        does: Does::Order(log_out),
    },
];

/// Who somebody is.
#[derive(Debug, Serialize, JsonSchema)]
struct Session {
    /// As the audit log has it.
    who: String,
    /// What they may do.
    scope: Scope,
    /// How that is known: `token`, `session`, `socket`.
    via: &'static str,
}

/// What a browser logs in with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The token.
    #[schemars(length(max = 200))]
    token: String,
}

fn who(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let via = match ask.caller.via {
            Via::Token => "token",
            Via::Session => "session",
            Via::Socket => "socket",
        };
        Reply::json(&Session { who: ask.caller.who.clone(), scope: ask.caller.scope, via })
    })
}

fn log_in(ask: Ask, json: Json) -> Doing {
    Box::pin(async move {
        let Login { token } = body(json)?;
        let found = ask.shared.tokens.check(token.trim(), ask.now.wall);
        let token = found.map_err(|why| refusal(&ask.shared, &ask.connection, "POST", "/api/v1/session", why))?;
        let who = format!("session of token {} ({})", token.id, token.name);
        let cookie = start(&ask.shared, &ask.connection, &who, token.scope, Some(token.id))?;
        Ok(Reply::json(&Session { who, scope: token.scope, via: "session" })?.header(header::SET_COOKIE, &cookie))
    })
}

/// Starts a session; gives the header that sets its cookie.
fn start(
    shared: &Shared,
    connection: &Connection,
    who: &str,
    scope: Scope,
    token: Option<String>,
) -> Result<String, Problem> {
    let text = shared
        .logins
        .start(who, scope, token, crate::clock::boottime_ns())
        .map_err(|error| Problem::unavailable(error.to_string()))?;
    (shared.ways.audit)("api_login", json!({"by": who, "from": connection.peer.to_string(), "scope": scope}));
    Ok(set_cookie(connection, &text, SESSION_LIFE.as_secs()))
}

fn set_cookie(connection: &Connection, text: &str, seconds: u64) -> String {
    let secure = if connection.secure { "; Secure" } else { "" };
    format!("{}={text}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", connection.cookie)
}

fn log_out(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        if let Some(text) = &ask.session {
            ask.shared.logins.end(text);
        }
        Ok(Reply::nothing().header(header::SET_COOKIE, &set_cookie(&ask.connection, "", 0)))
    })
}

const CODE: Param = Param { name: "code", kind: Kind::Text(100), what: "What stands in the link." };

/// Where the one-time link of `ghostd run` and `ghostd token link` leads.
pub(super) fn login(shared: &Arc<Shared>) -> MethodRouter {
    let shared = Arc::clone(shared);
    get(move |uri: Uri, headers: HeaderMap, request: Request| {
        let shared = Arc::clone(&shared);
        async move {
            let connection = request.extensions().get::<Arc<Connection>>().cloned();
            match connection {
                Some(connection) => follow(&shared, &connection, &uri, &headers).unwrap_or_else(Problem::into_response),
                None => Problem::not_found("there is nothing here").into_response(),
            }
        }
    })
}

fn follow(shared: &Shared, connection: &Connection, uri: &Uri, headers: &HeaderMap) -> Result<Response, Problem> {
    // A browser that fetches a page before it is asked for would use the link up.
    if headers.get("sec-purpose").is_some_and(|value| value.to_str().is_ok_and(|text| text.contains("prefetch"))) {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "prefetch",
            "a link that is good once is not fetched ahead",
        ));
    }
    let query = Query::parse(uri, &[CODE], crate::clock::wall())?;
    let code = query.text("code").unwrap_or_default();
    if !shared.logins.take_link(code, crate::clock::boottime_ns()) {
        return Err(refusal(shared, connection, "GET", "/login", Refusal::Unknown));
    }
    let cookie = start(shared, connection, "session of a one-time link", Scope::Admin, None)?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}
