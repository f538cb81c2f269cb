//! Alerts as somebody on call meets them: a daemon dies and is told of once, its return once, whatever is down meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value as Json;

use crate::harness::{PATIENCE, Process, QUIET, Signal, Site, until};

/// What the test's webhook is signed with.
const KEY: &str = "e2e-key-of-a-webhook";

/// A request that arrived.
#[derive(Debug, Clone)]
struct Request {
    head: String,
    body: String,
}

impl Request {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A web server that takes everything and remembers it. It is down while it is stopped.
struct Hook {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Option<Arc<AtomicBool>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut hook = Self { address, requests: Arc::default(), stop: None };
        hook.serve(listener);
        hook
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn serve(&mut self, listener: TcpListener) {
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, stopped) = (Arc::clone(&self.requests), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                if let Some(request) = stream.ok().and_then(take) {
                    requests.lock().unwrap().push(request);
                }
            }
        });
        self.stop = Some(stop);
    }

    fn down(&mut self) {
        self.stop.take().unwrap().store(true, Ordering::SeqCst);
        // Wakes it, so that it lets go of the port.
        let _ = TcpStream::connect(self.address);
        until("the hook is down", PATIENCE, || TcpStream::connect(self.address).is_err().then_some(()));
    }

    fn up(&mut self) {
        let listener = until("the hook's port is free", PATIENCE, || TcpListener::bind(self.address).ok());
        self.serve(listener);
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// `kind` and notification of every alert that ghostd told, in order.
    fn told(&self) -> Vec<(String, String)> {
        self.requests()
            .iter()
            .flat_map(|request| request.json()["alerts"].as_array().unwrap().clone())
            .map(|alert| (text(&alert["kind"]), text(&alert["notification"])))
            .collect()
    }

    /// The statuses that an Alertmanager told.
    fn statuses(&self) -> Vec<String> {
        self.requests().iter().map(|request| text(&request.json()["status"])).collect()
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn take(stream: TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let request = Request { head, body: String::new() };
    let mut body = vec![0; request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let request = Request { body: String::from_utf8(body).ok()?, ..request };
    (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").ok()?;
    Some(request)
}

/// A real Alertmanager that tells a web server of everything at once.
struct Alertmanager {
    address: SocketAddr,
    dir: tempfile::TempDir,
    process: Option<Process>,
}

impl Alertmanager {
    fn start(sink: &Hook) -> Option<Self> {
        let program = ["/usr/bin/prometheus-alertmanager", "/usr/bin/alertmanager", "/usr/local/bin/alertmanager"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        if program.is_none() {
            eprintln!("SKIPPED: the part with Alertmanager, which is not installed (prometheus-alertmanager)");
        }
        let program = program?;
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "route: {{receiver: sink, group_by: ['...'], group_wait: 100ms, group_interval: 500ms, repeat_interval: 1h}}\n\
             receivers: [{{name: sink, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
            sink.url()
        );
        std::fs::write(dir.path().join("config.yml"), config).unwrap();
        std::fs::write(dir.path().join("program"), program).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut alertmanager = Self { address, dir, process: None };
        alertmanager.up();
        Some(alertmanager)
    }

    fn up(&mut self) {
        let path = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        let program = std::fs::read_to_string(path("program")).unwrap();
        let arguments = [
            format!("--config.file={}", path("config.yml")),
            format!("--storage.path={}", path("data")),
            format!("--web.listen-address={}", self.address),
            "--cluster.listen-address=".to_owned(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.process = Some(Process::start(Path::new(&program), &arguments));
        until("Alertmanager answers", PATIENCE, || TcpStream::connect(self.address).ok());
    }

    fn down(&mut self) {
        self.process = None;
        until("Alertmanager is down", PATIENCE, || TcpStream::connect(self.address).is_err().then_some(()));
    }
}

/// `sleep` under another name.
fn worker(site: &Site, name: &str) -> Process {
    let program = site.path(name);
    if !program.exists() {
        std::fs::copy("/bin/sleep", &program).unwrap();
    }
    Process::start(&program, &["1000"])
}

fn is(daemon: &crate::harness::Daemon<'_>, name: &str, statuses: &[&str]) {
    until(&format!("{name} is {statuses:?}"), PATIENCE, || {
        statuses.contains(&daemon.watched(name)["status"].as_str()?).then_some(())
    });
}

#[test]
fn firing_and_resolved_arrive_once_each_whoever_was_down_meanwhile() {
    let (mut hook, sink) = (Hook::start(), Hook::start());
    let mut alertmanager = Alertmanager::start(&sink);
    let name = format!("worker{}", std::process::id());
    let am = alertmanager.as_ref().map_or_else(String::new, |one| {
        format!("[receiver.am]\nkind = \"alertmanager\"\nurl = \"http://{}\"\nresend_every = \"5s\"\n", one.address)
    });
    let receivers = if alertmanager.is_some() { "[\"hook\", \"am\"]" } else { "[\"hook\"]" };
    let site = Site::with(&format!(
        r#"
        [[daemon]]
        name = "{name}"
        [heartbeat]
        every = "200ms"
        [alerts]
        group_wait = "0s"
        [[alert]]
        name = "worker-down"
        when = 'daemon("{name}").status == "failed"'
        severity = "critical"
        summary = "{{{{labels.team}}}} has lost its worker"
        labels = {{ team = "e2e" }}
        receivers = {receivers}
        [receiver.hook]
        kind = "webhook"
        url = "{url}"
        secret_file = "hook.key"
        {am}
        {QUIET}"#,
        url = hook.url(),
    ));
    std::fs::write(site.path("hook.key"), format!("{KEY}\n")).unwrap();
    let mut fired_and_over = 0;
    let arrived = |hook: &Hook, count: usize| {
        until(&format!("{count} notifications"), PATIENCE, || (hook.told().len() >= count).then_some(()));
    };
    let am_told = |count: usize| {
        let all = until(&format!("Alertmanager tells {count} times"), PATIENCE, || {
            Some(sink.statuses()).filter(|statuses| statuses.len() >= count)
        });
        assert_eq!(all.len(), count, "{all:?}");
    };

    let mut daemon = site.run();
    let mut process = worker(&site, &name);
    is(&daemon, &name, &["running"]);
    site.ghostd(&["alerts"]).exits(0);

    // Everybody is up.
    drop(process);
    arrived(&hook, 1);
    let listed = site.ghostd(&["alerts", "--json"]).exits(1).json();
    assert_eq!(listed["alerts"][0]["state"], "firing", "{listed:#}");
    assert_eq!(listed["alerts"][0]["value"], "failed", "{listed:#}");
    let findings = site.ghostd(&["findings", "--json"]).stdout;
    assert!(findings.contains("worker-down"), "it is a finding at once: {findings}");
    assert_eq!(site.snapshot()["findings"][0]["collector"], "alerts", "and in the next snapshot");
    if alertmanager.is_some() {
        am_told(1);
    }
    process = worker(&site, &name);
    arrived(&hook, 2);
    fired_and_over += 1;
    if alertmanager.is_some() {
        am_told(2);
    }

    // Everybody is down when it dies, and ghostd is killed before it could tell anybody.
    hook.down();
    alertmanager.iter_mut().for_each(Alertmanager::down);
    drop(process);
    until("the failure of the hook is seen", PATIENCE, || {
        let board = site.ghostd(&["alerts", "--json"]).json();
        let failing = |one: &Json| one["name"] == "hook" && one["failures_in_a_row"].as_u64() > Some(0);
        board["receivers"].as_array()?.iter().any(failing).then_some(())
    });
    assert!(daemon.status()["conditions"].to_string().contains("receiver hook"), "{:#}", daemon.status());
    daemon.signal(Signal::KILL);
    daemon.ended(PATIENCE);
    hook.up();
    alertmanager.iter_mut().for_each(Alertmanager::up);
    daemon = site.run();
    arrived(&hook, 3);
    if alertmanager.is_some() {
        am_told(3);
    }
    process = worker(&site, &name);
    arrived(&hook, 4);
    fired_and_over += 1;
    if alertmanager.is_some() {
        am_told(4);
    }

    // One is away from beginning to end, and the other is not delayed by it.
    hook.down();
    drop(process);
    until("it fires", PATIENCE, || (site.ghostd(&["alerts"]).code == Some(1)).then_some(()));
    if alertmanager.is_some() {
        am_told(5);
    }
    process = worker(&site, &name);
    until("it is over", PATIENCE, || (site.ghostd(&["alerts"]).code == Some(0)).then_some(()));
    if alertmanager.is_some() {
        am_told(6);
    }
    hook.up();
    arrived(&hook, 6);
    fired_and_over += 1;

    until("nothing waits any more", PATIENCE, || (daemon.status()["alerts"]["queued"] == 0).then_some(()));
    let told = hook.told();
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["fired", "resolved"].repeat(fired_and_over));
    let ids: std::collections::BTreeSet<&String> = told.iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), told.len(), "each is a notification of its own: {told:?}");
    for request in hook.requests() {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
        mac.update(request.body.as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(request.header("x-ghostd-signature"), Some(format!("sha256={hex}").as_str()));
        let document = request.json();
        assert_eq!(request.header("idempotency-key"), document["notification"].as_str());
        assert_eq!(document["alerts"][0]["labels"]["team"], "e2e");
        let summary = text(&document["alerts"][0]["summary"]);
        assert!(summary.starts_with("e2e has lost its worker"), "{summary}");
    }
    let history = site.ghostd(&["alerts", "history", "worker-down", "--json"]).exits(0).json();
    assert_eq!(history.as_array().unwrap().len(), 2 * fired_and_over, "{history:#}");
    drop(process);
}

#[test]
fn silences_hold_with_and_without_a_daemon_and_tests_reach_receivers() {
    let site = Site::with(&format!(
        r#"
        [heartbeat]
        every = "200ms"
        [alerts]
        group_wait = "0s"
        [[alert]]
        name = "always"
        when = "uptime_seconds > 0"
        severity = "high"
        receivers = ["file", "broken"]
        [[alert]]
        name = "slow"
        when = "uptime_seconds > 0"
        for = "1h"
        [receiver.file]
        kind = "command"
        argv = ["/bin/sh", "-c", "cat >> told; echo >> told"]
        [receiver.broken]
        kind = "command"
        argv = ["/bin/sh", "-c", "echo out of paper >&2; exit 3"]
        {QUIET}"#
    ));
    let told = || -> Vec<Json> {
        let text = std::fs::read_to_string(site.path("told")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // A store has to be there first; its silence is made before ghostd runs.
    site.snapshot();
    let silence = site
        .ghostd(&["alerts", "silence", "severity=high", "--for", "1h", "--why", "moving house", "--json"])
        .exits(0)
        .json();
    let daemon = site.run();
    let board = until("both alerts are there", PATIENCE, || {
        let board = site.ghostd(&["alerts", "--json"]).json();
        (board["alerts"].as_array()?.len() == 2).then_some(board)
    });
    assert_eq!(board["alerts"][0]["silenced_by"][0], silence["id"], "{board:#}");
    assert_eq!(board["alerts"][1]["state"], "pending", "{board:#}");
    let page = site.ghostd(&["alerts"]).exits(1).stdout;
    assert!(page.contains("silenced by") && page.contains("moving house") && page.contains("pending"), "{page}");
    assert!(told().is_empty());

    let id = silence["id"].as_str().unwrap();
    site.ghostd(&["alerts", "unsilence", &id[..4]]).exits(0);
    until("it is told once the silence is over", PATIENCE, || (told().len() == 1).then_some(()));
    assert_eq!(told()[0]["alerts"][0]["rule"], "always");
    let audit = site.ghostd(&["audit", "--json"]).stdout;
    assert!(
        audit.contains("\"silence\"") && audit.contains("\"unsilence\"") && audit.contains("moving house"),
        "{audit}"
    );

    // The same beside a daemon.
    let silence = site.ghostd(&["alerts", "silence", "always", "--for", "1h", "--json"]).exits(0).json();
    let silences = site.ghostd(&["alerts", "silences", "--json"]).exits(0).json();
    assert_eq!(silences[0]["id"], silence["id"]);
    let refused = site.ghostd(&["alerts", "silence", "a=~(", "--for", "1h"]).exits(2);
    assert!(refused.stderr.contains("is no matcher"), "{}", refused.stderr);
    site.ghostd(&["alerts", "unsilence", "zzzz"]).exits(2);

    let results = site.ghostd(&["alerts", "test", "--json"]).exits(1).json();
    assert_eq!(results[0]["receiver"], "broken");
    assert!(text(&results[0]["error"]).contains("out of paper"), "{results:#}");
    assert_eq!(results[1]["error"], Json::Null, "{results:#}");
    assert_eq!(told().len(), 2);
    let unknown = site.ghostd(&["alerts", "test", "nobody"]).exits(2);
    assert!(unknown.stderr.contains("no receiver `nobody`"), "{}", unknown.stderr);
    drop(daemon);
    site.ghostd(&["alerts", "test", "file"]).exits(0);
    assert_eq!(told().last().unwrap()["status"], "test");
}

#[test]
fn a_fault_in_a_rule_is_told_with_its_column() {
    let site = Site::empty();
    site.configure(
        r#"
        [[alert]]
        name = "typo"
        when = 'clock.offset_seconds > "30"'
        receivers = ["pager"]
        [[alert]]
        name = "a"
        when = "overall == 'critical'"
        inhibited_by = ["b"]
        [[alert]]
        name = "b"
        when = "daemon('nobody').status == 'failed'"
        inhibited_by = ["a"]
        [receiver.hook]
        kind = "webhook"
        argv = ["x"]
        [receiver.mail]
        kind = "email"
        host = "localhost"
        from = "nobody"
        to = ["ops@example.org"]
        "#,
    );
    let faults = site.ghostd(&["config", "check"]).exits(2).stderr;
    for words in [
        "alert[0].when: a number cannot be compared with a text (column 24 of the text)",
        "there is no receiver `pager`",
        "`a` would follow from itself",
        "no daemon `nobody` is watched (column 8 of the text)",
        "receiver.hook.argv: means nothing for a receiver of this kind",
        "receiver.hook: `url` is missing",
        "`nobody` is no address",
    ] {
        assert!(faults.contains(words), "`{words}` is not in\n{faults}");
    }
}

#[test]
fn a_fresh_machine_is_quiet() {
    let site = Site::with(QUIET);
    let daemon = site.run();
    until("the first beat", PATIENCE, || daemon.status()["heartbeat"].as_object().map(|_| ()));
    let board = site.ghostd(&["alerts", "--json"]).exits(0).json();
    let loud: Vec<&Json> =
        board["alerts"].as_array().unwrap().iter().filter(|alert| alert["severity"] != "info").collect();
    assert!(loud.is_empty(), "{loud:#?}");
    let rules = site.ghostd(&["alerts", "rules"]).exits(0).stdout;
    assert!(rules.contains("clock.offset_seconds.abs > 30"), "{rules}");
}

#[test]
fn an_alert_is_mailed_by_a_real_smtp_server() {
    let python = "/usr/bin/python3";
    let has = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: mail by SMTP: aiosmtpd is not installed (python3-aiosmtpd)");
        return;
    }
    let site = Site::empty();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let maildir = site.path("mail");
    let (listen, maildir_text) = (address.to_string(), maildir.to_str().unwrap().to_owned());
    let server = Process::start(
        Path::new(python),
        &["-m", "aiosmtpd", "-n", "-l", &listen, "-c", "aiosmtpd.handlers.Mailbox", &maildir_text],
    );
    until("the mail server answers", PATIENCE, || TcpStream::connect(address).ok());
    site.configure(&format!(
        "[receiver.mail]\nkind = \"email\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"off\"\n\
         from = \"ghostd <ghostd@example.org>\"\nto = [\"ops@example.org\", \"Night Shift <night@example.org>\"]\n",
        address.port()
    ));
    site.ghostd(&["alerts", "test", "mail"]).exits(0);
    let mail = until("the mail is there", PATIENCE, || {
        let entry = std::fs::read_dir(maildir.join("new")).ok()?.next()?.unwrap();
        std::fs::read_to_string(entry.path()).ok()
    });
    for words in ["Subject: [TEST] a test of ghostd", "ops@example.org", "night@example.org", "Message-ID: <"] {
        assert!(mail.contains(words), "`{words}` is not in\n{mail}");
    }
    drop(server);
    let down = site.ghostd(&["alerts", "test", "mail"]).exits(1);
    assert!(down.stdout.contains("cannot send"), "{}", down.stdout);
}
