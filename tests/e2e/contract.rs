//! The contract does not change: what was built for it runs for ever, and what was built for another one is told so.

use std::path::{Path, PathBuf};

use crate::harness::{QUIET, Site, collector};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/fixtures/contract")
}

/// Configuration that runs these fixtures, each under its own name with dashes for dots.
fn tables(site: &Site, names: &[&str]) -> String {
    names
        .iter()
        .map(|name| {
            let plain = name.replace('.', "-");
            std::fs::copy(fixtures().join(format!("{name}.wasm")), site.path(&format!("{plain}.wasm"))).unwrap();
            format!("[collector.{plain}]\nsource = \"{plain}.wasm\"\ngrant = [\"system\"]\n")
        })
        .collect()
}

#[test]
fn guests_of_every_release_run() {
    // One at a time: they have the same section.
    for name in ["frozen-0.1.0", "patch-newer", "exports-more"] {
        let site = Site::with(QUIET);
        let tables = tables(&site, &[name]);
        site.configure(&format!("{QUIET}{tables}"));
        let body = site.snapshot();
        let plain = name.replace('.', "-");
        assert_eq!(collector(&body, &plain)["status"], "ok", "{:#}", collector(&body, &plain));
        assert_eq!(body["sections"]["frozen"]["body"], serde_json::json!({"read": true}), "{name}");
    }
    let site = Site::with(QUIET);
    let tables = tables(&site, &["rust-0.1.0"]);
    site.configure(&format!("{QUIET}{tables}"));
    assert_eq!(site.snapshot()["sections"]["raw"]["body"]["answer"], 42);
}

#[test]
fn what_was_built_for_another_contract_is_told_so_before_it_runs() {
    let cases: [(&str, &[&str]); 8] = [
        ("major-newer", &["built for contract 0.2.0", "serves contract 0.1.0", "use a newer ghostd"]),
        ("host-newer", &["built for contract 0.2.0", "ghost:host/system@0.2.0", "serves contract 0.1.0"]),
        ("major-older", &["built for contract 0.0.9", "serves contract 0.1.0", "build it again"]),
        ("field-more", &["does not fit contract 0.1.0", "record", "build it again"]),
        ("case-more", &["does not fit contract 0.1.0", "enum", "build it again"]),
        ("function-more", &["does not fit contract 0.1.0", "gpu", "built for contract 0.1.7", "use a newer ghostd"]),
        ("interface-more", &["ghost:host/teleport@0.1.0"]),
        ("export-missing", &["exports no `ghost:collector/collector@0.1.0`", "`run`"]),
    ];
    let site = Site::with(QUIET);
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    site.configure(&format!("{QUIET}{}", tables(&site, &names)));
    let body = site.snapshot();
    let mut wrong = Vec::new();
    for (name, words) in cases {
        let refused = collector(&body, name);
        let error = refused["error"].as_str().unwrap_or_default();
        if refused["status"] != "refused" || !words.iter().all(|word| error.contains(word)) {
            wrong.push(format!("{name} is {}: {error}\n  without one of {words:?}", refused["status"]));
        }
        let checked = site.ghostd(&["collector", "check", &format!("{name}.wasm")]);
        if checked.code != Some(1) || !words.iter().all(|word| checked.stdout.contains(word)) {
            wrong.push(format!("check of {name}: {checked:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(body["sections"]["clock"]["completeness"], "complete", "the others run");
}
