//! The components of `tests/guests`, built once per run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const TARGET: &str = "wasm32-wasip2";

/// What the hostile guest's section is called until [`hostile`] gives it another name of the same length.
const PLACEHOLDER: &str = "hostile_key_that_each_test_has_to_put_its_own_name_in_place_of__";

/// The collector that was made from the WIT alone.
pub(crate) fn raw() -> Vec<u8> {
    std::fs::read(built().join("guest_raw.wasm")).unwrap()
}

/// The collector that looks where it may not.
pub(crate) fn curious() -> Vec<u8> {
    std::fs::read(built().join("guest_curious.wasm")).unwrap()
}

/// The collector that does harm, with a section of this name: a key belongs to one collector, so that each copy needs
/// one of its own.
pub(crate) fn hostile(section: &str) -> Vec<u8> {
    let mut wasm = std::fs::read(built().join("guest_hostile.wasm")).unwrap();
    let name = format!("{section:_<width$}", width = PLACEHOLDER.len());
    let places: Vec<usize> = wasm
        .windows(PLACEHOLDER.len())
        .enumerate()
        .filter(|(_, at)| *at == PLACEHOLDER.as_bytes())
        .map(|(n, _)| n)
        .collect();
    assert_eq!(places.len(), 1, "the name stands in the guest once");
    wasm[places[0]..places[0] + PLACEHOLDER.len()].copy_from_slice(name.as_bytes());
    wasm
}

/// Where the components are.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        // Beside the rest of what is built: target/<profile>/ghostd.
        let target = Path::new(env!("CARGO_BIN_EXE_ghostd")).ancestors().nth(2).unwrap().join("guests");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(workspace.join("tests/guests"))
            .args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"])
            .arg(&target);
        // Settings of the outer build that would change or break this one.
        for name in
            ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"]
        {
            cargo.env_remove(name);
        }
        let output = cargo.output().expect("cargo runs");
        assert!(output.status.success(), "the guests do not build:\n{}", String::from_utf8_lossy(&output.stderr));
        target.join(TARGET).join("release")
    })
}
