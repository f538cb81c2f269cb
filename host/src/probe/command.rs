//! Running a program to its end, or to its deadline: what the capabilities `commands`, `units` and `journal` stand on.
//!
//! Owns the child, its process group, its pipes and its end. The program gets no standard input and of the environment
//! only what finding programs and printing text needs: ghostd's own may hold secrets. Must not know who asked.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{Error, Result};

/// Where programs are looked for when ghostd itself has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How often a child is asked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long after its end (or its group's) the rest of its output is waited for: a grandchild that left the group may
/// hold the pipe for ever.
const DRAIN: Duration = Duration::from_millis(100);

/// What may be taken of a program's output, and how long it may run.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From its start to its end.
    pub wall: Duration,
    /// Bytes of standard output that are kept. More is read and thrown away, so that the program is not held up.
    pub stdout_bytes: usize,
    /// Likewise of standard error.
    pub stderr_bytes: usize,
}

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; none where a signal or the deadline ended it.
    pub code: Option<i32>,
    /// Whether it was still running at its deadline.
    pub timed_out: bool,
    /// Standard output, cut.
    pub stdout: Vec<u8>,
    /// Standard error, cut.
    pub stderr: Vec<u8>,
    /// Whether something was cut.
    pub truncated: bool,
    /// From its start to its end.
    pub duration: Duration,
}

/// Runs a program with its arguments, and ends its whole process group at the deadline.
pub fn run(argv: &[String], bounds: Bounds) -> Result<Output> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Error::Invalid("a command has at least a program".to_owned()))?;
    let started = Instant::now();
    let mut child = Group::start(program, arguments)?;
    let stdout = child.0.stdout.take().map(|pipe| keep(pipe, bounds.stdout_bytes));
    let stderr = child.0.stderr.take().map(|pipe| keep(pipe, bounds.stderr_bytes));
    let status = child.ended_by(started + bounds.wall).map_err(|error| Error::from_io(program, &error))?;
    let duration = started.elapsed();
    // Whatever it started ends with it: nothing of a call outlives the call.
    drop(child);
    let (stdout, cut_stdout) = kept(stdout);
    let (stderr, cut_stderr) = kept(stderr);
    Ok(Output {
        code: status.and_then(|status| status.code()),
        timed_out: status.is_none(),
        stdout,
        stderr,
        truncated: cut_stdout || cut_stderr,
        duration,
    })
}

/// Gives the lines of a program's standard output, one by one and without their line feeds, until `take` has enough,
/// the program ends, or the deadline comes. A line is cut at `line_bytes`.
pub fn lines(argv: &[String], wall: Duration, line_bytes: usize, mut take: impl FnMut(&[u8]) -> bool) -> Result<Ended> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Error::Invalid("a command has at least a program".to_owned()))?;
    let deadline = Instant::now() + wall;
    let mut child = Group::start(program, arguments)?;
    let stderr = child.0.stderr.take().map(|pipe| keep(pipe, 4096));
    let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(64);
    if let Some(pipe) = child.0.stdout.take() {
        // Ends when the pipe does, which the end of the process group brings about, or when nobody listens any more.
        std::thread::spawn(move || {
            let mut reader = io::BufReader::with_capacity(64 << 10, pipe);
            let mut line = Vec::new();
            while let Ok(true) = read_line(&mut reader, &mut line, line_bytes) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    break;
                }
            }
        });
    }
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if take(&line) => {}
            Ok(_) => return Ok(Ended::Enough),
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Ended::Deadline),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.ended_by(deadline).map_err(|error| Error::from_io(program, &error))?;
    drop(child);
    Ok(match status {
        None => Ended::Deadline,
        Some(status) => Ended::Exited(status, String::from_utf8_lossy(&kept(stderr).0).trim().to_owned()),
    })
}

/// How [`lines`] ended.
#[derive(Debug)]
pub enum Ended {
    /// Whoever took the lines had enough.
    Enough,
    /// The program took too long.
    Deadline,
    /// It ended, with this on standard error.
    Exited(ExitStatus, String),
}

/// Whether a program is to be found.
pub fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    search_path().split(':').any(|dir| Path::new(dir).join(program).is_file())
}

fn search_path() -> String {
    std::env::var("PATH").ok().filter(|path| !path.is_empty()).unwrap_or_else(|| PATH.to_owned())
}

/// A child that is the head of a process group, all of which is killed when this is dropped.
struct Group(Child);

impl Group {
    fn start(program: &str, arguments: &[String]) -> Result<Self> {
        Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", search_path())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map(Self)
            .map_err(|error| Error::from_io(&format!("program `{program}`"), &error))
    }

    /// Its status, or none where it still runs at the deadline.
    fn ended_by(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(LOOK_EVERY.min(left));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // One that has ended altogether is not there any more.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

type Kept = mpsc::Receiver<(Vec<u8>, bool)>;

/// Reads a pipe to its end on a thread and keeps its beginning.
fn keep(mut pipe: impl Read + Send + 'static, most: usize) -> Kept {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let (mut bytes, mut cut) = (Vec::new(), false);
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            let room = most - bytes.len();
            bytes.extend_from_slice(&buffer[..read.min(room)]);
            cut |= read > room;
        }
        let _ = sender.send((bytes, cut));
    });
    receiver
}

fn kept(pipe: Option<Kept>) -> (Vec<u8>, bool) {
    pipe.and_then(|pipe| pipe.recv_timeout(DRAIN).ok()).unwrap_or((Vec::new(), true))
}

/// One line without its line feed; what is beyond `most` is read and thrown away. False at the end.
fn read_line(reader: &mut impl io::BufRead, line: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    line.clear();
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = memchr::memchr(b'\n', chunk);
        let text = &chunk[..end.unwrap_or(chunk.len())];
        line.extend_from_slice(&text[..text.len().min(most.saturating_sub(line.len()))]);
        let used = end.map_or(chunk.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// What ended a program, in words.
pub fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    const BOUNDS: Bounds = Bounds { wall: Duration::from_secs(20), stdout_bytes: 1000, stderr_bytes: 10 };

    #[test]
    fn output_is_kept_within_bounds_and_the_program_is_not_held_up() {
        let output = run(&sh("yes | head -c 300000; echo much too long >&2; exit 3"), BOUNDS).unwrap();
        assert_eq!((output.code, output.stdout.len(), output.truncated), (Some(3), 1000, true));
        assert_eq!(output.stderr, b"much too l");
    }

    #[test]
    fn the_environment_is_not_handed_on() {
        let output = run(&sh("env"), BOUNDS).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().all(|line| {
            ["PATH=", "LC_ALL=", "TZ=", "PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|known| line.starts_with(known))
        }));
    }

    #[test]
    fn a_program_and_what_it_started_end_at_the_deadline() {
        let started = Instant::now();
        let bounds = Bounds { wall: Duration::from_millis(200), ..BOUNDS };
        let output = run(&sh("echo $$; sleep 1000 & sleep 1000"), bounds).unwrap();
        assert!(output.timed_out && output.code.is_none());
        assert!(started.elapsed() < Duration::from_secs(10));
        let group = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        let group = rustix::process::Pid::from_raw(group).unwrap();
        let gone = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            rustix::process::test_kill_process_group(group).is_err()
        });
        assert!(gone, "the sleepers live on");
    }

    #[test]
    fn lines_stop_when_there_are_enough() {
        let mut seen = Vec::new();
        let ended = lines(&sh("yes abcdef"), Duration::from_secs(20), 3, |line| {
            seen.push(String::from_utf8(line.to_vec()).unwrap());
            seen.len() < 3
        });
        assert!(matches!(ended, Ok(Ended::Enough)));
        assert_eq!(seen, ["abc", "abc", "abc"]);
        let ended = lines(&sh("echo one; echo no >&2; exit 4"), Duration::from_secs(20), 100, |_| true);
        assert!(matches!(ended, Ok(Ended::Exited(status, words)) if status.code() == Some(4) && words == "no"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let error = run(&["/no/such/program".to_owned()], BOUNDS).unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert!(is_there("sh") && !is_there("no-such-program-anywhere"));
    }
}
