//! Mounted file systems: space, inodes, and the traffic of the device below.

use ghostd_sdk::Metric;
use ghostd_sdk::host::system::{Filesystem, Usage};
use serde::Serialize;

use crate::disk;
use crate::rate::percent;

/// The most file systems in the body, those that do not answer and the fullest first; the others are
/// counted. A build machine with hundreds of mounts must not make every snapshot large.
pub(crate) const MAX_LISTED: usize = 64;
/// The most file systems that get series of their own: the largest, since that choice is stable.
pub(crate) const MAX_SERIES: usize = 24;

/// One of `filesystems` in the body.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    pub(crate) mount: String,
    pub(crate) device: String,
    pub(crate) fs_type: String,
    pub(crate) read_only: bool,
    #[serde(flatten)]
    pub(crate) space: Option<Space>,
    /// Why there is no space: `pending: ...` for a mount that does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The block device under it, and what was read from it and written to it, by whichever mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) written_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_bytes_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) written_bytes_per_second: Option<f64>,
}

/// What a file system that answers says.
#[derive(Debug, Serialize)]
pub(crate) struct Space {
    pub(crate) total_bytes: u64,
    pub(crate) used_bytes: u64,
    /// What an unprivileged user may still take.
    pub(crate) available_bytes: u64,
    /// Used of used and available together, as df(1) reckons: what is reserved for root is not free.
    pub(crate) usage_percent: Option<f64>,
    pub(crate) inodes: u64,
    pub(crate) inodes_used: u64,
    /// None where the file system has no fixed number of inodes.
    pub(crate) inodes_percent: Option<f64>,
}

/// All file systems.
#[derive(Debug)]
pub(crate) struct Filesystems {
    /// By mount, at most [`MAX_LISTED`].
    pub(crate) listed: Vec<Body>,
    /// How many there are beside these.
    pub(crate) omitted: usize,
    /// A sentence for each that did not answer.
    pub(crate) warnings: Vec<String>,
    /// The points of the largest.
    pub(crate) metrics: Vec<Metric>,
}

/// `disks` are those of the same call.
#[must_use]
pub(crate) fn read(filesystems: &[Filesystem], disks: &[disk::Body]) -> Filesystems {
    let mut listed: Vec<Body> = filesystems.iter().map(|filesystem| body(filesystem, disks)).collect();
    let warnings = filesystems
        .iter()
        .filter_map(|filesystem| {
            Some(format!("file system `{}`: {}", filesystem.mount, filesystem.usage.as_ref().err()?))
        })
        .collect();
    let metrics = metrics(&listed);
    let omitted = listed.len().saturating_sub(MAX_LISTED);
    if omitted > 0 {
        listed.sort_by(|a, b| urgency(b).total_cmp(&urgency(a)));
        listed.truncate(MAX_LISTED);
    }
    listed.sort_by(|a, b| a.mount.cmp(&b.mount));
    Filesystems { listed, omitted, warnings, metrics }
}

fn body(filesystem: &Filesystem, disks: &[disk::Body]) -> Body {
    let below = filesystem.disk.as_ref().and_then(|name| disks.iter().find(|disk| disk.name == *name));
    let rates = below.and_then(|disk| disk.rates);
    Body {
        mount: filesystem.mount.clone(),
        device: filesystem.device.clone(),
        fs_type: filesystem.fs_type.clone(),
        read_only: filesystem.read_only,
        space: filesystem.usage.as_ref().ok().map(space),
        error: filesystem.usage.as_ref().err().map(ToString::to_string),
        disk: filesystem.disk.clone(),
        read_bytes: below.map(|disk| disk.read_bytes),
        written_bytes: below.map(|disk| disk.written_bytes),
        read_bytes_per_second: rates.map(|rates| rates.read_bytes_per_second),
        written_bytes_per_second: rates.map(|rates| rates.written_bytes_per_second),
    }
}

fn space(usage: &Usage) -> Space {
    let used_bytes = usage.total_bytes.saturating_sub(usage.free_bytes);
    let inodes_used = usage.inodes.saturating_sub(usage.inodes_free);
    Space {
        total_bytes: usage.total_bytes,
        used_bytes,
        available_bytes: usage.available_bytes,
        usage_percent: percent(used_bytes, used_bytes.saturating_add(usage.available_bytes)),
        inodes: usage.inodes,
        inodes_used,
        inodes_percent: percent(inodes_used, usage.inodes),
    }
}

/// What somebody wants to see first: a dead mount, then whatever is fullest in bytes or inodes.
fn urgency(body: &Body) -> f64 {
    body.space
        .as_ref()
        .map_or(f64::INFINITY, |space| space.usage_percent.unwrap_or(0.0).max(space.inodes_percent.unwrap_or(0.0)))
}

/// OpenTelemetry's `system.filesystem.*`.
fn metrics(filesystems: &[Body]) -> Vec<Metric> {
    let mut largest: Vec<(&Body, &Space)> =
        filesystems.iter().filter_map(|body| Some((body, body.space.as_ref()?))).collect();
    largest.sort_by(|a, b| b.1.total_bytes.cmp(&a.1.total_bytes).then_with(|| a.0.mount.cmp(&b.0.mount)));
    let mut metrics = Vec::new();
    for (body, space) in largest.into_iter().take(MAX_SERIES) {
        let label = |metric: Metric| {
            metric
                .label("system.device", body.device.as_str())
                .label("system.filesystem.mountpoint", body.mount.as_str())
                .label("system.filesystem.type", body.fs_type.as_str())
        };
        let reserved = space.total_bytes.saturating_sub(space.used_bytes).saturating_sub(space.available_bytes);
        for (state, bytes) in [("used", space.used_bytes), ("free", space.available_bytes), ("reserved", reserved)] {
            let point = Metric::gauge("system.filesystem.usage", "By", bytes as f64);
            metrics.push(label(point).label("system.filesystem.state", state));
        }
        for (name, share) in [
            ("system.filesystem.utilization", space.usage_percent),
            ("system.filesystem.inodes.utilization", space.inodes_percent),
        ] {
            metrics.extend(share.map(|share| label(Metric::gauge(name, "1", share / 100.0))));
        }
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghostd_sdk::Error;

    fn filesystem(mount: &str, used: u64, total: u64) -> Filesystem {
        Filesystem {
            mount: mount.to_owned(),
            device: "/dev/sda1".to_owned(),
            fs_type: "ext4".to_owned(),
            read_only: false,
            disk: Some("sda".to_owned()),
            usage: Ok(Usage {
                total_bytes: total,
                free_bytes: total - used,
                available_bytes: (total - used) / 2,
                inodes: 1000,
                inodes_free: 900,
            }),
        }
    }

    #[test]
    fn usage_is_reckoned_as_df_does() {
        let read = read(&[filesystem("/", 50, 100)], &[]);
        let space = read.listed[0].space.as_ref().unwrap();
        // 50 used, 25 for users, 25 reserved.
        assert_eq!((space.usage_percent, space.inodes_percent), (Some(66.667), Some(10.0)));
        let bytes: Vec<_> = read.metrics.iter().filter(|metric| metric.name == "system.filesystem.usage").collect();
        assert_eq!(bytes.len(), 3);
    }

    #[test]
    fn a_mount_that_does_not_answer_is_said_and_the_others_stay() {
        let mut dead = filesystem("/mnt/nfs", 0, 0);
        dead.usage = Err(Error::Pending("no answer for 12 s".to_owned()));
        let read = read(&[filesystem("/", 50, 100), dead], &[]);
        assert_eq!(read.warnings, ["file system `/mnt/nfs`: pending: no answer for 12 s"]);
        assert_eq!(read.listed[1].error.as_deref(), Some("pending: no answer for 12 s"));
        assert!(read.listed[0].space.is_some());
    }

    #[test]
    fn without_blocks_or_inodes_there_is_no_percentage() {
        let mut empty = filesystem("/sys/fs/x", 0, 0);
        empty.usage = Ok(Usage::default());
        let read = read(&[empty], &[]);
        let space = read.listed[0].space.as_ref().unwrap();
        assert_eq!((space.usage_percent, space.inodes_percent), (None, None));
    }

    #[test]
    fn of_hundreds_of_mounts_the_urgent_ones_are_listed() {
        let mut mounts: Vec<Filesystem> = (0..250).map(|n| filesystem(&format!("/m/{n:03}"), n, 1000)).collect();
        mounts[7].usage = Err(Error::Pending("no answer".to_owned()));
        let read = read(&mounts, &[]);
        assert_eq!((read.listed.len(), read.omitted), (MAX_LISTED, 250 - MAX_LISTED));
        assert!(read.listed.iter().any(|body| body.mount == "/m/007"), "the dead one");
        assert!(read.listed.iter().any(|body| body.mount == "/m/249"), "the fullest");
        assert!(read.listed.is_sorted_by(|a, b| a.mount < b.mount));
        assert!(read.metrics.len() <= MAX_SERIES * 5);
    }

    #[test]
    fn traffic_is_that_of_the_device_below() {
        let disks =
            [disk::Body { name: "sda".to_owned(), read_bytes: 7, written_bytes: 8, reads: 1, writes: 1, rates: None }];
        let read = read(&[filesystem("/", 1, 2)], &disks);
        assert_eq!((read.listed[0].read_bytes, read.listed[0].written_bytes), (Some(7), Some(8)));
        assert_eq!(read.listed[0].read_bytes_per_second, None);
    }
}
