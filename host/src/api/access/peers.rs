//! Who is at the other end of the Unix socket, and what they may do.

use crate::model::Scope;

/// Where Unix keeps groups and users.
const GROUPS: &str = "/etc/group";
const USERS: &str = "/etc/passwd";

/// The most of either that is read: directories of a whole company stand elsewhere.
const MAX_BYTES: u64 = 4 << 20;

/// A group that may use the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What its members may do.
    pub scope: Scope,
}

/// What the peer with this uid and primary group may do: this user and root everything, the group's members what the
/// configuration says, everybody else nothing. The file's mode keeps them out as well.
pub fn scope_of(uid: u32, gid: u32, own_uid: u32, group: Option<&Group>) -> Option<Scope> {
    if uid == own_uid || uid == 0 {
        return Some(Scope::Admin);
    }
    let group = group?;
    let groups = read(GROUPS);
    let (group_id, members) = find_group(&groups, &group.name)?;
    let is_member = || {
        let users = read(USERS);
        user_name(&users, uid).is_some_and(|name| members.split(',').any(|member| member == name))
    };
    (gid == group_id || is_member()).then_some(group.scope)
}

/// The number of a group.
pub fn group_id(name: &str) -> Option<u32> {
    find_group(&read(GROUPS), name).map(|(id, _)| id)
}

fn read(path: &str) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    let opened = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    if opened.is_err() {
        text.clear();
    }
    text
}

/// `name:password:gid:member,member`, group(5).
fn find_group<'t>(groups: &'t str, name: &str) -> Option<(u32, &'t str)> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let id = fields.nth(1)?.parse().ok()?;
        Some((id, fields.next().unwrap_or_default()))
    })
}

/// `name:password:uid:...`, passwd(5).
fn user_name(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_and_root_may_everything_and_strangers_nothing() {
        assert_eq!(scope_of(1000, 1000, 1000, None), Some(Scope::Admin));
        assert_eq!(scope_of(0, 0, 1000, None), Some(Scope::Admin));
        assert_eq!(scope_of(1001, 1000, 1000, None), None);
        let root_group = Group { name: "root".to_owned(), scope: Scope::Read };
        assert_eq!(scope_of(4_000_000, 0, 1000, Some(&root_group)), Some(Scope::Read), "by its primary group");
        assert_eq!(scope_of(4_000_000, 4_000_000, 1000, Some(&root_group)), None);
    }

    #[test]
    fn groups_and_users_are_read_as_their_manual_has_them() {
        let groups = "root:x:0:\nghost:x:77:alice,bob\nbroken\n";
        assert_eq!(find_group(groups, "ghost"), Some((77, "alice,bob")));
        assert_eq!(find_group(groups, "root"), Some((0, "")));
        assert_eq!(find_group(groups, "gho"), None);
        assert_eq!(user_name("alice:x:1000:1000::/:/bin/sh\n", 1000), Some("alice"));
    }
}
