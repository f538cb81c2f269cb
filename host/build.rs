//! Builds the collectors in `plugins/` for WebAssembly and leaves them where `src/plugins/builtin.rs` embeds them; and
//! makes the table of the dashboard's files in `host/web/` that `src/api/assets.rs` embeds.
//!
//! `GHOSTD_PLUGINS_DIR` takes finished components (`daemon.wasm`, ...) instead, for packagers and offline builds.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

const TARGET: &str = "wasm32-wasip2";
const COLLECTORS: [&str; 6] = ["daemon", "clock", "metric", "patch", "anomaly", "telemetry"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=GHOSTD_PLUGINS_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?);
    let workspace = here.parent().ok_or("host/ stands in the workspace")?.to_owned();
    embed_author_files(&workspace, &out)?;
    embed_web(&here.join("web"), &out)?;
    if let Some(dir) = env::var_os("GHOSTD_PLUGINS_DIR") {
        println!("cargo::rerun-if-changed={}", Path::new(&dir).display());
        return copy(Path::new(&dir), &out, |name| format!("{name}.wasm"));
    }
    for path in ["Cargo.toml", "Cargo.lock", "wit", "plugins"] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    ensure_target()?;
    // In OUT_DIR clippy would build it all again; in the outer target directory cargo would wait for itself.
    let target_dir = target_dir(&out)?.join("plugins");
    build(&workspace, &target_dir)?;
    copy(&target_dir.join(TARGET).join("plugin"), &out, |name| format!("ghostd_{name}.wasm"))
}

/// Writes `web.rs`: the path of each file as a browser asks for it, and its bytes.
#[expect(clippy::disallowed_methods, reason = "what a build leaves is made anew when it is cut short")]
fn embed_web(web: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    let mut left = vec![web.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).map_err(|error| format!("cannot read `{}`: {error}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() { left.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut table = "/// The files, by their paths.\npub(super) static FILES: &[(&str, &[u8])] = &[\n".to_owned();
    for file in files {
        let name = file.strip_prefix(web)?.to_str().ok_or("the dashboard's files have plain names")?;
        table.push_str(&format!("    ({:?}, include_bytes!({:?})),\n", format!("/{name}"), file));
    }
    table.push_str("];\n");
    Ok(fs::write(out.join("web.rs"), table)?)
}

#[expect(clippy::disallowed_methods, reason = "what a build leaves is made anew when it is cut short")]
fn copy(from: &Path, out: &Path, file_name: impl Fn(&str) -> String) -> Result<(), Box<dyn Error>> {
    for name in COLLECTORS {
        let source = from.join(file_name(name));
        fs::copy(&source, out.join(format!("{name}.wasm")))
            .map_err(|error| format!("cannot copy the collector `{}`: {error}", source.display()))?;
        let component = fs::read(out.join(format!("{name}.wasm")))?;
        fs::write(out.join(format!("{name}.sha256")), Sha256::digest(component))?;
    }
    Ok(())
}

/// What `ghostd collector new` writes: the SDK, the WIT files and the templates, as lists of paths and texts.
fn embed_author_files(workspace: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut code = String::new();
    for (name, dir) in [("SDK", "plugins/sdk"), ("WIT", "wit"), ("TEMPLATES", "plugins/templates")] {
        let root = workspace.join(dir);
        println!("cargo::rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        walk(&root, &mut files)?;
        files.sort();
        code.push_str(&format!("static {name}: Files = &[\n"));
        for file in files {
            let path = file.strip_prefix(&root)?.to_string_lossy().into_owned();
            code.push_str(&format!("    ({path:?}, include_str!({:?})),\n", file.display().to_string()));
        }
        code.push_str("];\n");
    }
    #[expect(clippy::disallowed_methods, reason = "a file of the build, which is made again with the next")]
    let written = fs::write(out.join("author_files.rs"), code);
    Ok(written?)
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// `<target>/<profile>/build/ghostd-<hash>/out` -> `<target>`.
fn target_dir(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let build = out.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "build"));
    let profile = build.and_then(Path::parent).ok_or("OUT_DIR stands below target/<profile>/build")?;
    let mut target = profile.parent().ok_or("the profile's directory stands below target/")?;
    // With `--target` there is one directory more.
    if let Ok(triple) = env::var("TARGET")
        && target.file_name().is_some_and(|name| name == triple.as_str())
    {
        target = target.parent().ok_or("the target's directory stands below target/")?;
    }
    Ok(target.to_owned())
}

fn ensure_target() -> Result<(), Box<dyn Error>> {
    if target_is_there() {
        return Ok(());
    }
    // Where rustup is told not to install by itself, `targets` of rust-toolchain.toml is silently ignored.
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    if added.is_ok_and(|status| status.success()) && target_is_there() {
        return Ok(());
    }
    Err(format!(
        "the collectors are built for {TARGET}, which this toolchain lacks: run `rustup target add {TARGET}`, \
         or point GHOSTD_PLUGINS_DIR at finished components"
    )
    .into())
}

fn target_is_there() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(output) = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output() else {
        return false;
    };
    let dir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success() && fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some())
}

fn build(workspace: &Path, target_dir: &Path) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace).args(["build", "--locked", "--profile", "plugin", "--target", TARGET]);
    cargo.arg("--target-dir").arg(target_dir);
    for name in COLLECTORS {
        cargo.args(["-p", &format!("ghostd-{name}")]);
    }
    // Settings of the outer build that would change or break the inner one.
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "CLIPPY_ARGS",
    ] {
        cargo.env_remove(name);
    }
    let output = cargo.output().map_err(|error| format!("cannot run cargo for the collectors: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("cannot build the collectors:\n{}", String::from_utf8_lossy(&output.stderr)).into())
}
