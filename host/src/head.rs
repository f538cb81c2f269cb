//! The chain's head, told to somebody else: what was published cannot be taken back by whoever owns this machine later.
//!
//! One JSON line for each snapshot: appended to a file that is elsewhere (a mount of another machine), sent to syslog
//! (RFC 3164, over the local socket), which may forward it, and posted to a webhook. `ghostd verify --heads FILE` holds a store against
//! them.
//!
//! Owns: how it is told. Must not know: when, or what a snapshot is.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde_json::json;

use crate::store::Head;

/// Where the local syslog listens.
const SYSLOG: &str = "/dev/log";
/// Facility `auth` (4), severity `notice` (5): `4 * 8 + 5`.
const PRIORITY: u32 = 37;

/// How long a webhook may take.
const WEBHOOK_WITHIN: Duration = Duration::from_secs(15);

/// Where heads go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// A file that is added to.
    pub file: Option<PathBuf>,
    /// Whether syslog is told.
    pub syslog: bool,
    /// A URL that each is posted to.
    pub webhook: Option<String>,
}

/// Why one was not told.
#[derive(Debug, thiserror::Error)]
#[error("cannot publish the head to `{place}`")]
pub struct HeadError {
    place: PathBuf,
    #[source]
    source: io::Error,
}

impl Places {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && !self.syslog && self.webhook.is_none()
    }

    /// Tells it everywhere, durably where that can be. May block, on a mount that is away for as long as that is.
    pub fn tell(&self, head: &Head) -> Result<(), HeadError> {
        let line = line(head);
        let filed = self.file.as_deref().map_or(Ok(()), |path| append(path, &line));
        let logged = if self.syslog { log(Path::new(SYSLOG), &line) } else { Ok(()) };
        let posted = self.webhook.as_deref().map_or(Ok(()), |url| post(url, &line));
        filed.and(logged).and(posted)
    }
}

/// Reads what [`Places::tell`] has written; lines of others are passed over.
pub fn read(text: &str) -> Vec<Head> {
    text.lines().filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok()).collect()
}

fn line(head: &Head) -> String {
    let mut value = json!({ "ghostd": "head/1" });
    if let (Some(object), Ok(serde_json::Value::Object(more))) = (value.as_object_mut(), serde_json::to_value(head)) {
        object.extend(more);
    }
    value.to_string()
}

fn append(path: &Path, line: &str) -> Result<(), HeadError> {
    let fail = |source| HeadError { place: path.to_owned(), source };
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP)
        .map(File::from)
        .map_err(|errno| fail(errno.into()))?;
    file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_data()).map_err(fail)
}

fn log(socket: &Path, line: &str) -> Result<(), HeadError> {
    let fail = |source| HeadError { place: socket.to_owned(), source };
    let message = format!("<{PRIORITY}>ghostd[{}]: head {line}", std::process::id());
    let sender = UnixDatagram::unbound().map_err(fail)?;
    sender.set_nonblocking(true).map_err(fail)?;
    sender.send_to(message.as_bytes(), socket).map(drop).map_err(fail)
}

/// Posts it; only an answer of 2xx means that somebody has it. Redirections are not followed: who is told is configured.
fn post(url: &str, line: &str) -> Result<(), HeadError> {
    let fail = |source| HeadError { place: PathBuf::from(url), source };
    // Only the first has its way, and all of them are this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let posted = runtime.block_on(async {
        let client =
            reqwest::Client::builder().timeout(WEBHOOK_WITHIN).redirect(reqwest::redirect::Policy::none()).build()?;
        let request = client.post(url).header("content-type", "application/json").body(line.to_owned());
        request.send().await
    });
    match posted {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(fail(io::Error::other(format!("it answers {}", answer.status())))),
        Err(error) => Err(fail(io::Error::other(error.without_url()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, SnapshotId, StoreId, StoreRef, Wall};

    fn head(n: u64) -> Head {
        Head {
            at: Wall::from_millis(1_795_000_000_000),
            store: StoreRef { id: StoreId::random(), epoch: 1, forked_from: None },
            sequence: n,
            id: SnapshotId::new(Wall(0)),
            sha256: Digest::of(b"x"),
            audit_head: None,
        }
    }

    #[test]
    fn what_is_told_can_be_read_again_from_a_file_and_from_syslog() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("heads.jsonl");
        let (first, second) = (head(1), head(2));
        for one in [&first, &second] {
            Places { file: Some(file.clone()), ..Places::default() }.tell(one).unwrap();
        }
        assert_eq!(read(&std::fs::read_to_string(&file).unwrap()), [first.clone(), second]);
        let socket = dir.path().join("log");
        let receiver = UnixDatagram::bind(&socket).unwrap();
        log(&socket, &line(&first)).unwrap();
        let mut message = [0; 4_096];
        let length = receiver.recv(&mut message).unwrap();
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        assert!(text.starts_with("<37>ghostd["), "{text}");
        assert_eq!(read(&format!("Nov 24 host {text}\nsomething else\n")), [first]);
    }

    #[test]
    fn a_webhook_has_it_once_it_says_so() {
        use std::io::{BufRead as _, BufReader, Read as _};
        let one = head(7);
        for (answer, is_fine) in [("204 No Content", true), ("302 Found", false), ("500 Internal Server Error", false)]
        {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/heads", listener.local_addr().unwrap());
            let server = std::thread::spawn(move || {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(count) = line.to_lowercase().strip_prefix("content-length:") {
                        length = count.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let answer = format!("HTTP/1.1 {answer}\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n");
                reader.into_inner().write_all(answer.as_bytes()).unwrap();
                String::from_utf8(body).unwrap()
            });
            let told = Places { webhook: Some(url), ..Places::default() }.tell(&one);
            assert_eq!(told.is_ok(), is_fine, "{answer}: {told:?}");
            assert_eq!(read(&server.join().unwrap()), std::slice::from_ref(&one));
        }
        let nobody = Places { webhook: Some("http://127.0.0.1:1/".to_owned()), ..Places::default() };
        nobody.tell(&one).unwrap_err();
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        File::create(&target).unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("heads")).unwrap();
        Places { file: Some(dir.path().join("heads")), ..Places::default() }.tell(&head(1)).unwrap_err();
        assert_eq!(target.metadata().unwrap().len(), 0);
    }
}
