//! A stranger's first hour: a project that builds outside of this repository, is checked, tried, measured, installed, and
//! is in the next snapshot.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::guests;
use crate::harness::{PATIENCE, QUIET, Site, make_private, until};

/// Cargo as an author gives it, with what it builds beside our own so that a second run has nothing to do.
fn cargo(project: &Path, arguments: &[&str]) {
    let target = Path::new(env!("CARGO_BIN_EXE_ghostd")).ancestors().nth(2).unwrap().join("author");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(project).args(arguments).env("CARGO_TARGET_DIR", target);
    for name in
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"]
    {
        cargo.env_remove(name);
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn built(project: &Path, name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_ghostd")).ancestors().nth(2).unwrap().join("author");
    assert!(project.join("Cargo.toml").exists());
    target.join("wasm32-wasip2/release").join(format!("{name}.wasm"))
}

#[test]
fn a_rust_project_goes_from_new_to_a_section_in_a_snapshot() {
    let site = Site::with(&format!("[snapshot]\nevery = \"1s\"\n{QUIET}"));
    let said = site.ghostd(&["collector", "new", "my-load"]).exits(0).stdout;
    assert!(said.contains("cargo build --release --target wasm32-wasip2"), "{said}");
    let project = site.path("my-load");
    // The versions that this repository's own lock names are at hand on every machine that built it.
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("Cargo.lock"),
        project.join("Cargo.lock"),
    )
    .unwrap();
    cargo(&project, &["test", "--quiet", "--lib"]);
    cargo(&project, &["build", "--release", "--target", "wasm32-wasip2", "--quiet"]);
    let wasm = built(&project, "my_load");
    let file = wasm.to_str().unwrap();

    let refused = site.ghostd(&["collector", "check", file, "--name", "my-load"]).exits(1).stdout;
    assert!(refused.contains("add `grant = [\"system\"]` to [collector.my-load]"), "{refused}");
    let tried = site.ghostd(&["collector", "test", file]).exits(0).json();
    assert_eq!(tried[0][0]["body"], serde_json::json!({"load_1m": 0.42, "high": false}), "{tried:#}");
    let measured = site.ghostd(&["collector", "bench", file, "--runs", "20", "--json"]).exits(0).json();
    eprintln!("rust: {measured:#}");
    assert_eq!((&measured["failures"], &measured["host_calls"]), (&0.into(), &1.into()));
    assert!(
        measured["collect"]["p95_ms"].as_f64() > Some(0.0) && measured["peak_memory_bytes"].as_u64() > Some(65_535)
    );

    site.configure(&format!("[snapshot]\nevery = \"1s\"\n{QUIET}[collector.my-load]\ngrant = [\"system\"]\n"));
    let daemon = site.run();
    let shown = site.ghostd(&["collector", "install", file, "--name", "my-load", "--yes"]).exits(0).stdout;
    assert!(shown.contains("so that it has at once: system"), "{shown}");
    let body = until("its section is in a snapshot", PATIENCE, || {
        site.newest().filter(|body| body["sections"]["my_load"]["completeness"] == "complete")
    });
    assert!(body["sections"]["my_load"]["body"]["load_1m"].is_number());
    let good = site.ghostd(&["collector", "check", file, "--name", "my-load"]).exits(0).stdout;
    assert!(good.contains("ghostd runs it as it is."), "{good}");

    // Built again and installed again, it is in a capture soon after.
    let source = std::fs::read_to_string(project.join("src/lib.rs")).unwrap();
    std::fs::write(project.join("src/lib.rs"), source.replace("example.my_load/1", "example.my_load/2")).unwrap();
    cargo(&project, &["build", "--release", "--target", "wasm32-wasip2", "--quiet"]);
    site.ghostd(&["collector", "install", file, "--name", "my-load", "--yes"]).exits(0);
    until("the new version", PATIENCE, || {
        site.newest().filter(|body| body["sections"]["my_load"]["schema"] == "example.my_load/2")
    });
    drop(daemon);
}

#[test]
fn every_language_has_a_project_and_none_is_written_over_another() {
    let site = Site::with(QUIET);
    for language in ["rust", "python", "js", "c", "go"] {
        let answer = site.ghostd(&["collector", "new", &format!("a-{language}"), "--lang", language, "--json"]);
        let files = answer.exits(0).json()["files"].as_array().unwrap().len();
        assert!(files > 5, "{language}: {files}");
        let readme = std::fs::read_to_string(site.path(&format!("a-{language}/README.md"))).unwrap();
        assert!(readme.contains("[collector.a-") && readme.contains("grant = [\"system\"]"), "{readme}");
    }
    let again = site.ghostd(&["collector", "new", "a-rust"]).exits(2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    let bad = site.ghostd(&["collector", "new", "Bad Name"]).exits(2);
    assert!(bad.stderr.contains("1 to 64 of a-z, 0-9 and -"), "{}", bad.stderr);
}

/// What `check` says of each question.
fn answers(site: &Site, file: &str, code: i32) -> Vec<(String, String, String)> {
    let answer = site.ghostd(&["collector", "check", file, "--json"]).exits(code).json();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let all = answer["answers"].as_array().unwrap();
    all.iter().map(|one| (text(&one["question"]), text(&one["verdict"]), text(&one["says"]))).collect()
}

#[test]
fn check_says_all_that_is_wrong_and_how_to_mend_it() {
    let site = Site::with(QUIET);
    let wrong = |file: &str, question: &str, words: &str| {
        let all = answers(&site, file, 1);
        let found = all.iter().any(|(q, verdict, says)| q == question && verdict == "wrong" && says.contains(words));
        assert!(found, "{file}: no `{words}` under {question} in {all:#?}");
    };
    // A stranger's clock: two things at once.
    std::fs::write(site.path("stranger.wasm"), ghostd::plugins::builtin::component("clock").unwrap().0).unwrap();
    wrong("stranger.wasm", "grants", "add `grant = [\"clock\"]` to [collector.stranger]");
    wrong("stranger.wasm", "sections", "`clock` belongs to collector `clock`");
    std::fs::write(site.path("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    wrong("module.wasm", "component", "it is a core module");
    std::fs::write(site.path("text.wasm"), "hello").unwrap();
    wrong("text.wasm", "component", "it is no WebAssembly component");
    site.snapshot();
    let native = site.all_files().into_iter().find(|file| file.extension().is_some_and(|end| end == "cwasm")).unwrap();
    std::fs::copy(native, site.path("native.wasm")).unwrap();
    wrong("native.wasm", "component", "precompiled native code");
    // A configuration that its schema refuses.
    site.configure(&format!("{QUIET}[collector.clock]\nconfig = {{ warn_second = 3 }}\n"));
    wrong("builtin:clock", "configuration", "warn_second");
    site.configure(QUIET);
    for builtin in ghostd::plugins::builtin::NAMES {
        let all = answers(&site, &format!("builtin:{builtin}"), 0);
        assert!(all.iter().all(|(_, verdict, _)| verdict != "wrong"), "{all:#?}");
    }
    let missing = site.ghostd(&["collector", "check", "nothing.wasm"]).exits(2);
    assert!(missing.stderr.contains("cannot read `nothing.wasm`"), "{}", missing.stderr);
}

#[test]
fn test_records_sections_and_tells_what_differs() {
    let site = Site::with(QUIET);
    std::fs::write(site.path("raw.wasm"), guests::raw()).unwrap();
    let fixtures = site.path("fixtures");
    make_private(&fixtures);
    let run = |more: &[&str]| {
        let mut arguments = vec!["collector", "test", "raw.wasm", "--fixtures", "fixtures"];
        arguments.extend(more);
        site.ghostd(&arguments)
    };
    let first = run(&[]).exits(0);
    assert!(first.stderr.contains("nothing is recorded"), "{}", first.stderr);
    assert_eq!(first.json()[0][0]["body"]["reason"], "test");
    run(&["--update"]).exits(0);
    assert_eq!(run(&[]).exits(0).stdout.trim(), "as recorded");
    let file = fixtures.join("expected.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("42", "41")).unwrap();
    let differs = run(&[]).exits(1).stdout;
    assert!(differs.contains("0.0.body.answer: 42, was 41"), "{differs}");

    // A machine of the author's own, with files, a configuration and a state.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir_all(fixtures.join("files/telemetry")).unwrap();
    std::fs::write(fixtures.join("files/telemetry/relay.json"), r#"{"status":"running"}"#).unwrap();
    std::fs::write(fixtures.join("config.json"), r#"{"files":[{"name":"relay","path":"relay.json"}]}"#).unwrap();
    let tried = site.ghostd(&["collector", "test", "builtin:telemetry", "--fixtures", "fixtures"]).exits(0).json();
    let shown = tried[0][0]["body"].to_string();
    assert!(shown.contains("running") && shown.contains("relay"), "{tried:#}");
    std::fs::write(fixtures.join("host.json"), r#"{"system":{"cpus":1}}"#).unwrap();
    let wrong = site.ghostd(&["collector", "test", "builtin:metric", "--fixtures", "fixtures"]).exits(2);
    assert!(wrong.stderr.contains("host.json: unknown field `cpus`"), "{}", wrong.stderr);
    // Every built-in collector understands the machine that ghostd brings along.
    for builtin in ["daemon", "clock", "metric"] {
        let tried = site.ghostd(&["collector", "test", &format!("builtin:{builtin}"), "--calls", "3"]).exits(0).json();
        assert_eq!(tried.as_array().unwrap().len(), 3, "{builtin}");
    }
}
