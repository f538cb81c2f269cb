//! The process table, and the daemons in it.
//!
//! Owns the reading of /proc/PID, the rules by which a process is a daemon's, and the following of those that are.
//! Must not know what a daemon's state is called: whether a missing process is `failed` or was never there is the
//! daemon collector's verdict.
//!
//! What counts is the number of files that are opened: the kernel is 98 % of the cost. A table is one `stat` per
//! process, a beat one file per daemon, and a command line is read once per process.

mod command;
#[cfg(not(target_os = "linux"))]
mod fallback;
#[cfg(target_os = "linux")]
mod linux;
mod matcher;
#[cfg(target_os = "linux")]
mod stat;
mod tracker;
mod types;

#[cfg(not(target_os = "linux"))]
pub use fallback::ProcRoot;
#[cfg(target_os = "linux")]
pub use linux::ProcRoot;
pub use matcher::{Pattern, Rule};
pub use tracker::{Change, DaemonSpec, ExitSignal, Mark, Tracker, Transition};
pub use types::{
    Candidate, Detail, Exit, Identity, MAX_CANDIDATES, MAX_COMMAND_LINE_BYTES, MAX_EXITS, MAX_TABLE, MatchedBy,
    Process, RunState, Scrub, Table, Watched,
};

/// The systemd unit that a control group path names: its innermost component that is a unit other than a slice.
pub fn unit_of_cgroup(cgroup: &str) -> Option<String> {
    const KINDS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];
    let component = cgroup
        .rsplit('/')
        .find(|component| KINDS.iter().any(|kind| component.strip_suffix(kind).is_some_and(|stem| !stem.is_empty())))?;
    // systemd puts an underscore before names that the kernel could take for a file of its own.
    Some(component.strip_prefix('_').unwrap_or(component).to_owned())
}

/// Cuts at a character boundary.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_unit_of_a_control_group_is_named() {
        let unit = |path: &str| unit_of_cgroup(path);
        assert_eq!(unit("/system.slice/nginx.service").as_deref(), Some("nginx.service"));
        assert_eq!(unit("/system.slice/foo.service/payload").as_deref(), Some("foo.service"));
        assert_eq!(
            unit("/user.slice/user-1000.slice/user@1000.service/app.slice/relay.service").as_deref(),
            Some("relay.service")
        );
        assert_eq!(unit("/system.slice/_cgroup.procs.service").as_deref(), Some("cgroup.procs.service"));
        assert_eq!(unit("/user.slice/user-0.slice/session-3.scope").as_deref(), Some("session-3.scope"));
        assert_eq!(unit("/system.slice"), None);
        assert_eq!(unit("/system.slice/.service"), None);
        assert_eq!(unit("/"), None);
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("aä".to_owned(), 2), "a");
        assert_eq!(cut("aä".to_owned(), 3), "aä");
    }
}
