//! The collectors that ghostd brings along, as the components that `build.rs` made of `plugins/`.

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

/// The component of one of them.
pub fn component(name: &str) -> Option<&'static [u8]> {
    Some(match name {
        "daemon" => include_bytes!(concat!(env!("OUT_DIR"), "/daemon.wasm")),
        "clock" => include_bytes!(concat!(env!("OUT_DIR"), "/clock.wasm")),
        "metric" => include_bytes!(concat!(env!("OUT_DIR"), "/metric.wasm")),
        "patch" => include_bytes!(concat!(env!("OUT_DIR"), "/patch.wasm")),
        "anomaly" => include_bytes!(concat!(env!("OUT_DIR"), "/anomaly.wasm")),
        "telemetry" => include_bytes!(concat!(env!("OUT_DIR"), "/telemetry.wasm")),
        _ => return None,
    })
}
