//! `ghost:host/processes`.

use super::super::bindings::ghost::host::processes as wit;
use super::super::state::CallState;
use super::fake::given;
use super::{Answer, answer, may_block};
use crate::probe::processes as probe;

impl wit::Host for CallState {
    fn watched(&mut self) -> Answer<Vec<wit::Daemon>> {
        let collector = std::sync::Arc::clone(&self.lent.collector);
        self.lend(
            |fake| given("processes.watched", &fake.processes.watched),
            |services| {
                let (daemons, offset_ns) = services.watched(&collector);
                Ok(Ok(daemons.into_iter().map(|one| daemon(one, offset_ns)).collect()))
            },
        )
    }

    fn follow(&mut self, daemon: String, process: wit::Identity) -> Answer<bool> {
        self.lend(|_| Ok(true), |services| answer(services.follow(&daemon, plain_identity(process)), |told| told))
    }

    fn stat(&mut self, process: wit::Identity) -> Answer<wit::Process> {
        self.lend(|fake| fake.stat(process), |services| answer(services.stat(plain_identity(process)), wire_process))
    }

    fn detail(&mut self, process: wit::Identity) -> Answer<wit::ProcessDetail> {
        self.lend(
            |fake| fake.detail(process),
            |services| {
                answer(services.detail(plain_identity(process)), |detail| wit::ProcessDetail {
                    command_line: detail.command_line,
                    executable: detail.executable,
                    cgroup: detail.cgroup,
                    unit: detail.unit,
                    open_files: detail.open_files,
                    uid: detail.uid,
                })
            },
        )
    }

    fn table(&mut self, limit: u32) -> Answer<wit::ProcessTable> {
        self.lend(
            |fake| fake.table(limit),
            |services| {
                answer(may_block(|| services.table(limit)), |table| wit::ProcessTable {
                    processes: table.processes.into_iter().map(wire_process).collect(),
                    total: table.total,
                    unreadable: table.unreadable,
                })
            },
        )
    }
}

fn plain_identity(identity: wit::Identity) -> probe::Identity {
    probe::Identity { start: identity.start, pid: identity.pid }
}

fn wire_identity(identity: probe::Identity) -> wit::Identity {
    wit::Identity { pid: identity.pid, start: identity.start }
}

fn wire_process(process: probe::Process) -> wit::Process {
    wit::Process {
        identity: wire_identity(process.identity),
        ppid: process.ppid,
        name: process.name,
        state: match process.state {
            probe::RunState::Running => wit::RunState::Running,
            probe::RunState::Sleeping => wit::RunState::Sleeping,
            probe::RunState::DiskSleep => wit::RunState::DiskSleep,
            probe::RunState::Stopped => wit::RunState::Stopped,
            probe::RunState::Traced => wit::RunState::Traced,
            probe::RunState::Zombie => wit::RunState::Zombie,
            probe::RunState::Dead => wit::RunState::Dead,
            probe::RunState::Idle => wit::RunState::Idle,
            probe::RunState::Other => wit::RunState::Other,
        },
        kernel: process.kernel,
        threads: process.threads,
        user_ms: process.user_ms,
        system_ms: process.system_ms,
        resident_bytes: process.resident_bytes,
        virtual_bytes: process.virtual_bytes,
        started_ms: process.started_ms,
    }
}

/// `offset_ns` is what CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the contract has one clock, the first.
fn daemon(watched: probe::Watched, offset_ns: u64) -> wit::Daemon {
    let exit = |exit: probe::Exit| wit::Exit {
        identity: wire_identity(exit.identity),
        at_ms: exit.at_ms,
        at_monotonic_ns: exit.at_monotonic_ns.saturating_add(offset_ns),
        not_before_monotonic_ns: exit.not_before_monotonic_ns.saturating_add(offset_ns),
        code: exit.code,
        signal: exit.signal,
    };
    let candidate = |candidate: probe::Candidate| wit::Candidate {
        identity: wire_identity(candidate.identity),
        matched_by: candidate.matched_by.as_str().to_owned(),
    };
    wit::Daemon {
        name: watched.name,
        restarted_for_ms: watched.restarted_for_ms,
        maintenance: watched.maintenance,
        candidates: watched.candidates.into_iter().map(candidate).collect(),
        candidate_count: watched.candidate_count,
        zombie: watched.zombie.map(wire_identity),
        exits: watched.exits.into_iter().map(exit).collect(),
        unit_restarts: watched.unit_restarts,
        error: watched.error,
    }
}

/// Scrubs command lines before a guest sees them.
pub(super) struct Scrubber<'a>(pub(super) &'a crate::sanitize::Sanitizer);

impl probe::Scrub for Scrubber<'_> {
    fn argv(&self, arguments: &[u8]) -> String {
        self.0.command_line(arguments, &mut crate::sanitize::Report::default())
    }
}
