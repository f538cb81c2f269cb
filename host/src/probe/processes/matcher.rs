//! The rules by which a process is a daemon's.
//!
//! Owns what fits and what never does; must not know how processes are found or followed. Files are read through
//! [`Evidence`], and only when a rule asks for them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::command::{Command, base_name};
use super::types::{MatchedBy, Process, RunState};

/// The kernel keeps this many bytes of a command name.
const COMM_BYTES: usize = 15;
/// Programs whose arguments are what they look for.
const QUERIES: [&str; 8] = ["pgrep", "pkill", "pidof", "killall", "grep", "egrep", "fgrep", "rg"];

/// One way in which a process can be a daemon's. A daemon may have several; the first that fits is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// What a daemon that is only named is found by: the base name of its executable, or of the script that an
    /// interpreter runs, the latter with or without its extension.
    Default(String),
    /// The command name (the kernel's 15 bytes of it).
    Name(String),
    /// The executable: a path, or a base name.
    Executable(String),
    /// The script that an interpreter runs: a path, or a base name with or without its extension.
    Script(String),
    /// The whole command line, as `pgrep -f` looks at it; but no shell with `-c`, and no query.
    CommandLine(Pattern),
    /// The process whose pid is in a file.
    PidFile(PathBuf),
    /// The processes of a systemd unit; `.service` may be left out.
    Unit(String),
}

/// What a command line is searched for: arguments separated by single spaces.
#[derive(Clone)]
pub enum Pattern {
    /// A text that occurs in it.
    Contains(String),
    /// Whatever the caller makes of it, such as a regular expression.
    Test(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(text) => formatter.debug_tuple("Contains").field(text).finish(),
            Self::Test(_) => formatter.write_str("Test(..)"),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Contains(one), Self::Contains(other)) => one == other,
            (Self::Test(one), Self::Test(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// What can be found out about a process beyond its `stat`.
pub(super) trait Evidence {
    /// The path of the executable.
    fn executable(&self) -> Option<String>;
    /// The systemd unit.
    fn unit(&self) -> Option<String>;
}

impl Rule {
    /// Whether the rule looks at the command line.
    pub(super) fn wants_arguments(&self) -> bool {
        matches!(self, Self::Default(_) | Self::Executable(_) | Self::Script(_) | Self::CommandLine(_))
    }

    /// Whether the process fits. `command` is empty for a process that does not tell its arguments.
    fn fits(&self, process: &Process, command: &Command<'_>, evidence: &dyn Evidence) -> Option<MatchedBy> {
        let fits = |fits: bool, by: MatchedBy| fits.then_some(by);
        match self {
            Self::Default(name) => {
                let executable = is_executable(name, process, command, evidence);
                fits(executable, MatchedBy::Executable)
                    .or_else(|| fits(command.script.is_some_and(|script| script.is(name)), MatchedBy::Script))
            }
            Self::Name(name) => fits(is_comm(name, &process.name), MatchedBy::Name),
            Self::Executable(name) => fits(is_executable(name, process, command, evidence), MatchedBy::Executable),
            Self::Script(name) => fits(command.script.is_some_and(|script| script.is(name)), MatchedBy::Script),
            Self::CommandLine(pattern) => {
                if command.arguments.is_empty() || command.inline_shell || is_query(command) {
                    return None;
                }
                let line = String::from_utf8_lossy(&command.arguments.join(&b' ')).into_owned();
                let found = match pattern {
                    Pattern::Contains(text) => line.contains(text.as_str()),
                    Pattern::Test(test) => test(&line),
                };
                fits(found, MatchedBy::CommandLine)
            }
            // Found from the file, not by looking at processes.
            Self::PidFile(_) => None,
            Self::Unit(wanted) => {
                let unit = evidence.unit()?;
                let same = unit == *wanted || unit.strip_suffix(".service") == Some(wanted);
                fits(same, MatchedBy::Unit)
            }
        }
    }
}

/// Whether a process can be anybody's daemon: no thread of the kernel, and not ended. A leader that has ended while
/// other threads of its process live shows as a zombie and is none.
pub(super) fn can_be_a_daemon(process: &Process) -> bool {
    !process.kernel && !is_zombie(process) && process.state != RunState::Dead
}

/// Whether it has ended and waits to be collected.
pub(super) fn is_zombie(process: &Process) -> bool {
    process.state == RunState::Zombie && process.threads <= 1
}

/// By which of the rules the process fits, if by any.
pub(super) fn matched(
    rules: &[Rule],
    process: &Process,
    command: &Command<'_>,
    evidence: &dyn Evidence,
) -> Option<MatchedBy> {
    rules.iter().find_map(|rule| rule.fits(process, command, evidence))
}

/// Whether a zombie was probably the daemon's: nothing but its command name is left.
pub(super) fn zombie_fits(rules: &[Rule], process: &Process) -> bool {
    is_zombie(process)
        && rules.iter().any(|rule| match rule {
            Rule::Default(name) | Rule::Name(name) => is_comm(name, &process.name),
            Rule::Executable(path) => is_comm(&String::from_utf8_lossy(base_name(path.as_bytes())), &process.name),
            _ => false,
        })
}

fn is_comm(wanted: &str, comm: &str) -> bool {
    wanted == comm || (wanted.len() > COMM_BYTES && wanted.as_bytes().get(..COMM_BYTES) == Some(comm.as_bytes()))
}

/// A base name fits what the process calls itself in its first argument, or else, where the command name agrees, the
/// file that it runs: titles are written over arguments (`nginx: master process`), and a link has another name.
fn is_executable(wanted: &str, process: &Process, command: &Command<'_>, evidence: &dyn Evidence) -> bool {
    if wanted.contains('/') {
        return evidence.executable().is_some_and(|path| path == wanted);
    }
    if command.program() == wanted.as_bytes() {
        return true;
    }
    // A script that is started directly gives its name to the process, but the file is the interpreter.
    is_comm(wanted, &process.name)
        && evidence.executable().is_some_and(|path| base_name(path.as_bytes()) == wanted.as_bytes())
}

fn is_query(command: &Command<'_>) -> bool {
    QUERIES.iter().any(|query| query.as_bytes() == command.program())
}

#[cfg(test)]
mod tests {
    use super::super::types::Identity;
    use super::*;

    #[derive(Default)]
    struct Known {
        executable: Option<&'static str>,
        unit: Option<&'static str>,
    }

    impl Evidence for Known {
        fn executable(&self) -> Option<String> {
            self.executable.map(str::to_owned)
        }
        fn unit(&self) -> Option<String> {
            self.unit.map(str::to_owned)
        }
    }

    fn process(comm: &str) -> Process {
        Process {
            identity: Identity { start: 1, pid: 2 },
            ppid: 1,
            name: comm.to_owned(),
            state: RunState::Sleeping,
            kernel: false,
            threads: 1,
            user_ms: 0,
            system_ms: 0,
            resident_bytes: 0,
            virtual_bytes: 0,
            started_ms: 0,
        }
    }

    fn by(rule: Rule, comm: &str, line: &str, evidence: &Known) -> Option<MatchedBy> {
        let raw = line.replace(' ', "\0");
        matched(&[rule], &process(comm), &Command::parse(raw.as_bytes()), evidence)
    }

    #[test]
    fn a_named_daemon_is_its_executable_or_its_script() {
        let rule = || Rule::Default("relayCore".to_owned());
        let nothing = Known::default();
        assert_eq!(by(rule(), "relayCore", "/opt/relayCore -d", &nothing), Some(MatchedBy::Executable));
        assert_eq!(by(rule(), "relayCore.sh", "/bin/sh ./relayCore.sh", &nothing), Some(MatchedBy::Script));
        assert_eq!(by(rule(), "node", "node --inspect dist/relayCore.js", &nothing), Some(MatchedBy::Script));
        assert_eq!(by(rule(), "bash", "bash -c relayCore", &nothing), None);
        assert_eq!(by(rule(), "vim", "vim relayCore.js", &nothing), None);
        assert_eq!(by(rule(), "relayCore2", "relayCore2", &nothing), None);
        assert_eq!(by(rule(), "RelayCore", "RelayCore", &nothing), None);
    }

    #[test]
    fn a_title_over_the_arguments_is_settled_by_the_file_that_runs() {
        let rule = || Rule::Executable("nginx".to_owned());
        let nginx = Known { executable: Some("/usr/sbin/nginx"), unit: None };
        assert_eq!(by(rule(), "nginx", "nginx: master process", &nginx), Some(MatchedBy::Executable));
        let shell = Known { executable: Some("/bin/dash"), unit: None };
        assert_eq!(by(rule(), "nginx", "/bin/sh ./nginx", &shell), None);
        let path = Rule::Executable("/usr/sbin/nginx".to_owned());
        assert_eq!(by(path.clone(), "x", "x", &nginx), Some(MatchedBy::Executable));
        assert_eq!(by(path, "nginx", "/usr/sbin/nginx", &shell), None);
    }

    #[test]
    fn a_command_name_is_compared_up_to_what_the_kernel_keeps() {
        let name = |wanted: &str, comm: &str| by(Rule::Name(wanted.to_owned()), comm, "x", &Known::default());
        assert_eq!(name("validationEngine", "validationEngin"), Some(MatchedBy::Name));
        assert_eq!(name("validationEngin", "validationEngin"), Some(MatchedBy::Name));
        assert_eq!(name("validation", "validationEngin"), None);
    }

    #[test]
    fn a_command_line_is_searched_as_pgrep_does_but_for_shells_and_queries() {
        let rule = || Rule::CommandLine(Pattern::Contains("relayCore --port".to_owned()));
        let line = |line: &str| by(rule(), "x", line, &Known::default());
        assert_eq!(line("node relayCore --port 1"), Some(MatchedBy::CommandLine));
        assert_eq!(line("bash relayCore --port"), Some(MatchedBy::CommandLine));
        assert_eq!(line("bash -c relayCore --port"), None);
        assert_eq!(line("pgrep -f relayCore --port"), None);
        assert_eq!(line("grep relayCore --port"), None);
        assert_eq!(line("node relayCore"), None);
        assert_eq!(line(""), None);
        let test = Pattern::Test(Arc::new(|line: &str| line.ends_with('1')));
        assert_eq!(by(Rule::CommandLine(test), "x", "a 1", &Known::default()), Some(MatchedBy::CommandLine));
    }

    #[test]
    fn a_unit_may_leave_out_service() {
        let nginx = Known { executable: None, unit: Some("nginx.service") };
        let unit = |name: &str| by(Rule::Unit(name.to_owned()), "x", "x", &nginx);
        assert_eq!(unit("nginx"), Some(MatchedBy::Unit));
        assert_eq!(unit("nginx.service"), Some(MatchedBy::Unit));
        assert_eq!(unit("nginx.scope"), None);
        assert_eq!(unit("ngin"), None);
    }

    #[test]
    fn kernel_threads_and_the_dead_are_nobodys_daemon() {
        let mut one = process("watchdogd");
        assert!(can_be_a_daemon(&one));
        one.kernel = true;
        assert!(!can_be_a_daemon(&one));
        let mut ended = process("relayCore");
        ended.state = RunState::Zombie;
        assert!(!can_be_a_daemon(&ended));
        assert!(zombie_fits(&[Rule::Default("relayCore".to_owned())], &ended));
        ended.threads = 3;
        assert!(can_be_a_daemon(&ended), "its other threads live");
    }
}
