//! A collector may do what the configuration grants it. What it would need is asked before any of its code runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{QUIET, Site, bounded, collector};

/// A component that imports `ghost:host/clock`, as a stranger's file.
fn clock_in(site: &Site) -> PathBuf {
    let file = site.path("stranger.wasm");
    std::fs::write(&file, ghostd::plugins::builtin::component("clock").unwrap().0).unwrap();
    file
}

/// The built-in clock has the section that the stranger wants.
const WITHOUT_CLOCK: &str = "[collector.clock]\nenabled = false\n";

#[test]
fn what_is_not_granted_is_not_run_and_the_message_says_what_to_write() {
    let site = Site::with(QUIET);
    clock_in(&site);
    site.configure(&format!("{QUIET}{WITHOUT_CLOCK}[collector.stranger]\nsource = \"stranger.wasm\"\n"));
    let answer = site.ghostd(&["snapshot"]).exits(0);
    let words = "it needs `clock` and is not granted that (add `grant = [\"clock\"]` to [collector.stranger])";
    assert!(answer.stderr.contains("stranger") && answer.stderr.contains(words), "{}", answer.stderr);

    let body = site.newest().unwrap();
    let refused = collector(&body, "stranger");
    assert_eq!((&refused["status"], &refused["calls"]), (&"refused".into(), &0.into()), "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains(words), "{refused:#}");
    assert_eq!(body["sections"]["stranger"]["completeness"], "missing");
    assert!(body["sections"]["stranger"]["error"].as_str().unwrap().contains(words));
    assert_eq!(body["sections"]["daemon"]["completeness"], "complete", "the others run");

    let daemon = site.run();
    daemon.says(&words.replace('"', "\\\""));
    assert_eq!(collector(&daemon.status(), "stranger")["status"], "refused");
}

#[test]
fn inspect_prints_the_lines_that_grant_it_and_they_do() {
    let site = Site::with(QUIET);
    let file = clock_in(&site);
    let wasm = std::fs::read(&file).unwrap();
    let sha256 = ghostd::model::Digest::of(&wasm).to_string();

    let answer = site.ghostd(&["collector", "inspect", "stranger.wasm", "--json"]).exits(0).json();
    assert_eq!(answer["sha256"], sha256.as_str());
    assert_eq!(answer["size_bytes"], wasm.len());
    assert_eq!(answer["grants"], serde_json::json!(["clock"]));
    let imports: Vec<&str> = answer["imports"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(imports.contains(&"ghost:host/clock@0.1.0") && imports.contains(&"ghost:host/log@0.1.0"), "{imports:?}");
    assert_eq!(answer["descriptor"]["sections"], serde_json::json!(["clock"]));

    let page = site.ghostd(&["collector", "inspect", "stranger.wasm"]).exits(0).stdout;
    for part in [sha256.as_str(), &wasm.len().to_string(), "needs     clock", "ghost:host/clock@0.1.0"] {
        assert!(page.contains(part), "no `{part}` in\n{page}");
    }
    // What stands below is pasted as it is.
    let block = &page[page.find("[collector.").expect("the page ends with configuration")..];
    site.configure(&format!("{QUIET}{WITHOUT_CLOCK}{block}"));
    let body = site.snapshot();
    assert_eq!(collector(&body, "stranger")["status"], "ok");
    assert_eq!(body["sections"]["clock"]["collector"], "stranger");
    assert_eq!(body["sections"]["clock"]["component_sha256"], sha256.as_str());
    assert!(body["sections"]["clock"]["body"]["status"].is_string(), "{:#}", body["sections"]["clock"]);
}

#[test]
fn the_sections_of_built_in_collectors_are_those_that_they_describe() {
    let site = Site::with(QUIET);
    for name in ghostd::plugins::builtin::NAMES {
        let answer = site.ghostd(&["collector", "inspect", &format!("builtin:{name}"), "--json"]).exits(0).json();
        assert_eq!(answer["descriptor"]["sections"], serde_json::json!(ghostd::plugins::builtin::sections(name)));
    }
}

#[test]
fn another_file_than_the_pinned_one_is_refused() {
    let site = Site::with(QUIET);
    clock_in(&site);
    let pin = "0123456789abcdef".repeat(4);
    site.configure(&format!(
        "{QUIET}{WITHOUT_CLOCK}[collector.stranger]\nsource = \"stranger.wasm\"\nsha256 = \"{pin}\"\ngrant = [\"clock\"]\n"
    ));
    let answer = site.ghostd(&["snapshot"]).exits(2);
    assert!(answer.stderr.contains("collector.stranger.sha256"), "{}", answer.stderr);
    assert!(answer.stderr.contains("has another SHA-256"), "{}", answer.stderr);
    assert!(site.files().is_empty());
}

#[test]
fn a_file_that_changes_under_its_pin_is_not_run() {
    let site = Site::with(QUIET);
    let file = clock_in(&site);
    let sha256 = ghostd::model::Digest::of(&std::fs::read(&file).unwrap());
    site.configure(&format!(
        "[snapshot]\nevery = \"500ms\"\n{QUIET}{WITHOUT_CLOCK}[collector.stranger]\nsource = \"stranger.wasm\"\nsha256 = \"{sha256}\"\ngrant = [\"clock\"]\n"
    ));
    let daemon = site.run();
    daemon.says("A collector was loaded. collector=\"stranger\"");
    std::fs::write(&file, ghostd::plugins::builtin::component("patch").unwrap().0).unwrap();
    daemon.says("pins");
    daemon.says("Its last good version goes on running.");
}

#[test]
fn what_is_no_component_is_refused_in_clear_words() {
    let site = Site::with(QUIET);
    site.snapshot();
    let native = site.all_files().into_iter().find(|file| file.extension().is_some_and(|end| end == "cwasm")).unwrap();
    std::fs::copy(native, site.path("native.wasm")).unwrap();
    std::fs::write(site.path("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(site.path("empty.wasm"), b"").unwrap();
    std::fs::write(site.path("text.wasm"), b"(component)").unwrap();
    std::fs::write(site.path("cut.wasm"), &ghostd::plugins::builtin::component("clock").unwrap().0[..5000]).unwrap();
    let cases = [
        ("native", "it is precompiled native code, which ghostd never loads from a file"),
        ("module", "it is a core module"),
        ("empty", "it is empty"),
        ("text", "it is no WebAssembly component"),
        ("cut", "the compiler refused it"),
    ];
    let table = |name: &str| format!("[collector.{name}]\nsource = \"{name}.wasm\"\n");
    let tables: String = cases.iter().map(|(name, _)| table(name)).collect();
    site.configure(&format!("{QUIET}{tables}"));
    let body = site.snapshot();
    for (name, words) in cases {
        let refused = collector(&body, name);
        assert_eq!(refused["status"], "refused", "{refused:#}");
        assert!(refused["error"].as_str().unwrap().contains(words), "{refused:#}");
        let inspected = site.ghostd(&["collector", "inspect", &format!("{name}.wasm")]).exits(2);
        assert!(inspected.stderr.contains(words), "{}", inspected.stderr);
    }
    assert_eq!(body["sections"]["clock"]["completeness"], "complete", "the others run");
}

#[test]
fn a_pipe_under_the_name_of_a_component_holds_nobody_up() {
    let site = Site::with(QUIET);
    let fifo = site.path("pipe.wasm");
    let mut mkfifo = Command::new("mkfifo");
    mkfifo.arg(&fifo);
    assert!(bounded(mkfifo).status.success());

    let inspected = site.ghostd(&["collector", "inspect", "pipe.wasm"]).exits(2);
    assert!(inspected.stderr.contains("it is no regular file"), "{}", inspected.stderr);
    for pin in [String::new(), format!("sha256 = \"{}\"\n", "0".repeat(64))] {
        site.configure(&format!("{QUIET}[collector.pipe]\nsource = \"pipe.wasm\"\n{pin}"));
        let answer = site.ghostd(&["snapshot"]).exits(2);
        assert!(answer.stderr.contains("is no regular file"), "{}", answer.stderr);
    }

    // In the directory of drop-ins it is no fault of the configuration, and no collector either.
    site.configure(QUIET);
    crate::harness::make_private(&site.path("collectors.d"));
    std::fs::rename(&fifo, site.path("collectors.d/pipe.wasm")).unwrap();
    let body = site.snapshot();
    let refused = collector(&body, "pipe");
    assert!(refused["error"].as_str().unwrap().contains("it is no regular file"), "{refused:#}");
    assert!(Path::new(&site.path("collectors.d/pipe.wasm")).exists());
}
