//! The HTTP API as somebody at a socket has it: who is let in, what is answered, and what hostile clients get.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::harness::{Daemon, PATIENCE, QUIET, Site, until};

/// How long one exchange may take.
const EXCHANGE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
struct Http {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Http {
    fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Reads one answer; none where the connection was closed without one.
fn answer(mut stream: impl std::io::Read) -> Option<Http> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut lines = head.lines();
            let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.get("content-length").and_then(|length| length.parse().ok());
            let mut body = bytes[end + 4..].to_vec();
            let length: usize = length.unwrap_or(if matches!(status, 204 | 304) { 0 } else { usize::MAX });
            while body.len() < length {
                match stream.read(&mut buffer) {
                    Ok(n @ 1..) => body.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            return Some(Http { status, headers, body });
        }
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => bytes.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}

/// A daemon's API.
struct Server {
    address: String,
    token: String,
}

impl Server {
    fn of(daemon: &Daemon<'_>, site: &Site, scope: &str) -> Self {
        let url = until("the API listens", PATIENCE, || {
            let status = daemon.try_status()?;
            status["api"]["url"].as_str().map(str::to_owned)
        });
        let token =
            site.ghostd(&["token", "new", "--scope", scope, "--name", "test"]).exits(0).stdout.trim().to_owned();
        Self { address: url.strip_prefix("http://").unwrap().to_owned(), token }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(EXCHANGE)).unwrap();
        stream.set_write_timeout(Some(EXCHANGE)).unwrap();
        stream
    }

    /// Sends these bytes and reads an answer.
    fn raw(&self, request: &[u8]) -> Option<Http> {
        let mut stream = self.connect();
        // A server that refuses may close before everything is sent.
        let _ = stream.write_all(request);
        answer(stream)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Json>) -> Http {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        let has = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !has("host") {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        if !has("authorization") && !has("cookie") {
            request.push_str(&format!("Authorization: Bearer {}\r\n", self.token));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = body.map(Json::to_string).unwrap_or_default();
        if !body.is_empty() {
            request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        request.push_str(&format!("\r\n{body}"));
        self.raw(request.as_bytes()).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    fn get(&self, path: &str) -> Http {
        self.ask("GET", path, &[], None)
    }
}

const FAST: &str = "[heartbeat]\nevery = \"200ms\"\n[[daemon]]\nname = \"nobody\"\n";

fn fast() -> Site {
    Site::with(&format!("{QUIET}{FAST}"))
}

#[test]
fn everything_that_is_recorded_can_be_asked_for() {
    let site = fast();
    let daemon = site.run();
    let server = Server::of(&daemon, &site, "operate");
    let taken =
        server.ask("POST", "/api/v1/snapshots", &[], Some(&json!({"reason": "a test", "important": true}))).is(201);
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(taken.headers["location"], format!("/api/v1/snapshots/{id}"));

    let status = server.get("/api/v1/status").is(200).json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["heartbeat"]["daemons"][0]["name"], "nobody");
    assert!(status["conditions"].as_array().unwrap().is_empty(), "{status:#}");

    // Pages: what is on one is not on the next, and all together are all.
    let first = until("some heartbeats are recorded", PATIENCE, || {
        let page = server.get("/api/v1/heartbeats?limit=2").is(200).json();
        (page["items"][1]["sequence"].as_u64() >= Some(4)).then_some(page)
    });
    let next = first["next"].as_str().unwrap();
    let second = server.get(&format!("/api/v1/heartbeats?limit=2&cursor={next}")).is(200).json();
    let sequence = |page: &Json, at: usize| page["items"][at]["sequence"].as_u64().unwrap();
    assert_eq!(sequence(&first, 1), sequence(&second, 0) + 1);

    let one = server.get("/api/v1/snapshots/latest").is(200).json();
    assert_eq!((&one["entry"]["id"], &one["snapshot"]["reason"]), (&json!(id), &json!("a test")));
    let list = server.get("/api/v1/snapshots?trigger=manual&important=true").is(200).json();
    assert_eq!(list["items"][0]["id"], json!(id));
    let section = server.get(&format!("/api/v1/snapshots/{id}/sections/daemon")).is(200).json();
    assert_eq!(section["section"]["body"], one["snapshot"]["sections"]["daemon"]["body"]);
    let file = server.get(&format!("/api/v1/snapshots/{}/file", &id[..13])).is(200);
    assert_eq!(
        file.body,
        std::fs::read(site.files().iter().find(|file| file.to_str().unwrap().contains(&id)).unwrap()).unwrap()
    );
    assert!(file.headers["content-disposition"].starts_with("attachment; filename=\"snapshot-"));
    assert_eq!(server.get(&format!("/api/v1/snapshots/{id}/verify")).is(200).json()["intact"], true);
    server.get(&format!("/api/v1/snapshots/{id}/diff/latest")).is(200);
    for path in [
        "heartbeats/history?since=-1h&points=10",
        "daemons",
        "daemons/nobody?beats=3",
        "daemons/nobody/history",
        "sections",
        "sections/clock",
        "findings?state=all",
        "events?severity=info",
        "timeline",
        "metrics",
        "collectors",
        "collectors/clock",
        "config",
        "alerts",
        "session",
        "openapi.json",
    ] {
        server.get(&format!("/api/v1/{path}")).is(200);
    }
    let series = server.get("/api/v1/metrics?name=system.uptime").is(200).json();
    let number = series["items"][0]["id"].as_u64().unwrap();
    let history = server.get(&format!("/api/v1/metrics/{number}?since=-1h&points=2")).is(200).json();
    assert!((1..=3).contains(&history["items"].as_array().unwrap().len()), "{history:#}");

    let marked =
        server.ask("POST", &format!("/api/v1/snapshots/{id}/keep"), &[], Some(&json!({"why": "it matters"}))).is(200);
    assert!(marked.json()["message"].as_str().unwrap().contains(&id));
    assert_eq!(server.get("/api/v1/snapshots/latest").json()["entry"]["mark"]["why"], "it matters");
    server.ask("POST", &format!("/api/v1/snapshots/{id}/unkeep"), &[], None).is(200);

    // What is had already is not sent again; what is long is sent short.
    let tag = server.get("/api/v1/config").headers["etag"].clone();
    server.ask("GET", "/api/v1/config", &[("If-None-Match", &tag)], None).is(304);
    let packed = server.ask("GET", "/api/v1/config", &[("Accept-Encoding", "gzip")], None).is(200);
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.body.starts_with(&[0x1f, 0x8b]));

    // What is wrong is said, in one form.
    for (path, status, code) in [
        ("snapshots/01931f2e-7c1a-7000-8000-000000000000", 404, "not_found"),
        ("snapshots/..%2F..%2Fetc%2Fpasswd", 400, "bad_name"),
        ("snapshots/%00", 400, "bad_name"),
        ("snapshots/latest/sections/..%2f", 404, "not_found"),
        ("metrics/-1", 400, "bad_name"),
        ("daemons/%3Cscript%3E", 404, "not_found"),
        ("heartbeats?limit=1001", 400, "bad_parameter"),
        ("heartbeats?limt=1", 400, "unknown_parameter"),
        ("heartbeats/history?since=2026-01-02&until=2026-01-01", 400, "bad_window"),
        ("nothing", 404, "not_found"),
    ] {
        let problem = server.get(&format!("/api/v1/{path}")).is(status);
        assert_eq!(
            (problem.code().as_str(), problem.headers["content-type"].as_str()),
            (code, "application/problem+json"),
            "{path}"
        );
    }
    assert_eq!(server.ask("POST", "/api/v1/snapshots", &[], Some(&json!({"why": 1}))).is(422).code(), "bad_body");
    assert_eq!(server.ask("PUT", "/api/v1/snapshots", &[], None).is(405).code(), "method");
}

#[test]
fn nobody_is_let_in_who_may_not() {
    let site = fast();
    let daemon = site.run();
    let server = Server::of(&daemon, &site, "read");
    let host = server.address.clone();
    let bearer = |token: &str| format!("Bearer {token}");

    // No token, another, one that has expired, one that was taken back.
    let refused = server.ask("GET", "/api/v1/status", &[("Authorization", "")], None).is(401);
    assert_eq!(
        (refused.code().as_str(), refused.headers["www-authenticate"].as_str()),
        ("no_token", "Bearer realm=\"ghostd\"")
    );
    let mut wrong = server.token.clone();
    wrong.pop();
    assert_eq!(
        server.ask("GET", "/api/v1/status", &[("Authorization", &bearer(&wrong))], None).is(401).code(),
        "unknown_token"
    );
    let expired = site.ghostd(&["token", "new", "--expires", "1ms", "--name", "short"]).exits(0).stdout;
    let expired = bearer(expired.trim());
    until("the token expires", PATIENCE, || {
        (server.ask("GET", "/api/v1/status", &[("Authorization", &expired)], None).code() == "expired_token")
            .then_some(())
    });
    site.ghostd(&["token", "revoke", "test"]).exits(0);
    assert_eq!(server.get("/api/v1/status").is(401).code(), "revoked_token");
    let server = Server::of(&daemon, &site, "read");
    server.get("/api/v1/status").is(200);

    // A scope is not exceeded.
    assert_eq!(server.ask("POST", "/api/v1/snapshots", &[], None).is(403).code(), "scope");
    assert_eq!(server.ask("POST", "/api/v1/prune", &[], None).is(403).code(), "scope");

    // Another name, another page: on every route.
    for path in ["/", "/api/v1/status", "/metrics", "/healthz", "/nothing", "/login?code=x"] {
        for name in ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "evil.example:80"] {
            server.ask("GET", path, &[("Host", name)], None).is(421);
        }
        server.ask("GET", path, &[("Origin", "http://evil.example")], None).is(403);
        server.ask("GET", path, &[("Origin", "null")], None).is(403);
    }
    server.ask("GET", "/api/v1/status", &[("Origin", &format!("http://{host}"))], None).is(200);
    let two = format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n");
    server.raw(two.as_bytes()).unwrap().is(400);
    let absolute = format!("GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
    server.raw(absolute.as_bytes()).unwrap().is(421);
    server.raw(b"GET / HTTP/1.0\r\n\r\n").unwrap().is(400);

    // Without a token there is the page, and whether it is alive; nothing else.
    let page = server.ask("GET", "/", &[("Authorization", "")], None).is(200);
    assert!(page.headers["content-type"].starts_with("text/html"));
    let csp = &page.headers["content-security-policy"];
    assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{csp}");
    server.ask("GET", "/healthz", &[("Authorization", "")], None).is(200);
    until("it is ready", PATIENCE, || {
        (server.ask("GET", "/readyz", &[("Authorization", "")], None).status == 200).then_some(())
    });
    for path in ["/metrics", "/api/v1/openapi.json", "/api/v1/nothing", "/api", "/api/v1/stream"] {
        let status = server.ask("GET", path, &[("Authorization", "")], None).status;
        assert!(matches!(status, 401 | 429), "{path} {status}");
    }

    // Who tries too often is told to wait; a good token still gets in, whoever shares the address.
    let mut last = server.ask("GET", "/metrics", &[("Authorization", "")], None);
    for _ in 0..20 {
        last = server.ask("GET", "/metrics", &[("Authorization", "")], None);
    }
    let last = last.is(429);
    assert!(last.headers["retry-after"].parse::<u64>().unwrap() > 0);
    server.get("/api/v1/status").is(200);

    // All of it stands in the audit log, but for what was too often, and no token does.
    drop(daemon);
    let log = std::fs::read_to_string(site.data().join("audit.jsonl")).unwrap();
    for word in ["\"token_new\"", "\"token_revoke\"", "\"api_refused\"", "/api/v1/snapshots"] {
        assert!(log.contains(word), "{word}");
    }
    let secret = server.token.rsplit('_').next().unwrap();
    for file in site.all_files() {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
    }
}

#[test]
fn a_browser_logs_in_and_out() {
    let site = fast();
    let daemon = site.run();
    let server = Server::of(&daemon, &site, "operate");
    let origin = format!("http://{}", server.address);
    let cookie_of = |answer: &Http| {
        let cookie = &answer.headers["set-cookie"];
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"),
            "{cookie}"
        );
        cookie.split(';').next().unwrap().to_owned()
    };
    let log_in = |token: &str| {
        let body = json!({"token": token});
        server.ask("POST", "/api/v1/session", &[("Authorization", ""), ("Origin", &origin)], Some(&body))
    };
    assert_eq!(log_in("ghostd_000000000000_x").is(401).code(), "unknown_token");
    let cookie = cookie_of(&log_in(&server.token).is(200));
    let with = |method: &str, path: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("Cookie", cookie.as_str())];
        headers.extend_from_slice(more);
        server.ask(method, path, &headers, None)
    };
    assert_eq!(with("GET", "/api/v1/session", &[]).is(200).json()["via"], "session");
    // What changes something needs a page of ours.
    assert_eq!(with("POST", "/api/v1/collectors/clock/resume", &[]).is(403).code(), "origin");
    assert_eq!(
        with("POST", "/api/v1/collectors/clock/resume", &[("Origin", "http://evil.example")]).is(403).code(),
        "origin"
    );
    with("POST", "/api/v1/collectors/clock/resume", &[("Origin", &origin)]).is(200);
    with("DELETE", "/api/v1/session", &[("Origin", &origin)]).is(204);
    with("GET", "/api/v1/session", &[]).is(401);

    // A link is good once.
    let link = site.ghostd(&["token", "link"]).exits(0).stdout;
    let path = link.trim().strip_prefix(&origin).unwrap().to_owned();
    let followed = server.ask("GET", &path, &[("Authorization", "")], None).is(303);
    assert_eq!(followed.headers["location"], "/");
    let cookie = cookie_of(&followed);
    assert_eq!(server.ask("GET", "/api/v1/session", &[("Cookie", &cookie)], None).is(200).json()["scope"], "admin");
    server.ask("GET", &path, &[("Authorization", "")], None).is(401);

    // A session ends with its token.
    let cookie = cookie_of(&log_in(&server.token).is(200));
    site.ghostd(&["token", "revoke", "test"]).exits(0);
    assert_eq!(server.ask("GET", "/api/v1/status", &[("Cookie", &cookie)], None).is(401).code(), "revoked_token");
}

#[test]
fn the_socket_answers_its_owner_without_a_token() {
    let site = fast();
    let daemon = site.run();
    let _ = Server::of(&daemon, &site, "read");
    let ask = |request: &str| {
        let mut stream = UnixStream::connect(site.path("api.sock")).unwrap();
        stream.set_read_timeout(Some(EXCHANGE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        answer(stream).unwrap()
    };
    let session = ask("GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is(200).json();
    assert_eq!((&session["via"], &session["scope"]), (&json!("socket"), &json!("admin")));
    ask("POST /api/v1/config/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .is(200);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(site.path("api.sock")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn hostile_http_gets_an_answer_or_a_closed_door() {
    let site = fast();
    let daemon = site.run();
    let server = Server::of(&daemon, &site, "admin");
    let head = format!("Host: {}\r\nAuthorization: Bearer {}\r\n", server.address, server.token);
    let long = "x".repeat(40_000);
    let many: String = (0..200).map(|at| format!("X-{at}: y\r\n")).collect();
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let post = |more: &str, body: &str| format!("POST /api/v1/snapshots HTTP/1.1\r\n{head}{more}\r\n{body}");
    let json_of =
        |body: &str| post(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()), body);
    let requests: Vec<(&str, String)> = vec![
        ("a header too long", format!("GET / HTTP/1.1\r\n{head}X: {long}\r\n\r\n")),
        ("headers too many", format!("GET / HTTP/1.1\r\n{head}{many}\r\n")),
        ("a path too long", format!("GET /{long} HTTP/1.1\r\n{head}\r\n")),
        ("no HTTP", "\u{16}\u{3}\u{1}hello\r\n\r\n".to_owned()),
        ("two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")),
        ("length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        (
            "a chunk without end",
            post("Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n", "zz\r\nhello\r\n"),
        ),
        ("a length below nought", post("Content-Length: -1\r\n", "")),
        ("a body too long", json_of(&format!("\"{}\"", "x".repeat(70_000)))),
        ("no JSON", json_of("{\"reason\": ")),
        ("too deep", json_of(&deep)),
        ("no UTF-8 in JSON", json_of("{\"reason\": \"\\ud800\"}")),
        ("another type", post("Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}")),
        ("a form", post("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n", "reason=x")),
        ("traversal", format!("GET /../../etc/passwd HTTP/1.1\r\n{head}\r\n")),
        ("traversal, hidden", format!("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n{head}\r\n")),
        ("a NUL in the path", format!("GET /api/v1/snapshots/a%00b HTTP/1.1\r\n{head}\r\n")),
        ("a broken escape", format!("GET /api/v1/daemons/%ff%fe HTTP/1.1\r\n{head}\r\n")),
        ("a bare line feed in a header", format!("GET / HTTP/1.1\r\n{head}X: a\n b\r\n\r\n")),
        ("another method", format!("BREW / HTTP/1.1\r\n{head}\r\n")),
        ("TRACE", format!("TRACE /api/v1/status HTTP/1.1\r\n{head}\r\n")),
        ("CONNECT", format!("CONNECT evil.example:443 HTTP/1.1\r\n{head}\r\n")),
    ];
    for (what, request) in &requests {
        if let Some(answered) = server.raw(request.as_bytes()) {
            let harmless = (400..500).contains(&answered.status)
                || (*what == "a bare line feed in a header" && answered.status == 200);
            assert!(harmless, "{what}: {} {}", answered.status, String::from_utf8_lossy(&answered.body));
        }
    }
    server.get("/api/v1/status").is(200);
    // What one connection sends behind a request that was refused is not another request.
    let smuggled = format!(
        "{}GET /api/v1/config HTTP/1.1\r\n{head}\r\n",
        post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")
    );
    let mut stream = server.connect();
    stream.write_all(smuggled.as_bytes()).unwrap();
    let mut all = String::new();
    let _ = stream.read_to_string(&mut all);
    assert!(all.matches("HTTP/1.1 ").count() <= 1 || !all.contains("snapshot.every"), "{all}");
}

#[test]
fn five_hundred_slow_clients_keep_nobody_waiting() {
    let site = fast();
    let daemon = site.run();
    let server = Server::of(&daemon, &site, "read");
    let before = daemon.own_bytes();
    let mut slow = Vec::new();
    for at in 0..500 {
        let mut stream = server.connect();
        let part = format!("GET /api/v1/status HTTP/1.1\r\nHost: {}\r\nX-{at}: ", server.address);
        stream.write_all(part.as_bytes()).unwrap();
        slow.push(stream);
    }
    let started = Instant::now();
    for _ in 0..20 {
        server.get("/api/v1/status").is(200);
    }
    assert!(started.elapsed() < EXCHANGE, "ordinary requests are answered meanwhile");
    assert!(daemon.own_bytes() < before + (32 << 20));
    // They are shown the door, each of them, within the time that headers may take.
    let mut last = slow.pop().unwrap();
    assert!(answer(&mut last).is_none_or(|answered| answered.status == 408), "the door is shut");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_published_is_streamed_and_resumed() {
    let site = fast();
    let daemon = site.run();
    let server = Server::of(&daemon, &site, "read");
    let open = |last: Option<&str>| {
        let mut stream = server.connect();
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /api/v1/stream?types=heartbeat HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{last}\r\n",
            server.address, server.token
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    // What has come until there is enough of it.
    let read = |stream: &mut TcpStream, count: usize| {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while text.matches("\nevent: heartbeat").count() < count {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        text
    };
    let ids = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.trim().to_owned()).collect()
    };
    let first = read(&mut open(None), 2);
    assert!(first.contains("text/event-stream") && !first.contains("event: gap"), "{first}");
    let last = ids(&first)[0].clone();
    let again = read(&mut open(Some(&last)), 1);
    assert_eq!(ids(&again)[0], ids(&first)[1], "it goes on behind the one that was seen");
    for foreign in ["1-1", "nonsense", "99999999999999-3"] {
        assert!(read(&mut open(Some(foreign)), 1).contains("event: gap"), "{foreign}");
    }
    server.ask("GET", "/api/v1/stream?types=everything", &[], None).is(400);
}

#[test]
fn a_port_that_is_taken_is_a_condition_and_the_recorder_goes_on() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let site = Site::with(&format!("{QUIET}{FAST}[api]\nlisten = \"{address}\"\n"));
    let daemon = site.run();
    let condition = until("the condition is told", PATIENCE, || {
        let status = daemon.status();
        status["conditions"]
            .as_array()?
            .iter()
            .find_map(|text| text.as_str().filter(|text| text.contains("API")).map(str::to_owned))
    });
    assert!(condition.contains(&address.to_string()), "{condition}");
    site.ghostd(&["snapshot"]).exits(0);
    drop(taken);
    until("the port is free and taken", PATIENCE, || {
        let status = daemon.status();
        (status["conditions"].as_array()?.is_empty() && status["api"]["url"].is_string()).then_some(())
    });
}

#[test]
fn another_address_needs_tls_or_a_plain_word() {
    for (api, good) in [
        ("listen = \"0.0.0.0:0\"", false),
        ("listen = \"0.0.0.0:0\"\nallow_plain_remote = true", true),
        ("listen = \"127.0.0.1:0\"\nhosts = [\"*\"]", false),
        ("listen = \"127.0.0.1:0\"\ntls_cert_file = \"cert.pem\"", false),
        ("listen = \"off\"", true),
    ] {
        let site = Site::empty();
        site.configure(&format!("[api]\n{api}\n"));
        let answer = site.ghostd(&["config", "check"]);
        assert_eq!(answer.code, Some(if good { 0 } else { 2 }), "{api}: {answer:?}");
    }
}
