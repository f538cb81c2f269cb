//! What the contract in `wit/` looks like from the host's side. Generated; nothing here is written by hand.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "ghost:host/files.file": super::lend::OpenFile,
    },
    // Fixtures of tests are these types as JSON.
    additional_derives: [Clone, serde::Serialize, serde::Deserialize],
});
