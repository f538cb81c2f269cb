//! Who writes to the store: this command, or the daemon that has its lock.

use std::path::PathBuf;
use std::time::Duration;

use super::{Failure, Place, run};
use crate::clock::Clock;
use crate::control::{self, Answer, Request};
use crate::store::{self, ExclusiveStore, LockError, StoreError};

/// How long a daemon that prunes or marks is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where Unix keeps the names of users.
const USERS: &str = "/etc/passwd";

/// Who writes.
#[derive(Debug)]
pub(crate) enum Writer {
    /// This command has the lock.
    Here(Box<ExclusiveStore>, Clock),
    /// A daemon has it, and takes requests here.
    Daemon(PathBuf),
}

/// Takes the lock, or finds whoever has it. A store that is not there is not made.
pub(crate) fn open(place: &Place) -> Result<Writer, Failure> {
    super::list::open(&place.paths.data_dir)?;
    run::log_to_stderr(&place.loaded.config.log)?;
    let clock = Clock::system(&place.loaded.config.host.proc);
    match ExclusiveStore::open(&place.paths.data_dir, &clock.now()) {
        Ok((store, report)) => {
            run::tell_start(&report);
            Ok(Writer::Here(Box::new(store), clock))
        }
        Err(StoreError::Lock(LockError::Held { path, .. })) => {
            let socket = store::holder(&path)?.and_then(|holder| holder.control_socket);
            socket.map(Writer::Daemon).ok_or_else(|| {
                Failure::new(format!("another ghostd writes to `{}` and does not take requests", path.display()))
                    .hint("it may be a `ghostd snapshot` of somebody else: try again in a moment")
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks the daemon. What it refused is a failure here.
pub(crate) fn ask(socket: &std::path::Path, request: &Request) -> Result<Answer, Failure> {
    ask_for(socket, request, PATIENCE)
}

/// The same of what takes long.
pub(crate) fn ask_for(socket: &std::path::Path, request: &Request, patience: Duration) -> Result<Answer, Failure> {
    match control::ask(socket, request, patience)? {
        Answer::Failed { error } => Err(Failure::new(error)),
        answer => Ok(answer),
    }
}

/// The person at the keyboard, as far as that can be known.
pub(crate) fn who() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    let own = user_name(&users, uid).unwrap_or_else(|| format!("uid {uid}"));
    match std::env::var("SUDO_USER") {
        Ok(person) if uid == 0 && !person.is_empty() && person != own => format!("{person} (by sudo)"),
        _ => own,
    }
}

/// `name:password:uid:...`, passwd(5).
fn user_name(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_third_field() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken\n# 7\nalice:1000:1001:0::/:/bin/sh\n";
        assert_eq!(user_name(users, 0).as_deref(), Some("root"));
        assert_eq!(user_name(users, 1001).as_deref(), Some("alice"));
        assert_eq!(user_name(users, 1000), None);
    }
}
