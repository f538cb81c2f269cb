//! `ghost:host/system`.

use super::super::bindings::ghost::host::system as wit;
use super::super::state::CallState;
use super::fake::given;
use super::{Answer, answer, may_block, wit_error};
use crate::probe::system as probe;

impl wit::Host for CallState {
    fn cpu(&mut self) -> Answer<wit::CpuState> {
        self.lend(
            |fake| given("system.cpu", &fake.system.cpu),
            |services| {
                answer(services.system.cpu(), |cpu| wit::CpuState {
                    total: times(cpu.total),
                    per_cpu: cpu.per_cpu.into_iter().map(|(number, one)| (number, times(one))).collect(),
                    count: cpu.count,
                    load: cpu.load,
                    context_switches: cpu.context_switches,
                    forks: cpu.forks,
                })
            },
        )
    }

    fn memory(&mut self) -> Answer<wit::MemoryState> {
        self.lend(
            |fake| given("system.memory", &fake.system.memory),
            |services| {
                answer(services.system.memory(), |memory| wit::MemoryState {
                    total: memory.total,
                    free: memory.free,
                    available: memory.available,
                    cached: memory.cached,
                    buffers: memory.buffers,
                    dirty: memory.dirty,
                    swap_total: memory.swap_total,
                    swap_free: memory.swap_free,
                    cgroup_limit: memory.cgroup_limit,
                    cgroup_used: memory.cgroup_used,
                    oom_kills: memory.oom_kills,
                })
            },
        )
    }

    fn filesystems(&mut self) -> Answer<Vec<wit::Filesystem>> {
        self.lend(
            |fake| given("system.filesystems", &fake.system.filesystems),
            |services| {
                let all = may_block(|| services.system.filesystems());
                answer(all, |all| all.into_iter().map(filesystem).collect())
            },
        )
    }

    fn disks(&mut self) -> Answer<Vec<wit::Disk>> {
        self.lend(
            |fake| given("system.disks", &fake.system.disks),
            |services| answer(services.system.disks(), |all| all.into_iter().map(disk).collect()),
        )
    }

    fn network_interfaces(&mut self) -> Answer<Vec<wit::NetworkInterface>> {
        self.lend(
            |fake| given("system.network_interfaces", &fake.system.network_interfaces),
            |services| answer(services.system.network_interfaces(), |all| all.into_iter().map(interface).collect()),
        )
    }

    fn connections(&mut self) -> Answer<wit::ConnectionCounts> {
        self.lend(
            |fake| given("system.connections", &fake.system.connections),
            |services| {
                answer(may_block(|| services.system.connections()), |connections| wit::ConnectionCounts {
                    tcp: connections.tcp,
                    udp: connections.udp,
                    unix: connections.unix,
                })
            },
        )
    }

    fn pressure(&mut self) -> Answer<Vec<wit::PressureStall>> {
        self.lend(
            |fake| given("system.pressure", &fake.system.pressure),
            |services| answer(services.system.pressure(), |all| all.into_iter().map(pressure).collect()),
        )
    }

    fn file_handles(&mut self) -> Answer<wit::FileHandleCounts> {
        self.lend(
            |fake| given("system.file_handles", &fake.system.file_handles),
            |services| {
                answer(services.system.file_handles(), |handles| wit::FileHandleCounts {
                    allocated: handles.allocated,
                    maximum: handles.maximum,
                })
            },
        )
    }
}

fn disk(one: probe::Disk) -> wit::Disk {
    wit::Disk {
        name: one.name,
        read_bytes: one.read_bytes,
        written_bytes: one.written_bytes,
        reads: one.reads,
        writes: one.writes,
        busy_ms: one.busy_ms,
    }
}

fn pressure(one: probe::Pressure) -> wit::PressureStall {
    wit::PressureStall {
        resource: one.resource,
        some_avg: one.some_avg,
        some_total_us: one.some_total_us,
        full_avg: one.full_avg,
        full_total_us: one.full_total_us,
    }
}

fn times(times: probe::CpuTimes) -> wit::CpuTimes {
    wit::CpuTimes {
        user_ms: times.user_ms,
        nice_ms: times.nice_ms,
        system_ms: times.system_ms,
        idle_ms: times.idle_ms,
        iowait_ms: times.iowait_ms,
        irq_ms: times.irq_ms,
        softirq_ms: times.softirq_ms,
        steal_ms: times.steal_ms,
    }
}

fn filesystem(one: probe::Filesystem) -> wit::Filesystem {
    wit::Filesystem {
        mount: one.mount,
        device: one.device,
        fs_type: one.fs_type,
        read_only: one.read_only,
        disk: one.disk,
        usage: one.usage.map_err(wit_error).map(|usage| wit::Usage {
            total_bytes: usage.total_bytes,
            free_bytes: usage.free_bytes,
            available_bytes: usage.available_bytes,
            inodes: usage.inodes,
            inodes_free: usage.inodes_free,
        }),
    }
}

fn interface(one: probe::NetworkInterface) -> wit::NetworkInterface {
    wit::NetworkInterface {
        name: one.name,
        state: one.state,
        received_bytes: one.received_bytes,
        received_packets: one.received_packets,
        received_errors: one.received_errors,
        received_drops: one.received_drops,
        sent_bytes: one.sent_bytes,
        sent_packets: one.sent_packets,
        sent_errors: one.sent_errors,
        sent_drops: one.sent_drops,
    }
}
