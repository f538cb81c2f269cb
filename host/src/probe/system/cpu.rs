//! /proc/stat and /proc/loadavg (proc_stat(5), proc_loadavg(5)).

use super::super::units::Units;
use super::types::{Cpu, CpuTimes, MAX_CPUS};

/// Parses both. None where they are not what they should be.
pub(super) fn parse(stat: &str, load: &str, units: Units) -> Option<Cpu> {
    let mut cpu = Cpu::default();
    let mut seen = false;
    for line in stat.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "cpu" => {
                cpu.total = times(rest, units)?;
                seen = true;
            }
            "ctxt" => cpu.context_switches = rest.trim().parse().ok(),
            "processes" => cpu.forks = rest.trim().parse().ok(),
            _ => {
                if let Some(number) = word.strip_prefix("cpu").and_then(|number| number.parse().ok()) {
                    cpu.count += 1;
                    if cpu.per_cpu.len() < MAX_CPUS {
                        cpu.per_cpu.push((number, times(rest, units)?));
                    }
                }
            }
        }
    }
    let mut averages = load.split_whitespace().map(|average| average.parse::<f64>().ok());
    cpu.load = (averages.next()??, averages.next()??, averages.next()??);
    seen.then_some(cpu)
}

fn times(fields: &str, units: Units) -> Option<CpuTimes> {
    let mut fields = fields.split_whitespace().map(|ticks| ticks.parse().ok().map(|ticks| units.ticks_ms(ticks)));
    let mut times = CpuTimes {
        user_ms: fields.next()??,
        nice_ms: fields.next()??,
        system_ms: fields.next()??,
        idle_ms: fields.next()??,
        ..CpuTimes::default()
    };
    // Later kernels added these one by one.
    for later in [&mut times.iowait_ms, &mut times.irq_ms, &mut times.softirq_ms, &mut times.steal_ms] {
        *later = fields.next().flatten().unwrap_or(0);
    }
    Some(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units { ticks_per_second: 100, page_bytes: 4096 };
    const STAT: &str = "cpu  10 20 30 40 50 60 70 80 90 0\ncpu0 1 2 3 4 5 6 7 8 9 0\ncpu7 2 2 2 2\n\
                        intr 5 1 2\nctxt 12345\nbtime 1\nprocesses 678\nprocs_running 1\n";

    #[test]
    fn ticks_become_milliseconds_and_processors_keep_their_numbers() {
        let cpu = parse(STAT, "0.50 1.25 2.00 1/200 4242\n", UNITS).unwrap();
        assert_eq!((cpu.total.user_ms, cpu.total.steal_ms, cpu.count), (100, 800, 2));
        assert_eq!(
            cpu.per_cpu[1],
            (7, CpuTimes { user_ms: 20, nice_ms: 20, system_ms: 20, idle_ms: 20, ..Default::default() })
        );
        assert_eq!((cpu.context_switches, cpu.forks, cpu.load), (Some(12_345), Some(678), (0.5, 1.25, 2.0)));
    }

    #[test]
    fn half_a_file_is_refused() {
        assert_eq!(parse("cpu  10 20\n", "0 0 0", UNITS), None);
        assert_eq!(parse("", "0 0 0", UNITS), None);
        assert_eq!(parse(STAT, "0.5", UNITS), None);
    }
}
