//! A program that is told by its standard input.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use super::{Command, SendError};
use crate::alerts::courier::Job;
use crate::alerts::payload;

/// So much of what it says on standard error is kept for the message.
const MAX_SAID_BYTES: usize = 1_024;
/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What it gets of ghostd's environment: there may be secrets in the rest.
const VARIABLES: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "USER"];

pub(super) async fn run(job: &Job, command: &Command) -> Result<(), SendError> {
    let notifications = &job.dispatch.notifications;
    let document = payload::document(notifications, &job.receiver.name, &job.host).to_string();
    let argv = command.argv.clone();
    // Ends before the sending's own time is up, so that nothing is left running behind it.
    let limit = job.receiver.timeout.mul_f64(0.9);
    let task = tokio::task::spawn_blocking(move || wait(&argv, document.as_bytes(), limit));
    task.await.unwrap_or_else(|_| Err(SendError::new("the program could not be waited for")))
}

fn wait(argv: &[String], input: &[u8], limit: Duration) -> Result<(), SendError> {
    let Some((program, arguments)) = argv.split_first() else { return Err(SendError::new("there is no program")) };
    let mut process = Process::new(program);
    process.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    process.envs(VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    // A group of its own, so that what it started can be ended with it.
    let mut child =
        process.process_group(0).spawn().map_err(|error| SendError::new(format!("cannot run `{program}`: {error}")))?;
    let result = converse(&mut child, program, input, limit);
    if result.is_err() {
        end(&mut child);
    }
    result
}

fn converse(child: &mut Child, program: &str, input: &[u8], limit: Duration) -> Result<(), SendError> {
    let (mut stdin, mut stderr) = (child.stdin.take(), child.stderr.take());
    for pipe in [stdin.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)].into_iter().flatten() {
        rustix::fs::fcntl_setfl(pipe, rustix::fs::OFlags::NONBLOCK)
            .map_err(|error| SendError::new(format!("cannot talk to `{program}`: {error}")))?;
    }
    let deadline = Instant::now() + limit;
    let (mut left, mut said) = (input, Vec::new());
    loop {
        if let Some(pipe) = &mut stdin {
            match pipe.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // It need not read what it does not want to know.
                Err(_) => left = &[],
            }
            if left.is_empty() {
                stdin = None;
            }
        }
        let mut buffer = [0; 4_096];
        while let Some(pipe) = &mut stderr
            && let Ok(count @ 1..) = pipe.read(&mut buffer)
        {
            let room = MAX_SAID_BYTES.saturating_sub(said.len());
            said.extend_from_slice(&buffer[..count.min(room)]);
        }
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
                return Err(SendError::new(format!("`{program}` ended with {status}: {said}")));
            }
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            Ok(None) => return Err(SendError::new(format!("`{program}` did not end within {limit:.1?}"))),
            Err(error) => return Err(SendError::new(format!("cannot wait for `{program}`: {error}"))),
        }
    }
}

/// Ends a program and what it started. One that has ended already is not disturbed: it was waited for.
fn end(child: &mut Child) {
    if child.try_wait().is_ok_and(|status| status.is_none()) {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, input: &[u8], limit_ms: u64) -> Result<(), SendError> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        wait(&argv, input, Duration::from_millis(limit_ms))
    }

    #[test]
    fn a_program_is_told_by_its_standard_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("told");
        // More than a pipe holds.
        let input = vec![b'x'; 300_000];
        sh(&format!("cat > {}", file.display()), &input, 20_000).unwrap();
        assert_eq!(std::fs::read(file).unwrap(), input);
        sh("exit 0", &input, 20_000).unwrap();
    }

    #[test]
    fn what_went_wrong_is_told() {
        let error = sh("echo no such pager >&2; exit 3", b"", 20_000).unwrap_err().message;
        assert!(error.contains("no such pager") && error.contains('3'), "{error}");
        let argv = ["/no/such/program".to_owned()];
        assert!(wait(&argv, b"", Duration::from_secs(1)).unwrap_err().message.contains("cannot run"));
    }

    #[test]
    fn one_that_hangs_is_ended_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let error = sh(&format!("sleep 1000 & echo $! > {}; wait", file.display()), b"", 500).unwrap_err().message;
        assert!(error.contains("did not end"), "{error}");
        let pid = std::fs::read_to_string(file).unwrap();
        let gone = || {
            !std::path::Path::new(&format!("/proc/{}/exe", pid.trim())).exists()
                || std::fs::read_link(format!("/proc/{}/exe", pid.trim())).is_err()
        };
        for _ in 0..500 {
            if gone() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("its child still runs");
    }
}
