//! Which import is which capability, and what a component must be granted for it.
//!
//! Owns: the reading of import names. Must not know: how a capability is served.

use std::collections::BTreeSet;
use std::fmt;

/// The track of the contract that this host serves. A component built for another one is refused.
pub const CONTRACT_TRACK: (u64, u64) = (0, 1);

/// The release of the contract in `wit/`, for messages.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// Interfaces of `ghost:host` that every collector is lent.
const ALWAYS: [&str; 4] = ["types", "log", "state", "redact"];

/// Interfaces of `ghost:host` that a configuration can grant.
pub const GRANTABLE: [&str; 9] =
    ["processes", "system", "files", "probe", "clock", "journal", "sockets", "units", "commands"];

/// WASI packages that every toolchain's standard library needs, and that lead nowhere.
const WASI_ALWAYS: [&str; 4] = ["io", "cli", "clocks", "random"];

/// WASI packages that a configuration can grant, as `wasi:filesystem`.
pub const WASI_GRANTABLE: [&str; 1] = ["filesystem"];

/// What one import of a component asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Lent to everybody.
    Nothing,
    /// The named grant, such as `processes` or `wasi:filesystem`.
    Grant(String),
    /// A WASI interface that no grant opens; calling it traps.
    Closed,
    /// The host has no such interface.
    Unknown,
    /// The interface belongs to another version of the contract.
    OtherVersion {
        /// The version that the component was built for.
        wanted: String,
    },
}

/// An import's name, taken apart: `ghost:host/files@0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportName<'a> {
    /// `ghost`.
    pub namespace: &'a str,
    /// `host`.
    pub package: &'a str,
    /// `files`.
    pub interface: &'a str,
    /// `0.1.0`; empty where the name has none.
    pub version: &'a str,
}

impl<'a> ImportName<'a> {
    /// Takes a name apart; none for a name that is no interface of a package.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/')?;
        let (namespace, package) = package.split_once(':')?;
        Some(Self { namespace, package, interface, version })
    }

    fn track(&self) -> Option<(u64, u64)> {
        let mut parts = self.version.split(['.', '-', '+']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

impl fmt::Display for ImportName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.namespace, self.package, self.interface)
    }
}

/// What an import of this name needs.
pub fn need(name: &str) -> Need {
    let Some(import) = ImportName::parse(name) else { return Need::Unknown };
    match (import.namespace, import.package) {
        ("ghost", "host") | ("ghost", "collector") if import.track() != Some(CONTRACT_TRACK) => {
            Need::OtherVersion { wanted: import.version.to_owned() }
        }
        ("ghost", "collector") => Need::Nothing,
        ("ghost", "host") if ALWAYS.contains(&import.interface) => Need::Nothing,
        ("ghost", "host") if GRANTABLE.contains(&import.interface) => Need::Grant(import.interface.to_owned()),
        ("wasi", package) if WASI_ALWAYS.contains(&package) => Need::Nothing,
        ("wasi", package) if WASI_GRANTABLE.contains(&package) => Need::Grant(format!("wasi:{package}")),
        ("wasi", _) => Need::Closed,
        _ => Need::Unknown,
    }
}

/// The grants that a set of imports needs, `ghost:host` ones by their bare names.
pub fn needed_grants<'a>(imports: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    imports
        .into_iter()
        .filter_map(|name| match need(name) {
            Need::Grant(grant) => Some(grant),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_says_what_it_needs() {
        assert_eq!(need("ghost:host/log@0.1.0"), Need::Nothing);
        assert_eq!(need("ghost:host/files@0.1.7"), Need::Grant("files".to_owned()));
        assert_eq!(need("ghost:host/files@0.2.0"), Need::OtherVersion { wanted: "0.2.0".to_owned() });
        assert_eq!(need("ghost:host/teleport@0.1.0"), Need::Unknown);
        assert_eq!(need("wasi:cli/stdout@0.2.12"), Need::Nothing);
        assert_eq!(need("wasi:filesystem/types@0.2.6"), Need::Grant("wasi:filesystem".to_owned()));
        assert_eq!(need("wasi:sockets/tcp@0.2.6"), Need::Closed);
        assert_eq!(need("env"), Need::Unknown);
    }
}
