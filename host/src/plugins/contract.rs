//! Which release of the contract a component was built for, and whether that is one which this host serves.
//!
//! Owns: the reading of versions out of a component's imports and exports. Must not know: how a capability is served.

use super::capability::{CONTRACT_TRACK, CONTRACT_VERSION, ImportName};

/// What every collector exports.
pub const COLLECTOR: &str = "ghost:collector/collector";

/// Why a component is none of this contract's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It belongs to another track, which an incompatible change began.
    #[error(
        "it was built for contract {wanted} (`{interface}`), and this ghostd {program} serves contract \
         {CONTRACT_VERSION}: {mend}",
        program = env!("CARGO_PKG_VERSION"),
        mend = if *newer { TOO_NEW } else { TOO_OLD }
    )]
    Track {
        /// The interface that says so.
        interface: String,
        /// The version that it was built for.
        wanted: String,
        /// Whether that is newer than what this host serves.
        newer: bool,
    },
    /// It is no collector.
    #[error(
        "it exports no `{COLLECTOR}@{CONTRACT_VERSION}` ({found}): build it against the world `plugin` or `minimal` of wit/"
    )]
    NoCollector {
        /// What it exports.
        found: String,
    },
}

const TOO_NEW: &str = "use a newer ghostd, or build it against the wit/ of this one";
const TOO_OLD: &str = "build it again against the wit/ of this ghostd";

/// Holds a component's imports and exports against the track of the contract.
pub fn check(imports: &[String], exports: &[String]) -> Result<(), Mismatch> {
    for name in exports.iter().chain(imports) {
        let Some(interface) = ImportName::parse(name).filter(is_ours) else { continue };
        let Some((major, minor, _)) = parts(interface.version) else { continue };
        if (major, minor) != CONTRACT_TRACK {
            return Err(Mismatch::Track {
                interface: name.clone(),
                wanted: interface.version.to_owned(),
                newer: (major, minor) > CONTRACT_TRACK,
            });
        }
    }
    if !exports.iter().filter_map(|name| ImportName::parse(name)).any(|name| name.to_string() == COLLECTOR) {
        let found = match exports {
            [] => "it exports nothing".to_owned(),
            all => {
                let all: Vec<String> = all.iter().take(8).map(|name| format!("`{name}`")).collect();
                format!("it exports {}", all.join(", "))
            }
        };
        return Err(Mismatch::NoCollector { found });
    }
    Ok(())
}

/// The newest release of our packages that it names.
pub fn built_for(imports: &[String], exports: &[String]) -> Option<String> {
    imports
        .iter()
        .chain(exports)
        .filter_map(|name| ImportName::parse(name))
        .filter(is_ours)
        .filter_map(|name| Some((parts(name.version)?, name.version.to_owned())))
        .max()
        .map(|(_, version)| version)
}

/// What to do about a function or a type that does not fit within the same track.
pub fn hint(imports: &[String], exports: &[String]) -> String {
    match built_for(imports, exports) {
        Some(version) if parts(&version) > parts(CONTRACT_VERSION) => {
            format!("it was built for contract {version}: {TOO_NEW}")
        }
        Some(version) => {
            format!("it says that it was built for contract {version}, and that has it otherwise: {TOO_OLD}")
        }
        None => TOO_OLD.to_owned(),
    }
}

fn is_ours(name: &ImportName<'_>) -> bool {
    name.namespace == "ghost" && matches!(name.package, "collector" | "host")
}

fn parts(version: &str) -> Option<(u64, u64, u64)> {
    let mut parts = version.split(['-', '+']).next()?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn another_track_is_told_with_both_versions() {
        let exports = names(&["ghost:collector/collector@0.1.4"]);
        assert_eq!(check(&names(&["ghost:host/log@0.1.9", "wasi:io/streams@0.2.6"]), &exports), Ok(()));
        let newer = check(&names(&["ghost:host/files@0.2.0"]), &exports).unwrap_err().to_string();
        assert!(newer.contains("built for contract 0.2.0") && newer.contains("serves contract 0.1.0"), "{newer}");
        assert!(newer.ends_with("use a newer ghostd, or build it against the wit/ of this one"), "{newer}");
        let older = check(&[], &names(&["ghost:collector/collector@0.0.9"])).unwrap_err().to_string();
        assert!(older.ends_with("build it again against the wit/ of this ghostd"), "{older}");
    }

    #[test]
    fn what_is_no_collector_is_told_what_it_is() {
        let error = check(&[], &names(&["wasi:cli/run@0.2.0"])).unwrap_err().to_string();
        assert!(error.contains("exports no `ghost:collector/collector@0.1.0` (it exports `wasi:cli/run@0.2.0`)"));
        assert!(check(&[], &[]).unwrap_err().to_string().contains("it exports nothing"));
    }

    #[test]
    fn the_newest_release_that_is_named_counts() {
        let imports = names(&["ghost:host/log@0.1.2", "ghost:host/files@0.1.10", "wasi:io/poll@9.9.9"]);
        assert_eq!(built_for(&imports, &[]).as_deref(), Some("0.1.10"));
        assert!(hint(&imports, &[]).contains("built for contract 0.1.10: use a newer ghostd"));
    }
}
