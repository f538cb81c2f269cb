//! The collectors that ghostd brings along, as the components that `build.rs` made of `plugins/`.

use crate::model::Digest;

/// Their names.
pub const NAMES: [&str; 6] = ["daemon", "clock", "metric", "patch", "anomaly", "telemetry"];

/// The sections that one of them has, as its descriptor says: they belong to it before anything is loaded.
pub fn sections(name: &str) -> &'static [&'static str] {
    match name {
        "daemon" => &["daemon"],
        "clock" => &["clock"],
        "metric" => &["metric", "processes"],
        "patch" => &["patch"],
        "anomaly" => &["anomaly"],
        "telemetry" => &["telemetry"],
        _ => &[],
    }
}

/// A component and its SHA-256, as the build left them: hashing megabytes at each start would be dearer than what
/// most collectors do.
macro_rules! built {
    ($name:literal) => {
        (
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")).as_slice(),
            Digest::from_bytes(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".sha256"))),
        )
    };
}

/// The component of one of them, and its SHA-256.
pub fn component(name: &str) -> Option<(&'static [u8], Digest)> {
    Some(match name {
        "daemon" => built!("daemon"),
        "clock" => built!("clock"),
        "metric" => built!("metric"),
        "patch" => built!("patch"),
        "anomaly" => built!("anomaly"),
        "telemetry" => built!("telemetry"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_the_build_are_those_of_the_components() {
        for name in NAMES {
            let (wasm, digest) = component(name).unwrap();
            assert_eq!(digest, Digest::of(wasm), "{name}");
        }
    }
}
