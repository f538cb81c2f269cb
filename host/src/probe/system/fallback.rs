//! The figures through sysinfo, for platforms other than Linux. What it cannot tell is unavailable, or 0 where the
//! record says so.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sysinfo::{Disks, Networks, System};

use super::super::{Error, Result};
use super::Paths;
use super::types::{
    Connections, Cpu, Disk, FileHandles, Filesystem, MAX_DISKS, MAX_FILESYSTEMS, MAX_INTERFACES, Memory,
    NetworkInterface, Pressure, Usage,
};

/// The machine.
#[derive(Debug)]
pub struct Machine {
    system: Option<Mutex<System>>,
}

impl Machine {
    /// The paths mean nothing here.
    pub fn new(_paths: Paths) -> Self {
        Self { system: System::new().ok().map(Mutex::new) }
    }

    /// Load and number only: sysinfo gives shares of time, not the counters.
    pub fn cpu(&self) -> Result<Cpu> {
        let mut system = self.system()?;
        system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
        let load = System::load_average().map_err(failed)?;
        Ok(Cpu {
            count: u32::try_from(system.cpus().len()).unwrap_or(u32::MAX),
            load: (load.one, load.five, load.fifteen),
            ..Cpu::default()
        })
    }

    /// Memory now.
    pub fn memory(&self) -> Result<Memory> {
        let mut system = self.system()?;
        system.refresh_memory();
        Ok(Memory {
            total: system.total_memory(),
            free: system.free_memory(),
            available: system.available_memory(),
            swap_total: system.total_swap(),
            swap_free: system.free_swap(),
            ..Memory::default()
        })
    }

    /// The file systems; inodes are not told.
    pub fn filesystems(&self) -> Result<Vec<Filesystem>> {
        let disks = Disks::new_with_refreshed_list().map_err(failed)?;
        Ok(disks
            .iter()
            .take(MAX_FILESYSTEMS)
            .map(|disk| Filesystem {
                mount: disk.mount_point().display().to_string(),
                device: disk.name().to_string_lossy().into_owned(),
                fs_type: disk.file_system().to_string_lossy().into_owned(),
                read_only: disk.is_read_only(),
                disk: None,
                usage: Ok(Usage {
                    total_bytes: disk.total_space(),
                    free_bytes: disk.available_space(),
                    available_bytes: disk.available_space(),
                    inodes: 0,
                    inodes_free: 0,
                }),
            })
            .collect())
    }

    /// The block devices; how often and how long they were used is not told.
    pub fn disks(&self) -> Result<Vec<Disk>> {
        let disks = Disks::new_with_refreshed_list().map_err(failed)?;
        let mut told: Vec<Disk> = Vec::new();
        for disk in disks.iter() {
            let name = disk.name().to_string_lossy().into_owned();
            if told.len() < MAX_DISKS && !told.iter().any(|known| known.name == name) {
                let usage = disk.usage();
                told.push(Disk {
                    name,
                    read_bytes: usage.total_read_bytes,
                    written_bytes: usage.total_written_bytes,
                    ..Disk::default()
                });
            }
        }
        Ok(told)
    }

    /// The network interfaces; drops and states are not told.
    pub fn network_interfaces(&self) -> Result<Vec<NetworkInterface>> {
        let networks = Networks::new_with_refreshed_list().map_err(failed)?;
        Ok(networks
            .iter()
            .take(MAX_INTERFACES)
            .map(|(name, data)| NetworkInterface {
                name: name.to_string_lossy().into_owned(),
                state: "unknown".to_owned(),
                received_bytes: data.total_received(),
                received_packets: data.total_packets_received(),
                received_errors: data.total_errors_on_received(),
                received_drops: 0,
                sent_bytes: data.total_transmitted(),
                sent_packets: data.total_packets_transmitted(),
                sent_errors: data.total_errors_on_transmitted(),
                sent_drops: 0,
            })
            .collect())
    }

    /// Not to be had.
    pub fn connections(&self) -> Result<Connections> {
        Err(unavailable("the sockets of this platform"))
    }

    fn system(&self) -> Result<MutexGuard<'_, System>> {
        let system = self.system.as_ref().ok_or_else(|| unavailable("the figures of this machine"))?;
        Ok(system.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Linux alone has it.
    pub fn pressure(&self) -> Result<Vec<Pressure>> {
        Err(unavailable("pressure stall information"))
    }

    /// Not to be had.
    pub fn file_handles(&self) -> Result<FileHandles> {
        Err(unavailable("the number of open files of the machine"))
    }
}

fn unavailable(what: &str) -> Error {
    Error::Unavailable(format!("{what} (ghostd reads it on Linux only)"))
}

fn failed(error: sysinfo::Error) -> Error {
    Error::Unavailable(format!("sysinfo: {error}"))
}
