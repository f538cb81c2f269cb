//! Processors: where their time went, and the load.

use ghostd_sdk::Metric;
use ghostd_sdk::host::system::{CpuState, CpuTimes};
use serde::{Deserialize, Serialize};

use crate::rate::{Span, per_second, tidy};

/// The most cores that get a series of their own. All are in the body.
pub(crate) const MAX_CORE_SERIES: usize = 64;

/// What is kept for the next call.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Base {
    total: Times,
    cores: Vec<(u32, Times)>,
    context_switches: Option<u64>,
    forks: Option<u64>,
}

/// user, nice, system, idle, iowait, irq, softirq, steal, in milliseconds.
type Times = [u64; 8];

/// `cpu` in the body.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    /// Online processors.
    pub(crate) count: u32,
    /// Over 1, 5 and 15 minutes.
    pub(crate) load_average: [f64; 3],
    /// Shares of all processors' time since the base.
    #[serde(flatten)]
    pub(crate) shares: Option<Shares>,
    /// Per processor.
    pub(crate) cores: Vec<Core>,
    /// Since boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_switches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_switches_per_second: Option<f64>,
    /// Since boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forks: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forks_per_second: Option<f64>,
}

/// Where the time went, in percent of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Shares {
    /// All but idle and iowait.
    pub(crate) usage_percent: f64,
    /// Programs, those with a changed priority included.
    pub(crate) user_percent: f64,
    /// The kernel.
    pub(crate) system_percent: f64,
    /// Idle while something waited for a disk.
    pub(crate) iowait_percent: f64,
    /// Interrupts, hard and soft.
    pub(crate) irq_percent: f64,
    /// Taken by the hypervisor for others.
    pub(crate) steal_percent: f64,
}

/// One processor.
#[derive(Debug, Serialize)]
pub(crate) struct Core {
    /// Its number.
    pub(crate) cpu: u32,
    #[serde(flatten)]
    pub(crate) shares: Option<Shares>,
}

/// What the next call compares with.
#[must_use]
pub(crate) fn base(now: &CpuState) -> Base {
    Base {
        total: times(&now.total),
        cores: now.per_cpu.iter().map(|(number, core)| (*number, times(core))).collect(),
        context_switches: now.context_switches,
        forks: now.forks,
    }
}

/// `base` counts where `span` has seconds.
#[must_use]
pub(crate) fn body(now: &CpuState, base: Option<&Base>, span: Span) -> Body {
    let base = base.filter(|_| span.seconds().is_some());
    let core_base = |number: u32| {
        let cores = &base?.cores;
        let index = cores.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        cores.get(index).map(|(_, times)| *times)
    };
    let cores = now
        .per_cpu
        .iter()
        .map(|(number, core)| {
            let shares = core_base(*number).and_then(|base| shares(times(core), base));
            Core { cpu: *number, shares }
        })
        .collect();
    let event_rate = |now: Option<u64>, base: Option<u64>| Some(per_second(now?.checked_sub(base?)?, span.seconds()?));
    Body {
        count: now.count,
        load_average: [now.load.0, now.load.1, now.load.2],
        shares: base.and_then(|base| shares(times(&now.total), base.total)),
        cores,
        context_switches: now.context_switches,
        context_switches_per_second: event_rate(now.context_switches, base.and_then(|base| base.context_switches)),
        forks: now.forks,
        forks_per_second: event_rate(now.forks, base.and_then(|base| base.forks)),
    }
}

/// OpenTelemetry's `system.cpu.*`.
#[must_use]
pub(crate) fn metrics(body: &Body) -> Vec<Metric> {
    let mut metrics = vec![Metric::gauge("system.cpu.logical.count", "{cpu}", f64::from(body.count))];
    for (name, load) in ["1m", "5m", "15m"].into_iter().zip(body.load_average) {
        metrics.push(Metric::gauge(&format!("system.cpu.load_average.{name}"), "{thread}", load));
    }
    if let Some(shares) = &body.shares {
        let idle = 100.0 - shares.usage_percent - shares.iowait_percent;
        for (mode, share) in [
            ("user", shares.user_percent),
            ("system", shares.system_percent),
            ("iowait", shares.iowait_percent),
            ("interrupt", shares.irq_percent),
            ("steal", shares.steal_percent),
            ("idle", idle.max(0.0)),
        ] {
            metrics.push(Metric::gauge("system.cpu.utilization", "1", share / 100.0).label("cpu.mode", mode));
        }
    }
    // Under a name of their own: a sum over `system.cpu.utilization` must not count everything twice.
    for core in body.cores.iter().take(MAX_CORE_SERIES) {
        if let Some(shares) = &core.shares {
            let point = Metric::gauge("system.cpu.logical.utilization", "1", shares.usage_percent / 100.0);
            metrics.push(point.label("cpu.logical_number", core.cpu));
        }
    }
    metrics
        .extend(body.context_switches.map(|count| Metric::counter("system.cpu.context_switches", "{switch}", count)));
    metrics.extend(body.forks.map(|count| Metric::counter("system.process.created", "{process}", count)));
    metrics
}

fn times(times: &CpuTimes) -> Times {
    [
        times.user_ms,
        times.nice_ms,
        times.system_ms,
        times.idle_ms,
        times.iowait_ms,
        times.irq_ms,
        times.softirq_ms,
        times.steal_ms,
    ]
}

/// None where no time went by at all, as between two ticks. A single count may go backwards (the kernel
/// corrects iowait and idle, proc(5)): it then counts as still.
fn shares(now: Times, base: Times) -> Option<Shares> {
    let mut grown = [0; 8];
    for ((grown, now), base) in grown.iter_mut().zip(now).zip(base) {
        *grown = now.saturating_sub(base);
    }
    let total: u64 = grown.iter().sum();
    if total == 0 {
        return None;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] = grown;
    let share = |part: u64| tidy(part as f64 * 100.0 / total as f64);
    Some(Shares {
        usage_percent: share(total - idle - iowait),
        user_percent: share(user + nice),
        system_percent: share(system),
        iowait_percent: share(iowait),
        irq_percent: share(irq + softirq),
        steal_percent: share(steal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(user_ms: u64, idle_ms: u64, iowait_ms: u64) -> CpuState {
        let total = CpuTimes { user_ms, idle_ms, iowait_ms, steal_ms: user_ms / 10, ..Default::default() };
        CpuState {
            total,
            per_cpu: vec![(0, total), (2, total)],
            count: 2,
            load: (1.0, 0.5, 0.25),
            context_switches: Some(user_ms),
            forks: None,
        }
    }

    #[test]
    fn shares_are_of_the_time_since_the_base() {
        let before = base(&state(1_000, 9_000, 500));
        let body = body(&state(2_000, 17_800, 600), Some(&before), Span::Seconds(5.0));
        let shares = body.shares.unwrap();
        assert_eq!((shares.user_percent, shares.iowait_percent, shares.steal_percent), (10.0, 1.0, 1.0));
        assert_eq!(shares.usage_percent, 11.0);
        assert_eq!(body.cores[1].cpu, 2);
        assert_eq!(body.cores[1].shares, Some(shares));
        assert_eq!(body.context_switches_per_second, Some(200.0));
        assert_eq!(body.forks_per_second, None);
        let modes: f64 = metrics(&body)
            .iter()
            .filter(|metric| metric.name == "system.cpu.utilization")
            .map(|metric| match metric.reading {
                ghostd_sdk::Reading::Gauge(value) => value,
                _ => f64::NAN,
            })
            .sum();
        assert!((modes - 1.0).abs() < 1e-9, "{modes}");
    }

    #[test]
    fn without_a_base_or_time_there_is_no_usage() {
        let now = state(1_000, 9_000, 500);
        assert_eq!(body(&now, None, Span::None).shares, None);
        assert_eq!(body(&now, Some(&base(&now)), Span::Seconds(1.0)).shares, None, "no tick between");
        assert_eq!(body(&now, Some(&base(&state(1, 1, 1))), Span::TooShort).shares, None);
    }

    #[test]
    fn a_count_that_went_backwards_counts_as_still() {
        let before = base(&state(1_000, 9_000, 500));
        let shares = body(&state(1_000, 9_100, 400), Some(&before), Span::Seconds(1.0)).shares.unwrap();
        assert_eq!((shares.usage_percent, shares.iowait_percent), (0.0, 0.0));
    }

    #[test]
    fn a_core_that_came_later_has_no_shares_yet() {
        let mut before = base(&state(1_000, 9_000, 500));
        before.cores.remove(0);
        let body = body(&state(2_000, 9_000, 500), Some(&before), Span::Seconds(1.0));
        assert!(body.cores[0].shares.is_none() && body.cores[1].shares.is_some());
    }

    #[test]
    fn series_are_bounded_on_a_large_machine() {
        let core = CpuTimes { user_ms: 1, ..Default::default() };
        let now = CpuState { per_cpu: (0..1024).map(|number| (number, core)).collect(), ..Default::default() };
        let body = body(
            &now,
            Some(&Base { cores: (0..1024).map(|n| (n, [0; 8])).collect(), ..Base::default() }),
            Span::Seconds(1.0),
        );
        assert_eq!(body.cores.len(), 1024);
        assert!(metrics(&body).len() <= MAX_CORE_SERIES + 12);
    }
}
