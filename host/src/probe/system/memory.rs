//! Memory: /proc/meminfo, oom kills, and the limit of our own control group.

use std::path::Path;

use super::linux::read;
use super::types::Memory;

/// How many control groups above ours are asked for a limit.
const MAX_GROUPS: usize = 32;

/// Parses /proc/meminfo (proc_meminfo(5)).
pub(super) fn parse(meminfo: &str) -> Option<Memory> {
    let (mut memory, mut reclaimable, mut available) = (Memory::default(), 0, None);
    for line in meminfo.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let Some(bytes) = value.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()?.checked_mul(1024))
        else {
            continue;
        };
        match key {
            "MemTotal" => memory.total = bytes,
            "MemFree" => memory.free = bytes,
            "MemAvailable" => available = Some(bytes),
            "Cached" => memory.cached = bytes,
            "SReclaimable" => reclaimable = bytes,
            "Buffers" => memory.buffers = bytes,
            "Dirty" => memory.dirty = bytes,
            "SwapTotal" => memory.swap_total = bytes,
            "SwapFree" => memory.swap_free = bytes,
            _ => {}
        }
    }
    memory.cached += reclaimable;
    // Kernels before 3.14 leave the estimate to us.
    memory.available = available.unwrap_or(memory.free + memory.cached + memory.buffers).min(memory.total);
    (memory.total > 0).then_some(memory)
}

/// Processes that were killed for want of memory, out of /proc/vmstat; kernels from 4.13 on tell.
pub(super) fn oom_kills(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Limit and use of the control group that a process is in, by its `cgroup` file: the smallest limit up the tree, with
/// what that group uses. A limit that is not below the machine's memory is none.
pub(super) fn cgroup(mount: &Path, groups: &str, total: u64) -> (Option<u64>, Option<u64>) {
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let legacy = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|controller| controller == "memory").then_some(path)
    });
    match (legacy, unified) {
        (Some(path), _) => walk(&mount.join("memory"), path, "memory.limit_in_bytes", "memory.usage_in_bytes", total),
        (None, Some(path)) => walk(mount, path, "memory.max", "memory.current", total),
        (None, None) => (None, None),
    }
}

fn walk(mount: &Path, path: &str, limit: &str, used: &str, total: u64) -> (Option<u64>, Option<u64>) {
    let number = |group: &Path, file: &str| read(&group.join(file)).ok()?.trim().parse::<u64>().ok();
    // Seen from inside a container the path may lead out of what is mounted.
    let inside = !path.split('/').any(|component| component == "..");
    let own = if inside { mount.join(path.trim_start_matches('/')) } else { mount.to_owned() };
    let smallest = own
        .ancestors()
        .take(MAX_GROUPS)
        .take_while(|group| group.starts_with(mount))
        .filter_map(|group| Some((number(group, limit).filter(|limit| *limit < total)?, group)))
        .min_by_key(|(limit, _)| *limit);
    match smallest {
        Some((limit, group)) => (Some(limit), number(group, used)),
        None => (None, number(&own, used).or_else(|| number(mount, used))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::put;
    use super::*;

    #[test]
    fn kilobytes_become_bytes_and_slabs_count_as_cache() {
        let memory = parse(
            "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 700 kB\nBuffers: 5 kB\nCached: 200 kB\n\
             SwapTotal: 50 kB\nSwapFree: 40 kB\nDirty: 3 kB\nSReclaimable: 20 kB\nHugePages_Total: 0\n",
        )
        .unwrap();
        assert_eq!((memory.total, memory.available, memory.cached), (1_024_000, 716_800, 225_280));
        assert_eq!((memory.swap_total, memory.swap_free, memory.dirty, memory.buffers), (51_200, 40_960, 3_072, 5_120));
        assert_eq!(parse("MemTotal: x kB\n"), None);
        let old = parse("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 5 kB\nCached: 200 kB\n").unwrap();
        assert_eq!(old.available, 305 * 1024);
    }

    #[test]
    fn the_smallest_limit_up_the_tree_counts_with_the_use_of_its_group() {
        let fake = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| put(&fake.path().join(path), text);
        file("a/memory.max", "5000\n");
        file("a/memory.current", "4000\n");
        file("a/b/memory.max", "max\n");
        file("a/b/memory.current", "1000\n");
        assert_eq!(cgroup(fake.path(), "0::/a/b\n", 10_000), (Some(5_000), Some(4_000)));
        assert_eq!(cgroup(fake.path(), "0::/a/b\n", 5_000), (None, Some(1_000)));
        assert_eq!(cgroup(fake.path(), "0::/../../x\n", 10_000), (None, None));
        file("memory/j/memory.limit_in_bytes", "9223372036854771712\n");
        file("memory/j/memory.usage_in_bytes", "77\n");
        let hybrid = "4:cpu:/x\n3:memory,hugetlb:/j\n0::/a\n";
        assert_eq!(cgroup(fake.path(), hybrid, 10_000), (None, Some(77)));
        file("memory/j/memory.limit_in_bytes", "200\n");
        assert_eq!(cgroup(fake.path(), hybrid, 10_000), (Some(200), Some(77)));
    }

    #[test]
    fn kills_are_told_by_kernels_that_count_them() {
        assert_eq!(oom_kills("nr_free_pages 5\noom_kill 3\n"), Some(3));
        assert_eq!(oom_kills("nr_free_pages 5\n"), None);
    }
}
