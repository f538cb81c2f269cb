//! Block devices: /proc/diskstats (Documentation/admin-guide/iostats.rst) and what /sys knows of them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::types::{Disk, MAX_DISKS};

/// What the kernel calls a sector here is this many bytes whatever the device says.
const SECTOR_BYTES: u64 = 512;

/// Which block devices are whole, and which stands under a file system.
#[derive(Debug)]
pub(super) struct BlockDevices {
    sys: PathBuf,
    /// None where /sys does not tell.
    whole: Option<HashSet<String>>,
}

impl BlockDevices {
    /// Reads the listing of whole devices.
    pub(super) fn new(sys: &Path) -> Self {
        let whole = std::fs::read_dir(sys.join("block"))
            .ok()
            .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect());
        Self { sys: sys.to_owned(), whole }
    }

    /// The whole device under a file system: by its number, else by the name of what is mounted, which is all there is
    /// for file systems that span devices.
    pub(super) fn under(&self, (major, minor): (u32, u32), source: &str) -> Option<String> {
        let by_number = (major != 0).then(|| self.sys.join(format!("dev/block/{major}:{minor}")));
        let by_name = source
            .strip_prefix("/dev/")
            .map(|name| name.rsplit('/').next().unwrap_or(name))
            .filter(|name| !name.is_empty())
            .map(|name| self.sys.join("class/block").join(name));
        by_number.into_iter().chain(by_name).find_map(|link| self.whole_of(&link))
    }

    /// The link leads to `.../block/sda/sda1`, where a partition stands below its device.
    fn whole_of(&self, link: &Path) -> Option<String> {
        let target = std::fs::read_link(link).ok()?;
        let mut names = target.iter().rev().filter_map(|name| name.to_str());
        let own = names.next()?;
        let above = names.next()?;
        Some(if above == "block" || self.is_whole(own) { own } else { above }.to_owned())
    }

    fn is_whole(&self, name: &str) -> bool {
        match &self.whole {
            Some(whole) => whole.contains(name),
            None => !looks_like_a_partition(name),
        }
    }
}

/// The devices of /proc/diskstats, partitions left out, and loop and RAM devices that never did anything.
pub(super) fn parse(diskstats: &str, devices: &BlockDevices) -> Vec<Disk> {
    diskstats
        .lines()
        .filter_map(parse_line)
        .filter(|disk| devices.is_whole(&disk.name))
        .filter(|disk| {
            let idle = disk.reads == 0 && disk.writes == 0;
            !(idle && (disk.name.starts_with("loop") || disk.name.starts_with("ram")))
        })
        .take(MAX_DISKS)
        .collect()
}

fn parse_line(line: &str) -> Option<Disk> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Disk {
        name: fields.get(2)?.to_string(),
        reads: number(3)?,
        read_bytes: number(5)?.saturating_mul(SECTOR_BYTES),
        writes: number(7)?,
        written_bytes: number(9)?.saturating_mul(SECTOR_BYTES),
        busy_ms: number(12)?,
    })
}

/// By its name alone, where /sys is not to be had: `sda1`, `nvme0n1p2`, `mmcblk0p1`.
fn looks_like_a_partition(name: &str) -> bool {
    let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if bare.len() == name.len() {
        return false;
    }
    if let Some(device) = bare.strip_suffix('p') {
        return device.ends_with(|letter: char| letter.is_ascii_digit());
    }
    ["sd", "vd", "xvd", "hd"].iter().any(|kind| bare.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISKSTATS: &str = "\
   8       0 sda 100 5 2000 30 50 6 4000 40 0 70 110 0 0 0 0 9 8
   8       1 sda1 90 5 1900 30 50 6 4000 40 0 70 110
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0
   7       1 loop1 4 0 8 0 0 0 0 0 0 1 1
 259       0 nvme0n1 1 0 8 0 0 0 0 0 0 5 5
 259       1 nvme0n1p1 1 0 8 0 0 0 0 0 0 5 5
 254       0 dm-0 3 0 24 0 2 0 16 0 0 9 9
 254       1 short 3
";

    fn names(disks: &[Disk]) -> Vec<&str> {
        disks.iter().map(|disk| disk.name.as_str()).collect()
    }

    fn fake() -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        for name in ["sda", "loop0", "loop1", "nvme0n1", "dm-0"] {
            std::fs::create_dir_all(sys.path().join("block").join(name)).unwrap();
        }
        let link = |from: &str, to: &str| {
            let from = sys.path().join(from);
            std::fs::create_dir_all(from.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, from).unwrap();
        };
        link("dev/block/8:1", "../../devices/pci0/block/sda/sda1");
        link("dev/block/254:0", "../../devices/virtual/block/dm-0");
        link("class/block/nvme0n1p1", "../../devices/pci1/nvme/nvme0/nvme0n1/nvme0n1p1");
        sys
    }

    #[test]
    fn partitions_and_idle_loops_are_left_out() {
        let sys = fake();
        let disks = parse(DISKSTATS, &BlockDevices::new(sys.path()));
        assert_eq!(names(&disks), ["sda", "loop1", "nvme0n1", "dm-0"]);
        let sda = &disks[0];
        assert_eq!(
            (sda.reads, sda.read_bytes, sda.writes, sda.written_bytes, sda.busy_ms),
            (100, 1_024_000, 50, 2_048_000, 70)
        );
        let without_sys = BlockDevices::new(Path::new("/does/not/exist"));
        assert_eq!(names(&parse(DISKSTATS, &without_sys)), names(&disks));
    }

    #[test]
    fn the_device_under_a_file_system_is_the_whole_one() {
        let sys = fake();
        let devices = BlockDevices::new(sys.path());
        assert_eq!(devices.under((8, 1), "/dev/sda1").as_deref(), Some("sda"));
        assert_eq!(devices.under((254, 0), "/dev/mapper/root").as_deref(), Some("dm-0"));
        assert_eq!(devices.under((0, 45), "/dev/nvme0n1p1").as_deref(), Some("nvme0n1"), "btrfs");
        assert_eq!(devices.under((0, 46), "tmpfs"), None);
        assert_eq!(devices.under((0, 47), "server:/dev/sda1"), None);
    }
}
