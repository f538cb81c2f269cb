//! Memory, swap, and the bounds of the control group.

use ghostd_sdk::Metric;
use ghostd_sdk::host::system::MemoryState;
use serde::Serialize;

use crate::rate::percent;

/// `memory` in the body.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    pub(crate) total_bytes: u64,
    /// Total less available: what cannot be had without swapping.
    pub(crate) used_bytes: u64,
    pub(crate) free_bytes: u64,
    pub(crate) available_bytes: u64,
    /// Page cache and reclaimable slabs.
    pub(crate) cached_bytes: u64,
    pub(crate) buffers_bytes: u64,
    pub(crate) dirty_bytes: u64,
    pub(crate) usage_percent: Option<f64>,
    pub(crate) swap_total_bytes: u64,
    pub(crate) swap_used_bytes: u64,
    pub(crate) swap_usage_percent: Option<f64>,
    /// The limit of the control group that ghostd runs in: what counts in a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cgroup: Option<Cgroup>,
    /// Processes killed for want of memory since boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oom_kills: Option<u64>,
}

/// A control group with a limit.
#[derive(Debug, Serialize)]
pub(crate) struct Cgroup {
    pub(crate) limit_bytes: u64,
    pub(crate) used_bytes: Option<u64>,
    pub(crate) usage_percent: Option<f64>,
}

/// Levels only: memory needs no base.
#[must_use]
pub(crate) fn body(now: &MemoryState) -> Body {
    let used_bytes = now.total.saturating_sub(now.available);
    let swap_used_bytes = now.swap_total.saturating_sub(now.swap_free);
    Body {
        total_bytes: now.total,
        used_bytes,
        free_bytes: now.free,
        available_bytes: now.available,
        cached_bytes: now.cached,
        buffers_bytes: now.buffers,
        dirty_bytes: now.dirty,
        usage_percent: percent(used_bytes, now.total),
        swap_total_bytes: now.swap_total,
        swap_used_bytes,
        swap_usage_percent: percent(swap_used_bytes, now.swap_total),
        cgroup: now.cgroup_limit.map(|limit_bytes| Cgroup {
            limit_bytes,
            used_bytes: now.cgroup_used,
            usage_percent: now.cgroup_used.and_then(|used| percent(used, limit_bytes)),
        }),
        oom_kills: now.oom_kills,
    }
}

/// OpenTelemetry's `system.memory.*` and `system.paging.*`. The states add up to the limit: what is
/// neither free nor given back at once is used.
#[must_use]
pub(crate) fn metrics(body: &Body) -> Vec<Metric> {
    let bytes = |name: &str, value: u64| Metric::gauge(name, "By", value as f64);
    let used = body
        .total_bytes
        .saturating_sub(body.free_bytes)
        .saturating_sub(body.cached_bytes)
        .saturating_sub(body.buffers_bytes);
    let mut metrics = vec![
        bytes("system.memory.limit", body.total_bytes),
        bytes("system.memory.linux.available", body.available_bytes),
    ];
    for (state, value) in
        [("used", used), ("free", body.free_bytes), ("cached", body.cached_bytes), ("buffers", body.buffers_bytes)]
    {
        metrics.push(bytes("system.memory.usage", value).label("system.memory.state", state));
    }
    metrics.extend(body.usage_percent.map(|usage| Metric::gauge("system.memory.utilization", "1", usage / 100.0)));
    let swap_free = body.swap_total_bytes - body.swap_used_bytes;
    for (state, value) in [("used", body.swap_used_bytes), ("free", swap_free)] {
        metrics.push(bytes("system.paging.usage", value).label("system.paging.state", state));
    }
    if let Some(cgroup) = &body.cgroup {
        metrics.push(bytes("system.linux.cgroup.memory.limit", cgroup.limit_bytes));
        metrics.extend(cgroup.used_bytes.map(|used| bytes("system.linux.cgroup.memory.usage", used)));
    }
    metrics.extend(body.oom_kills.map(|kills| Metric::counter("system.memory.oom_kills", "{process}", kills)));
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn used_is_what_is_not_available() {
        let now =
            MemoryState { total: 16 * GIB, free: 2 * GIB, available: 12 * GIB, cached: 9 * GIB, ..Default::default() };
        let body = body(&now);
        assert_eq!((body.used_bytes, body.usage_percent), (4 * GIB, Some(25.0)));
        assert_eq!(body.swap_usage_percent, None, "no swap");
        assert!(body.cgroup.is_none());
    }

    #[test]
    fn a_control_group_has_its_own_usage() {
        let now =
            MemoryState { total: 16 * GIB, cgroup_limit: Some(2 * GIB), cgroup_used: Some(GIB), ..Default::default() };
        assert_eq!(body(&now).cgroup.unwrap().usage_percent, Some(50.0));
    }

    #[test]
    fn figures_that_do_not_add_up_stay_in_range() {
        let now = MemoryState {
            total: 1,
            free: 9,
            available: 9,
            cached: 9,
            swap_total: 1,
            swap_free: 5,
            ..Default::default()
        };
        let body = body(&now);
        assert_eq!((body.used_bytes, body.usage_percent, body.swap_used_bytes), (0, Some(0.0), 0));
        assert!(!metrics(&body).is_empty());
    }

    #[test]
    fn nothing_at_all_has_no_usage() {
        assert_eq!(body(&MemoryState::default()).usage_percent, None);
    }
}
