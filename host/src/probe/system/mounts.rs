//! /proc/PID/mountinfo (proc_pid_mountinfo(5)), and which of the mounts are told.
//!
//! Owns the list of pseudo file systems and what counts as the same file system mounted again.

use std::collections::HashMap;

use super::types::MAX_FILESYSTEMS;

/// File systems that hold no data of anybody's.
const PSEUDO: [&str; 31] = [
    "autofs",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "pipefs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tracefs",
];

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device_number: (u32, u32),
    pub(super) path: String,
    pub(super) source: String,
    pub(super) fs_type: String,
    pub(super) read_only: bool,
    /// The whole file system is mounted here, not a part of it.
    whole: bool,
}

/// The mounts that are told, in the order of the listing: of several of one file system the first that shows all of
/// it, else the first; what is hidden below a later mount at the same place is left out.
pub(super) fn select(mountinfo: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    for mount in mountinfo.lines().filter_map(parse) {
        match at.get(&mount.path) {
            Some(&index) => mounts[index] = mount,
            None => {
                at.insert(mount.path.clone(), mounts.len());
                mounts.push(mount);
            }
        }
    }
    let mut told: Vec<Mount> = Vec::new();
    let mut by_device: HashMap<(u32, u32), usize> = HashMap::new();
    for mount in mounts.into_iter().filter(|mount| !PSEUDO.contains(&mount.fs_type.as_str())) {
        match by_device.get(&mount.device_number) {
            Some(&index) if mount.whole && !told[index].whole => told[index] = mount,
            Some(_) => {}
            None => {
                by_device.insert(mount.device_number, told.len());
                told.push(mount);
            }
        }
    }
    told.truncate(MAX_FILESYSTEMS);
    told
}

fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(2);
    let (major, minor) = fields.next()?.split_once(':')?;
    let whole = fields.next()? == "/";
    let path = unescape(fields.next()?);
    let options = fields.next()?;
    let mut fields = after.split(' ');
    let fs_type = unescape(fields.next()?);
    let source = unescape(fields.next()?);
    let super_options = fields.next().unwrap_or_default();
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    Some(Mount {
        device_number: (major.parse().ok()?, minor.parse().ok()?),
        path,
        source,
        fs_type,
        read_only: is_read_only(options) || is_read_only(super_options),
        whole,
    })
}

/// Spaces, tabs, line ends, backslashes and number signs stand as three octal digits behind a backslash.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) if bytes[at] == b'\\' => {
                plain.push(byte);
                at += 4;
            }
            _ => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mountinfo: &str) -> Vec<String> {
        select(mountinfo).into_iter().map(|mount| mount.path).collect()
    }

    #[test]
    fn pseudo_and_bind_mounts_are_left_out() {
        let mountinfo = "\
21 1 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
22 1 0:5 / /proc rw - proc proc rw
23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
24 23 8:1 /srv/data /data rw shared:1 - ext4 /dev/sda1 rw
25 23 0:40 / /run rw - tmpfs tmpfs rw,size=1k
26 23 0:41 /export /mnt/nfs rw,relatime - nfs4 server:/export rw,vers=4.2
27 23 8:17 / /mnt/backup ro - xfs /dev/sdb1 rw
28 23 0:42 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,lowerdir=a:b
";
        assert_eq!(told(mountinfo), ["/", "/run", "/mnt/nfs", "/mnt/backup", "/var/lib/docker/overlay2/x/merged"]);
        let backup = select(mountinfo).remove(3);
        assert!(backup.read_only);
        assert_eq!((backup.device_number, backup.source.as_str()), ((8, 17), "/dev/sdb1"));
    }

    #[test]
    fn the_mount_of_the_whole_is_told_before_one_of_a_part() {
        let mountinfo = "\
1 0 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
2 0 8:1 / /host rw - ext4 /dev/sda1 rw
3 0 8:1 / /again rw - ext4 /dev/sda1 rw
";
        assert_eq!(told(mountinfo), ["/host"]);
        assert_eq!(told(mountinfo.lines().next().unwrap()), ["/etc/hosts"]);
    }

    #[test]
    fn a_mount_below_a_later_one_is_hidden() {
        let mountinfo = "1 0 8:1 / /mnt rw - ext4 /dev/sda1 rw\n2 0 8:2 / /mnt rw - xfs /dev/sda2 rw\n";
        let told = select(mountinfo);
        assert_eq!((told.len(), told[0].fs_type.as_str()), (1, "xfs"));
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(told("1 0 8:1 / /My\\040Disk\\134\\011x rw - ext4 /dev/sda1 rw"), ["/My Disk\\\tx"]);
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("ä\\040ö"), "ä ö");
        assert_eq!(unescape("\\ä\\"), "\\ä\\");
    }

    #[test]
    fn optional_fields_and_broken_lines_do_not_matter() {
        assert_eq!(told("1 0 8:1 / /a rw master:1 propagate_from:2 unbindable - ext4 /dev/sda1 rw"), ["/a"]);
        assert_eq!(told("1 0 8:1 / /a rw master:1\nx\n\n1 0 8 / /a rw - ext4 /dev/sda1 rw"), [""; 0]);
    }
}
