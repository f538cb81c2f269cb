//! A place for one ghostd, the commands that are given there, and the daemon that runs there.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;

pub(crate) use rustix::process::Signal;

/// How long anything may take that should take a moment. Only a failure waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often what is awaited is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Configuration that keeps a test quiet: the default's log files are the machine's and have nothing to do with it.
pub(crate) const QUIET: &str = "[collector.anomaly]\nfiles = {}\n";

/// Looks until there is something, and fails with `what` when it takes too long.
#[track_caller]
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < limit, "{what}: not within {} s", limit.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Held by tests that measure a rhythm or that use every processor, so that they do not do it at the same time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed while it held this says nothing about the next one.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Its standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The same answer, held against its exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// A temporary directory with a configuration, a data directory and a control socket of its own.
#[derive(Debug)]
pub(crate) struct Site {
    dir: TempDir,
}

impl Site {
    /// A place where nothing was ever recorded.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::Builder::new().prefix("ghostd-e2e-").tempdir().unwrap() }
    }

    /// A place with this configuration, where the built-in collectors are compiled already: compiling them takes
    /// seconds, and is the business of other tests.
    pub(crate) fn with(config: &str) -> Self {
        let site = Self::empty();
        site.configure(config);
        let (from, to) = (warm().join("cache"), site.data().join("cache"));
        for dir in [site.data(), to.clone()] {
            make_private(&dir);
        }
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        site
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, config: &str) {
        let socket = self.path("control.sock");
        // A free port: many of these run at once.
        let api = if config.contains("[api]") { "" } else { "[api]\nlisten = \"127.0.0.1:0\"\n" };
        let text = format!("{config}\n{api}[control]\nsocket = {:?}\n", socket.to_str().unwrap());
        std::fs::write(self.config_file(), text).unwrap();
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// A ghostd that sees of its surroundings nothing but this place.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghostd"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GHOSTD_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.root()).env("HOME", self.root()).env("TZ", "UTC");
        for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
            command.env_remove(variable);
        }
        if self.config_file().exists() {
            command.arg("--config").arg(self.config_file());
        }
        command.arg("--data-dir").arg(self.data()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Gives a command and waits for its end.
    #[track_caller]
    pub(crate) fn ghostd(&self, arguments: &[&str]) -> Answer {
        let output = bounded(self.command(arguments));
        Answer {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Compiles components into the cache, a few at a time: one command has its limit, and a machine may be busy.
    #[track_caller]
    pub(crate) fn compile(&self, files: &[&str]) {
        for some in files.chunks(5) {
            let arguments: Vec<&str> = ["collector", "compile"].into_iter().chain(some.iter().copied()).collect();
            self.ghostd(&arguments).exits(0);
        }
    }

    /// Takes a snapshot and reads it.
    #[track_caller]
    pub(crate) fn snapshot(&self) -> Json {
        let answer = self.ghostd(&["snapshot", "--json"]).exits(0).json();
        read(Path::new(answer["path"].as_str().unwrap()))
    }

    /// The files of all snapshots, oldest first: their names sort by time.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.data().join("snapshots")) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        files
    }

    /// The newest snapshot that is stored.
    pub(crate) fn newest(&self) -> Option<Json> {
        self.files().last().map(|file| read(file))
    }

    /// Every file below the data directory.
    pub(crate) fn all_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut left = vec![self.data()];
        while let Some(dir) = left.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { left.push(path) } else { found.push(path) }
            }
        }
        found
    }

    /// Starts the daemon and waits until it answers.
    #[track_caller]
    pub(crate) fn run(&self) -> Daemon<'_> {
        let daemon = self.start();
        until("the daemon answers", PATIENCE, || daemon.try_status());
        daemon
    }

    /// Starts the daemon.
    pub(crate) fn start(&self) -> Daemon<'_> {
        let mut child =
            self.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ghostd starts");
        let log = Arc::<Mutex<Vec<u8>>>::default();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for mut pipe in pipes {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                    log.lock().unwrap().extend_from_slice(&buffer[..n]);
                }
            });
        }
        Daemon { site: self, child, log }
    }
}

/// `ghostd run`, killed when it is dropped. A test that fails shows what it said.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    site: &'a Site,
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Daemon<'_> {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far, both streams.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until it has printed something.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        until(&format!("the daemon says `{words}`"), PATIENCE, || self.log().contains(words).then_some(()));
    }

    /// `status --json`; the exit status says how the machine is, which is not what is asked here.
    pub(crate) fn try_status(&self) -> Option<Json> {
        let answer = self.site.ghostd(&["status", "--json"]);
        (answer.code != Some(2)).then(|| answer.json())
    }

    #[track_caller]
    pub(crate) fn status(&self) -> Json {
        self.try_status().expect("the daemon answers")
    }

    /// What `status` says of one watched daemon.
    pub(crate) fn watched(&self, name: &str) -> Json {
        let status = self.status();
        let daemons = status["heartbeat"]["daemons"].as_array().cloned().unwrap_or_default();
        daemons.into_iter().find(|daemon| daemon["name"] == name).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Its end, which must come within the limit.
    #[track_caller]
    pub(crate) fn ended(&mut self, limit: Duration) -> ExitStatus {
        until("the daemon ends", limit, || self.child.try_wait().unwrap())
    }

    /// How long its threads were ready to run and waited for a processor, all together (proc(5), `schedstat`).
    pub(crate) fn starved(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
            .map(Duration::from_nanos)
            .sum()
    }

    /// Its resident memory.
    pub(crate) fn rss_bytes(&self) -> u64 {
        self.memory_bytes("VmRSS:")
    }

    /// The part of it that is its own: without mapped files, such as the native code of collectors.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.memory_bytes("RssAnon:")
    }

    fn memory_bytes(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).expect("a living process has memory");
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(6000).map_or(0, |(place, _)| place);
            eprintln!("--- the daemon said\n{}\n---", &log[from..]);
        }
    }
}

/// A process of the test, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", program.display()));
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body of a snapshot's file.
#[track_caller]
pub(crate) fn read(file: &Path) -> Json {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let whole: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    whole["snapshot"].clone()
}

/// The collector of this name in a snapshot or a status.
#[track_caller]
pub(crate) fn collector<'a>(of: &'a Json, name: &str) -> &'a Json {
    of["collectors"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == name))
        .unwrap_or_else(|| panic!("no collector `{name}` in {:#}", of["collectors"]))
}

/// A directory that ghostd trusts.
pub(crate) fn make_private(dir: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).unwrap();
}

fn send(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Runs a command to its end. One that hangs is killed and fails the test, with what it said.
#[track_caller]
pub(crate) fn bounded(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let read = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if started.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} hangs; it said {}", String::from_utf8_lossy(&stderr.join().unwrap()));
            }
        }
    };
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// A data directory whose cache holds the built-in collectors, made once per run.
fn warm() -> &'static Path {
    static WARM: OnceLock<Site> = OnceLock::new();
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let site = WARM.get_or_init(|| {
            let site = Site::empty();
            site.ghostd(&["collector", "compile"]).exits(0);
            site
        });
        site.data()
    })
}
