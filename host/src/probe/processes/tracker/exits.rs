//! The end of a process that is followed.
//!
//! Owns the pidfds, the one epoll descriptor that they share, and the recording of exits.

use std::io;

#[cfg(target_os = "linux")]
use super::super::super::Error;
use super::super::super::{Moment, NS_PER_MS, Result};
use super::super::ProcRoot;
use super::super::matcher::is_zombie;
use super::super::types::{Exit, Identity, MAX_EXITS};
use super::{Change, Mark, Tracker, Transition};

/// How many pidfds are held in all: a rule that fits hundreds of processes must not use up our descriptors.
#[cfg(target_os = "linux")]
const MAX_PIDFDS: usize = 256;
/// How many ended processes are held until their parents collect them and the kernel tells their exit status.
#[cfg(target_os = "linux")]
const MAX_UNCOLLECTED: usize = 64;

#[cfg(target_os = "linux")]
pub(super) use linux::Follower;
#[cfg(not(target_os = "linux"))]
pub(super) use polling::Follower;

/// Becomes ready when a followed process ends: await it in the main loop, then call [`Tracker::on_exit`].
#[derive(Debug)]
pub struct ExitSignal {
    #[cfg(target_os = "linux")]
    ready: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
}

impl ExitSignal {
    /// Waits until a followed process has ended. Never returns where the kernel does not tell. Safe to drop and call
    /// again: nothing that was signalled is lost, because [`Tracker::on_exit`] asks the kernel.
    pub async fn wait(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            self.ready.readable().await?.clear_ready();
            Ok(())
        }
        #[cfg(not(target_os = "linux"))]
        std::future::pending().await
    }
}

/// What ended, and how if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) daemon: usize,
    pub(super) identity: Identity,
    /// As wait(2) has it.
    pub(super) wait_status: Option<i32>,
}

impl Tracker {
    /// What the main loop awaits. None where the kernel does not tell, and looks must suffice. Must be called within
    /// a tokio runtime.
    pub fn exit_signal(&self) -> io::Result<Option<ExitSignal>> {
        self.follower.signal()
    }

    /// Whether the ends of processes are told by the kernel.
    pub fn is_told(&self) -> bool {
        self.follower.is_told()
    }

    /// Takes note of what ended. To be called when [`ExitSignal::wait`] returns, without delay: what the kernel tells
    /// is recorded as having happened now.
    pub fn on_exit(&mut self, now: Moment) -> Vec<Transition> {
        self.drain(now, now.monotonic_ns);
        self.told(now)
    }

    /// Takes note of what the kernel says has ended, at or after `not_before_ns`.
    pub(super) fn drain(&mut self, now: Moment, not_before_ns: u64) {
        let (ended, collected) = self.follower.ended(&self.root, now);
        for ended in ended {
            self.record_end(ended, now, not_before_ns);
        }
        for ended in collected {
            self.record_status(ended);
        }
    }

    /// Removes an ended candidate and records its exit. Nothing where it is no candidate any more.
    pub(super) fn record_end(&mut self, ended: Ended, now: Moment, not_before_ns: u64) {
        let Ended { daemon, identity, wait_status } = ended;
        let Some(watched) = self.daemons.get_mut(daemon) else { return };
        let Some(at) = watched.position(identity) else { return };
        watched.found.remove(at);
        self.follower.forget(daemon, identity);
        let (code, signal) = wait_status.map_or((None, None), split_status);
        let exit = Exit {
            identity,
            at_ms: now.realtime_ns.div_euclid(NS_PER_MS as i64),
            at_monotonic_ns: now.monotonic_ns,
            not_before_monotonic_ns: not_before_ns.min(now.monotonic_ns),
            code,
            signal,
        };
        self.next_exit += 1;
        watched.exits.push_back((Mark(self.next_exit), exit));
        if watched.exits.len() > MAX_EXITS {
            watched.exits.pop_front();
        }
        // It may wait to be collected.
        if self.root.stat(identity, now).is_ok_and(|process| is_zombie(&process)) {
            watched.zombie = Some(identity);
        }
        let daemon = watched.spec.name.clone();
        self.tell(Transition { daemon, identity, change: Change::Ended(exit) });
    }

    /// Adds what became known later of how a process ended.
    fn record_status(&mut self, ended: Ended) {
        let Some(watched) = self.daemons.get_mut(ended.daemon) else { return };
        let (Some(status), Some((_, exit))) =
            (ended.wait_status, watched.exits.iter_mut().rev().find(|(_, exit)| exit.identity == ended.identity))
        else {
            return;
        };
        (exit.code, exit.signal) = split_status(status);
    }

    /// Forgets zombies that have been collected.
    pub(super) fn check_zombies(&mut self, now: Moment) {
        for daemon in &mut self.daemons {
            let Some(identity) = daemon.zombie else { continue };
            self.opened += 1;
            if !self.root.stat(identity, now).is_ok_and(|process| is_zombie(&process)) {
                daemon.zombie = None;
            }
        }
    }
}

/// Exit status and signal out of a wait status (wait(2)).
fn split_status(status: i32) -> (Option<i32>, Option<i32>) {
    let signal = status & 0x7f;
    if signal == 0 { (Some((status >> 8) & 0xff), None) } else { (None, Some(signal)) }
}

/// The error for a candidate that ended before it could be followed.
#[cfg(target_os = "linux")]
fn ended_before(identity: Identity) -> Error {
    Error::NotFound(format!("process `{}` has ended", identity.pid))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::os::fd::{AsFd as _, OwnedFd};

    use rustix::buffer::spare_capacity;
    use rustix::event::epoll;
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::super::super::super::raw;
    use super::*;

    /// The pidfds and their epoll descriptor.
    #[derive(Debug)]
    pub(in super::super) struct Follower {
        epoll: Option<OwnedFd>,
        held: HashMap<u64, Held>,
        tokens: HashMap<(usize, Identity), u64>,
        preferred: HashMap<usize, Identity>,
        next_token: u64,
    }

    #[derive(Debug)]
    struct Held {
        daemon: usize,
        identity: Identity,
        pidfd: OwnedFd,
        /// It has ended, and its exit status is awaited.
        over: bool,
    }

    impl Follower {
        pub(in super::super) fn new(root: &ProcRoot) -> Self {
            // Another namespace's pids mean other processes to the kernel.
            let epoll = root
                .is_own_namespace()
                .then(|| pidfd_open(Pid::from_raw(std::process::id().cast_signed())?, PidfdFlags::empty()).ok())
                .flatten()
                .and_then(|_| epoll::create(epoll::CreateFlags::CLOEXEC).ok());
            Self { epoll, held: HashMap::new(), tokens: HashMap::new(), preferred: HashMap::new(), next_token: 0 }
        }

        pub(in super::super) fn is_told(&self) -> bool {
            self.epoll.is_some()
        }

        pub(in super::super) fn signal(&self) -> io::Result<Option<ExitSignal>> {
            let Some(epoll) = &self.epoll else { return Ok(None) };
            let ready = raw::readable(epoll.try_clone()?)?;
            Ok(Some(ExitSignal { ready }))
        }

        /// Whether the end of this process will be told.
        pub(in super::super) fn holds(&self, daemon: usize, identity: Identity) -> bool {
            self.tokens.contains_key(&(daemon, identity))
        }

        /// Follows it; false where the kernel does not tell or descriptors are used up.
        pub(in super::super) fn hold(
            &mut self,
            daemon: usize,
            identity: Identity,
            root: &ProcRoot,
            now: Moment,
        ) -> Result<bool> {
            if self.holds(daemon, identity) {
                return Ok(true);
            }
            let Some(epoll) = &self.epoll else { return Ok(false) };
            if self.held.len() >= MAX_PIDFDS {
                return Ok(false);
            }
            let Some(pid) = Pid::from_raw(identity.pid.cast_signed()) else { return Ok(false) };
            let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(pidfd) => pidfd,
                Err(Errno::SRCH) => return Err(ended_before(identity)),
                Err(errno) => {
                    tracing::debug!(%errno, pid = identity.pid, "Process cannot be followed, it is looked at instead.");
                    return Ok(false);
                }
            };
            // The pid may have become another process's before it was opened; now it cannot any more.
            root.stat(identity, now)?;
            let token = self.next_token;
            // Edge-triggered: told once at the end, and once more when the process is collected.
            let events = epoll::EventFlags::IN | epoll::EventFlags::ET;
            if epoll::add(epoll, &pidfd, epoll::EventData::new_u64(token), events).is_err() {
                return Ok(false);
            }
            self.next_token += 1;
            self.held.insert(token, Held { daemon, identity, pidfd, over: false });
            self.tokens.insert((daemon, identity), token);
            Ok(true)
        }

        /// Follows it before all others of the daemon, and makes room for it.
        pub(in super::super) fn prefer(
            &mut self,
            daemon: usize,
            identity: Identity,
            root: &ProcRoot,
            now: Moment,
        ) -> Result<bool> {
            self.preferred.insert(daemon, identity);
            if self.held.len() >= MAX_PIDFDS && !self.holds(daemon, identity) {
                let spare = self
                    .held
                    .iter()
                    .filter(|(_, held)| held.over || self.preferred.get(&held.daemon) != Some(&held.identity))
                    .map(|(token, _)| *token)
                    .next();
                if let Some(token) = spare {
                    self.release(token);
                }
            }
            self.hold(daemon, identity, root, now)
        }

        /// No longer follows a process that has ended, but for its exit status.
        pub(in super::super) fn forget(&mut self, daemon: usize, identity: Identity) {
            if let Some(token) = self.tokens.remove(&(daemon, identity)) {
                let over = self.held.values().filter(|held| held.over).count();
                let Some(held) = self.held.get_mut(&token) else { return };
                if over < MAX_UNCOLLECTED && raw::exit_status(held.pidfd.as_fd()).is_none() {
                    held.over = true;
                } else {
                    self.release(token);
                }
            }
            if self.preferred.get(&daemon) == Some(&identity) {
                self.preferred.remove(&daemon);
            }
        }

        /// No longer follows a process that lives on as something else.
        pub(in super::super) fn drop_living(&mut self, daemon: usize, identity: Identity) {
            if let Some(token) = self.tokens.remove(&(daemon, identity)) {
                self.release(token);
            }
        }

        /// What has ended since the last call, and what was collected and told its exit status.
        pub(in super::super) fn ended(&mut self, root: &ProcRoot, now: Moment) -> (Vec<Ended>, Vec<Ended>) {
            let (mut ended, mut collected) = (Vec::new(), Vec::new());
            let Some(epoll) = &self.epoll else { return (ended, collected) };
            let zero = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
            loop {
                let mut events = Vec::with_capacity(64);
                match epoll::wait(epoll, spare_capacity(&mut events), Some(&zero)) {
                    Ok(0) => break,
                    Err(Errno::INTR) => continue,
                    Err(errno) => {
                        tracing::warn!(%errno, "Ends of processes cannot be waited for.");
                        break;
                    }
                    Ok(_) => {}
                }
                for event in events {
                    let Some(held) = self.held.get(&event.data.u64()) else { continue };
                    if !held.over {
                        let wait_status = raw::exit_status(held.pidfd.as_fd());
                        ended.push(Ended { daemon: held.daemon, identity: held.identity, wait_status });
                    }
                }
            }
            // Older kernels do not signal the collecting, so those that are over are asked each time.
            let over: Vec<u64> = self.held.iter().filter(|(_, held)| held.over).map(|(token, _)| *token).collect();
            for token in over {
                let Some(held) = self.held.get(&token) else { continue };
                // Asked in this order: what is gone from the table has its status told by then, if ever.
                let gone = root.stat(held.identity, now).is_err();
                let wait_status = raw::exit_status(held.pidfd.as_fd());
                if wait_status.is_some() || gone {
                    collected.push(Ended { daemon: held.daemon, identity: held.identity, wait_status });
                    self.release(token);
                }
            }
            (ended, collected)
        }

        fn release(&mut self, token: u64) {
            // Closing the last descriptor of a pidfd takes it out of the epoll set.
            if let Some(held) = self.held.remove(&token) {
                self.tokens.remove(&(held.daemon, held.identity));
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod polling {
    use super::*;

    /// Where the kernel does not tell, nothing is held and every look looks.
    #[derive(Debug)]
    pub(in super::super) struct Follower;

    impl Follower {
        pub(in super::super) fn new(_: &ProcRoot) -> Self {
            Self
        }

        pub(in super::super) fn is_told(&self) -> bool {
            false
        }

        pub(in super::super) fn signal(&self) -> io::Result<Option<ExitSignal>> {
            Ok(None)
        }

        pub(in super::super) fn holds(&self, _: usize, _: Identity) -> bool {
            false
        }

        pub(in super::super) fn hold(&mut self, _: usize, _: Identity, _: &ProcRoot, _: Moment) -> Result<bool> {
            Ok(false)
        }

        pub(in super::super) fn prefer(
            &mut self,
            _: usize,
            identity: Identity,
            root: &ProcRoot,
            now: Moment,
        ) -> Result<bool> {
            root.stat(identity, now).map(|_| false)
        }

        pub(in super::super) fn forget(&mut self, _: usize, _: Identity) {}

        pub(in super::super) fn drop_living(&mut self, _: usize, _: Identity) {}

        pub(in super::super) fn ended(&mut self, _: &ProcRoot, _: Moment) -> (Vec<Ended>, Vec<Ended>) {
            (Vec::new(), Vec::new())
        }
    }
}
