//! From somewhere to the directory of drop-ins, and by whose word.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::guests;
use crate::harness::{PATIENCE, Process, QUIET, Site, collector, make_private, until};

fn installed(site: &Site) -> std::path::PathBuf {
    site.path("collectors.d/raw.wasm")
}

#[test]
fn a_file_or_a_directory_is_shown_before_it_is_put_there() {
    let site = Site::with(QUIET);
    std::fs::write(site.path("raw.wasm"), guests::raw()).unwrap();
    let asked = site.ghostd(&["collector", "install", "raw.wasm"]).exits(2);
    assert!(asked.stdout.contains("needs     none") && asked.stderr.contains("--yes"), "{asked:?}");
    assert!(!installed(&site).exists());

    site.ghostd(&["collector", "install", "raw.wasm", "--yes"]).exits(0);
    assert_eq!(std::fs::read(installed(&site)).unwrap(), guests::raw());
    assert_eq!(site.snapshot()["sections"]["raw"]["body"]["answer"], 42);

    // What needs a grant has none by being installed.
    std::fs::create_dir(site.path("dist")).unwrap();
    std::fs::write(site.path("dist/stranger.wasm"), ghostd::plugins::builtin::component("patch").unwrap().0).unwrap();
    let shown = site.ghostd(&["collector", "install", "dist", "--yes"]).exits(0).stdout;
    assert!(shown.contains("[collector.stranger]") && shown.contains("grant = [\"files\"]"), "{shown}");
    assert_eq!(collector(&site.snapshot(), "stranger")["status"], "refused");

    for (arguments, words) in [
        (&["raw.wasm", "--sha256", &"0".repeat(64), "--yes"][..], "it is not installed"),
        (&["raw.wasm", "--name", "clock", "--yes"], "the name of a built-in"),
        (&["http://example.org/a.wasm", "--yes"], "can be changed on its way"),
        (&["https://example.org/a.wasm", "--yes"], "needs a digest"),
        (&["oci://nothing", "--yes"], "is no reference"),
    ] {
        let mut all = vec!["collector", "install"];
        all.extend(arguments);
        let refused = site.ghostd(&all).exits(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

#[test]
fn where_signatures_are_asked_for_only_what_a_known_key_signed_runs() {
    let site = Site::with(QUIET);
    make_private(&site.path("collectors.d"));
    std::fs::write(site.path("raw.wasm"), guests::raw()).unwrap();
    let signed = site.ghostd(&["collector", "sign", "raw.wasm", "--key", "alice.key", "--new-key", "--json"]).exits(0);
    let key = signed.json()["key"].as_str().unwrap().to_owned();
    site.ghostd(&["collector", "sign", "raw.wasm", "--key", "alice.key", "--new-key"]).exits(2);
    let strict = format!("[collectors]\nrequire_signature = true\n[collectors.keys]\nalice = \"{key}\"\n");
    site.configure(&format!("{QUIET}{strict}"));

    let shown = site.ghostd(&["collector", "install", "raw.wasm", "--yes"]).exits(0).stdout;
    assert!(shown.contains("signed    by `alice`"), "{shown}");
    let body = site.snapshot();
    assert_eq!(body["sections"]["raw"]["body"]["answer"], 42);
    assert_eq!(collector(&body, "clock")["status"], "ok", "what is built in needs none");

    // Without its signature, with another's, and with other bytes under it.
    let signature = site.path("collectors.d/raw.wasm.sig");
    let good = std::fs::read_to_string(&signature).unwrap();
    std::fs::remove_file(&signature).unwrap();
    let refused = |words: &str| {
        let body = site.snapshot();
        let one = collector(&body, "raw");
        assert_eq!(one["status"], "refused", "{one:#}");
        assert!(one["error"].as_str().unwrap().contains(words), "{one:#}");
    };
    refused("it has no signature beside it");
    site.ghostd(&["collector", "sign", "collectors.d/raw.wasm", "--key", "eve.key", "--new-key"]).exits(0);
    refused("by none of the keys");
    std::fs::write(&signature, &good).unwrap();
    std::fs::write(installed(&site), guests::hostile("raw")).unwrap();
    refused("is for another file");
    std::fs::write(installed(&site), guests::raw()).unwrap();
    assert_eq!(site.snapshot()["sections"]["raw"]["body"]["answer"], 42);

    site.configure(&format!("{QUIET}[collectors]\nrequire_signature = true\n"));
    let refused = site.ghostd(&["config", "check"]).exits(2);
    assert!(refused.stderr.contains("no key's signature would count"), "{}", refused.stderr);
}

/// A free port, for a moment.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One request to the registry. The body of the answer is not looked at.
fn put(port: u16, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Puts bytes into the registry and gives their digest.
fn blob(port: u16, bytes: &[u8]) -> String {
    let digest = format!("sha256:{}", ghostd::model::Digest::of(bytes));
    let answer = put(port, "POST", "/v2/team/raw/blobs/uploads/", "application/octet-stream", b"");
    let location = answer
        .lines()
        .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("location")))
        .unwrap_or_else(|| panic!("no place to upload to: {answer}"))
        .1
        .trim()
        .to_owned();
    let path =
        location.split_once("//").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap_or(&location);
    let separator = if path.contains('?') { '&' } else { '?' };
    let answer = put(port, "PUT", &format!("{path}{separator}digest={digest}"), "application/octet-stream", bytes);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    digest
}

#[test]
fn a_registry_of_containers_holds_collectors_too() {
    if !Path::new("/usr/bin/docker-registry").exists() {
        eprintln!("SKIPPED: there is no docker-registry here (apt-get install docker-registry)");
        return;
    }
    let site = Site::with(QUIET);
    let port = port();
    let config = site.path("registry.yml");
    let storage = site.path("registry");
    std::fs::write(
        &config,
        format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {storage:?}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        ),
    )
    .unwrap();
    let child = Command::new("/usr/bin/docker-registry")
        .args(["serve", config.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _registry = Process(child);
    until("the registry answers", PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());

    let wasm = guests::raw();
    let layer = blob(port, &wasm);
    let config = blob(port, b"{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": layer, "size": wasm.len()}],
    })
    .to_string();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let answer = put(port, "PUT", "/v2/team/raw/manifests/1.0.0", kind, manifest.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");

    let reference = format!("oci://127.0.0.1:{port}/team/raw:1.0.0");
    let install = |reference: &str| site.ghostd(&["collector", "install", reference, "--plain-http", "--yes"]);
    install(&reference).exits(0);
    assert_eq!(std::fs::read(installed(&site)).unwrap(), wasm);
    assert_eq!(site.snapshot()["sections"]["raw"]["body"]["answer"], 42);

    // By digest, which no registry can bend.
    let digest = ghostd::model::Digest::of(manifest.as_bytes());
    install(&format!("oci://127.0.0.1:{port}/team/raw@sha256:{digest}")).exits(0);
    let missing = install(&format!("oci://127.0.0.1:{port}/team/raw:2.0.0")).exits(2);
    assert!(missing.stderr.contains("404"), "{}", missing.stderr);

    // A registry that changed what it holds is found out.
    let stored = storage.join("docker/registry/v2/blobs/sha256").join(&layer[7..9]).join(&layer[7..]).join("data");
    let mut bytes = std::fs::read(&stored).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    let lie = install(&reference).exits(2);
    assert!(lie.stderr.contains("hash to"), "{}", lie.stderr);
}
