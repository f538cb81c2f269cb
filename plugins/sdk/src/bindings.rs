//! The bindings that are generated from `wit/`, on every target.
//!
//! Natively they give the types alone: the functions behind them exist only inside a component, which
//! is why [`crate::host`] goes to [`crate::fake`] there.

wit_bindgen::generate!({
    path: "../../wit",
    world: "plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_plugin",
    default_bindings_module: "ghostd_sdk::bindings",
    additional_derives: [PartialEq],
    with: {
        "ghost:host/types@0.1.0/error": crate::Error,
        "ghost:collector/types@0.1.0/failure": crate::Failure,
    },
    additional_type_attributes: {
        "ghost:host/system@0.1.0/cpu-times": [#[derive(Default)]],
        "ghost:host/system@0.1.0/cpu-state": [#[derive(Default)]],
        "ghost:host/system@0.1.0/memory-state": [#[derive(Default)]],
        "ghost:host/system@0.1.0/usage": [#[derive(Default)]],
        "ghost:host/system@0.1.0/disk": [#[derive(Default)]],
        "ghost:host/system@0.1.0/network-interface": [#[derive(Default)]],
        "ghost:host/system@0.1.0/connection-counts": [#[derive(Default)]],
        "ghost:host/system@0.1.0/pressure-stall": [#[derive(Default)]],
        "ghost:host/system@0.1.0/file-handle-counts": [#[derive(Default)]],
        "ghost:host/processes@0.1.0/identity": [#[derive(Default, Eq, PartialOrd, Ord, Hash)]],
        "ghost:host/processes@0.1.0/process-detail": [#[derive(Default)]],
        "ghost:host/processes@0.1.0/exit": [#[derive(Default)]],
        "ghost:host/processes@0.1.0/candidate": [#[derive(Default)]],
        "ghost:host/processes@0.1.0/daemon": [#[derive(Default)]],
        "ghost:host/processes@0.1.0/process-table": [#[derive(Default)]],
        "ghost:host/files@0.1.0/identity": [#[derive(Default, Eq, PartialOrd, Ord, Hash)]],
        "ghost:host/clock@0.1.0/clocks": [#[derive(Default)]],
        "ghost:host/clock@0.1.0/kernel-discipline": [#[derive(Default)]],
        "ghost:host/clock@0.1.0/sntp-answer": [#[derive(Default)]],
        "ghost:host/clock@0.1.0/tracking": [#[derive(Default)]],
        "ghost:host/journal@0.1.0/entry": [#[derive(Default)]],
        "ghost:host/sockets@0.1.0/listener": [#[derive(Default)]],
        "ghost:host/units@0.1.0/unit": [#[derive(Default)]],
        "ghost:host/commands@0.1.0/output": [#[derive(Default)]],
        "ghost:collector/types@0.1.0/invocation": [#[derive(Default)]],
    },
});
