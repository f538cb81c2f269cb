//! The gate that every request goes through: to whom it is addressed, where it comes from, who asks. Then the router,
//! and on the way out the headers that keep a browser from doing what a page of ours never wants.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tower::ServiceExt as _;

use super::access::hosts::Hosts;
use super::access::{Caller, Refusal, Via};
use super::problem::Problem;
use super::shared::Shared;

/// Characters of a path that the audit log is told.
const PATH_SHOWN: usize = 200;

/// On every answer. Scripts, styles and requests come from here alone, nothing is inline, nobody frames us.
const SECURITY: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// For a year: who came by TLS once comes by TLS.
const TRANSPORT_SECURITY: &str = "max-age=31536000";

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// A machine.
    Tcp(IpAddr),
    /// A process of this one, and what it may do.
    Unix {
        /// Its user.
        uid: u32,
        /// What that user may do.
        scope: crate::model::Scope,
    },
}

impl Peer {
    fn address(self) -> IpAddr {
        match self {
            Self::Tcp(address) => address,
            // Users of the socket are told apart by what they may do, not by a brake.
            Self::Unix { .. } => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid, .. } => write!(f, "uid {uid}"),
        }
    }
}

/// What is the same for all requests of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: Peer,
    pub(super) hosts: Arc<Hosts>,
    /// Whether it is TLS.
    pub(super) secure: bool,
    /// Cookies know no ports, and two ghostds may run on one machine: each has a cookie of its own.
    pub(super) cookie: String,
}

/// The text of the session cookie of a request.
#[derive(Debug, Clone)]
pub(super) struct SessionText(pub(super) String);

/// Answers a request.
pub(super) async fn serve(
    shared: Arc<Shared>,
    router: Router,
    connection: Arc<Connection>,
    mut request: Request<Body>,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(Arc::clone(&connection));
    let admitted = admit(&shared, &connection, &mut request);
    let mut response = match admitted {
        Ok(caller) => {
            let Ok(response) = router.oneshot(request).await;
            note(&shared, caller.as_ref(), &connection, &method, &path, &response);
            response
        }
        Err(problem) => refuse(&shared, &connection, method.as_str(), &path, problem).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if connection.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TRANSPORT_SECURITY));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a request may go on to the router; leaves there who asks.
fn admit(shared: &Shared, connection: &Connection, request: &mut Request) -> Result<Option<Caller>, Problem> {
    check_host(connection, request)?;
    check_origin(connection, request.headers())?;
    // A body in chunks beside a length is how a request is smuggled past a proxy (RFC 9112, 6.1). No client of this API
    // needs chunks, so none are taken; the connection ends with the answer.
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        let detail = "a body comes with its `Content-Length`, not in chunks";
        return Err(Problem::new(StatusCode::LENGTH_REQUIRED, "chunks", detail).with(header::CONNECTION, "close"));
    }
    let public = is_public(request.method(), request.uri().path());
    let caller = match caller_of(shared, connection, request.headers()) {
        Ok((caller, session)) => {
            if caller.via == Via::Session
                && !is_safe(request.method())
                && !request.headers().contains_key(header::ORIGIN)
            {
                let detail = "a request that changes something and comes with a cookie needs an `Origin`";
                return Err(Problem::new(StatusCode::FORBIDDEN, "origin", detail));
            }
            if let Some(session) = session {
                request.extensions_mut().insert(SessionText(session));
            }
            request.extensions_mut().insert(caller.clone());
            Some(caller)
        }
        Err(_) if public => None,
        Err(refusal) => return Err(unauthorized(refusal)),
    };
    Ok(caller)
}

/// What holds no data: the dashboard's own files, whether ghostd is alive, and logging in.
fn is_public(method: &Method, path: &str) -> bool {
    let is_api = path == "/api" || path.starts_with("/api/") || path.starts_with("/metrics");
    !is_api || (method == Method::POST && path == "/api/v1/session")
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Exactly one name, with its port, that is ours.
fn check_host(connection: &Connection, request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
        return Err(Problem::bad_request("host", "a request names its host, once"));
    };
    let in_target = request.uri().authority().is_none_or(|authority| connection.hosts.allows(authority.as_str()));
    if connection.hosts.allows(host) && in_target {
        return Ok(());
    }
    let detail =
        "this server is not called that (`hosts` in `[api]` of the configuration names further ones, with their ports)";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", detail))
}

/// No page but ours. Programs that are no browsers send no origin.
fn check_origin(connection: &Connection, headers: &HeaderMap) -> Result<(), Problem> {
    let ours = |value: &HeaderValue| value.to_str().is_ok_and(|origin| connection.hosts.allows_origin(origin));
    if headers.get_all(header::ORIGIN).iter().all(ours) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "origin", "requests from pages of other sites are not answered"))
}

fn caller_of(
    shared: &Shared,
    connection: &Connection,
    headers: &HeaderMap,
) -> Result<(Caller, Option<String>), Refusal> {
    if let Peer::Unix { uid, scope } = connection.peer {
        return Ok((Caller { who: format!("uid {uid}"), scope, via: Via::Socket, token: None }, None));
    }
    let now = shared.clock.now();
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(bearer).ok_or(Refusal::Unknown)?;
        let token = shared.tokens.check(token, now.wall)?;
        let who = format!("token {} ({})", token.id, token.name);
        return Ok((Caller { who, scope: token.scope, via: Via::Token, token: Some(token.id) }, None));
    }
    let text = cookie(headers, &connection.cookie).ok_or(Refusal::Nothing)?;
    let is_good = |id: &str| shared.tokens.find(id).is_some_and(|token| token.is_good(now.wall));
    Ok((shared.logins.check(&text, now.boottime_ns, is_good)?, Some(text)))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

fn unauthorized(refusal: Refusal) -> Problem {
    let (code, detail) = match refusal {
        Refusal::Nothing => {
            ("no_token", "a token is needed: `Authorization: Bearer ghostd_...` (`ghostd token new` makes one)")
        }
        Refusal::Unknown => ("unknown_token", "this token or session is not known"),
        Refusal::Expired => ("expired_token", "this token or session has expired"),
        Refusal::Revoked => ("revoked_token", "this token was taken back"),
    };
    Problem::new(StatusCode::UNAUTHORIZED, code, detail).with(header::WWW_AUTHENTICATE, "Bearer realm=\"ghostd\"")
}

/// Tells of somebody who tried to log in and may not.
pub(super) fn refusal(shared: &Shared, connection: &Connection, method: &str, path: &str, why: Refusal) -> Problem {
    refuse(shared, connection, method, path, unauthorized(why))
}

/// Tells of a refusal: to the one who asked, and to the audit log unless there were too many.
fn refuse(shared: &Shared, connection: &Connection, method: &str, path: &str, problem: Problem) -> Problem {
    let now_ns = crate::clock::boottime_ns();
    if let Err(seconds) = shared.failures.refused(connection.peer.address(), now_ns) {
        shared.account.read(&format!("refused, from {}", connection.peer), "too many");
        if problem.status() != StatusCode::UNAUTHORIZED.as_u16() {
            return problem;
        }
        let detail = "too many requests from this address were refused";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_refusals", detail)
            .with(header::RETRY_AFTER, &seconds.to_string());
    }
    (shared.ways.audit)(
        "api_refused",
        json!({
            "from": connection.peer.to_string(), "method": method, "path": shown(shared, path),
            "status": problem.status(),
        }),
    );
    problem
}

fn shown(shared: &Shared, path: &str) -> String {
    shared.clean(&path.chars().take(PATH_SHOWN).collect::<String>())
}

/// Notes what somebody was answered.
fn note(
    shared: &Shared,
    caller: Option<&Caller>,
    connection: &Connection,
    method: &Method,
    path: &str,
    response: &Response,
) {
    let Some(caller) = caller else { return };
    if is_safe(method) {
        let route = response.extensions().get::<Route>().map_or("other", |route| route.0);
        return shared.account.read(&caller.who, route);
    }
    (shared.ways.audit)(
        "api",
        json!({
            "by": caller.who, "from": connection.peer.to_string(), "method": method.as_str(),
            "path": shown(shared, path), "status": response.status().as_u16(),
        }),
    );
}

/// The route that answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route(pub(super) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; ghostd_7878=x=y; ghostd_78=z"));
        assert_eq!(cookie(&headers, "ghostd_7878").as_deref(), Some("x=y"));
        assert_eq!(cookie(&headers, "ghostd_78").as_deref(), Some("z"));
        assert_eq!(cookie(&headers, "ghostd_7"), None);
    }

    #[test]
    fn only_what_holds_no_data_is_public() {
        for (method, path, public) in [
            (Method::GET, "/", true),
            (Method::GET, "/app.js", true),
            (Method::GET, "/healthz", true),
            (Method::POST, "/api/v1/session", true),
            (Method::GET, "/api/v1/session", false),
            (Method::GET, "/api/v1/status", false),
            (Method::GET, "/api", false),
            (Method::GET, "/api/", false),
            (Method::GET, "/metrics", false),
        ] {
            assert_eq!(is_public(&method, path), public, "{method} {path}");
        }
    }
}
