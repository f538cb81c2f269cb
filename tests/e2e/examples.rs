//! The example collectors, built as anybody would build them, on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{QUIET, Site, collector};

/// The components, built once with the profile and in the place of the built-in ones, whose libraries they share.
fn built() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = Path::new(env!("CARGO_BIN_EXE_ghostd")).ancestors().nth(2).unwrap().join("plugins");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace)
        .args(["build", "--locked", "--profile", "plugin", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target);
    for name in ["ports", "units", "packages", "integrity"] {
        cargo.args(["-p", &format!("ghostd-example-{name}")]);
    }
    for name in
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"]
    {
        cargo.env_remove(name);
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "the examples do not build:\n{}", String::from_utf8_lossy(&output.stderr));
    target.join("wasm32-wasip2/plugin")
}

#[test]
fn the_examples_tell_what_is_on_this_machine() {
    let dir = built();
    let site = Site::with(QUIET);
    for name in ["ports", "units", "packages", "integrity"] {
        std::fs::copy(dir.join(format!("ghostd_example_{name}.wasm")), site.path(&format!("{name}.wasm"))).unwrap();
    }
    std::fs::create_dir_all(site.path("log")).unwrap();
    std::fs::create_dir_all(site.path("etc")).unwrap();
    let log = site.path("log/dpkg.log");
    std::fs::write(&log, "2026-11-20 10:00:00 upgrade nginx:amd64 1.0 1.1\n").unwrap();
    std::fs::write(site.path("etc/passwd"), "root:x:0").unwrap();
    site.configure(&format!(
        "{QUIET}\
         [collector.ports]\nsource = \"ports.wasm\"\ngrant = [\"sockets\"]\n\
         [collector.units]\nsource = \"units.wasm\"\ngrant = [\"units\"]\n\
         [collector.packages]\nsource = \"packages.wasm\"\ngrant = [\"files\"]\nfiles = {{ log = \"log\" }}\n\
         [collector.integrity]\nsource = \"integrity.wasm\"\ngrant = [\"files\"]\nfiles = {{ etc = \"etc\" }}\n\
         config = {{ files = [{{ root = \"etc\", pattern = \"*\" }}], reread_hours = 0 }}\n"
    ));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let body = site.snapshot();
    let ports = &body["sections"]["ports"]["body"]["listeners"];
    let ours = ports.as_array().unwrap().iter().find(|one| one["address"] == address.as_str()).expect("it listens");
    assert_eq!(ours["pid"], std::process::id());
    assert_eq!(body["sections"]["packages"]["body"]["changes"][0]["package"], "nginx:amd64");
    assert_eq!(body["sections"]["integrity"]["body"]["files"], 1);
    // With systemd it tells of units, without of the reason.
    let units = collector(&body, "units");
    let why = units["error"].as_str().unwrap_or_default();
    assert!(units["status"] == "ok" || why.contains("systemd") || why.contains("systemctl"), "{units:#}");

    // What changes between two captures is told by the second.
    std::fs::write(
        &log,
        "2026-11-20 10:00:00 upgrade nginx:amd64 1.0 1.1\n2026-11-21 10:00:00 remove telnet:amd64 1 <none>\n",
    )
    .unwrap();
    std::fs::write(site.path("etc/passwd"), "root:x:0\nme:x:0").unwrap();
    let open = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let body = site.snapshot();
    assert_eq!(body["sections"]["packages"]["body"]["since_last"], serde_json::json!({"removed": 1}));
    let titles: Vec<&str> =
        body["findings"].as_array().unwrap().iter().filter_map(|finding| finding["title"].as_str()).collect();
    assert!(titles.contains(&"etc/passwd was changed"), "{titles:?}");
    let port = open.local_addr().unwrap().port().to_string();
    assert!(titles.iter().any(|title| title.contains(&port) && title.contains("since recently")), "{titles:?}");
}
