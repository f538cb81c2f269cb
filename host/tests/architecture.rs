//! Who may know whom. `ARCHITECTURE.md` says why; this test keeps it so.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the code has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every module with the modules of this crate that it may use.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("access", &[]),
    ("chain", &[]),
    ("schedule", &[]),
    ("sanitize", &[]),
    ("probe", &[]),
    ("config", &[]),
    ("dropins", &[]),
    ("clock", &["model"]),
    ("hostinfo", &["model"]),
    ("control", &["model"]),
    ("audit", &["model"]),
    ("diff", &["model"]),
    ("retention", &["model"]),
    ("human", &["model"]),
    ("tui", &["chain", "diff", "human", "model", "store"]),
    ("board", &["clean", "model"]),
    ("heartbeat", &["board", "model"]),
    ("maintenance", &["config", "model"]),
    ("merge", &["board", "model", "sanitize"]),
    ("clean", &["merge", "model", "sanitize"]),
    ("seal", &["clean", "model"]),
    ("sealer", &["model", "seal", "store"]),
    ("head", &["model", "store"]),
    ("plugins", &["chain", "clock", "model", "probe", "sanitize"]),
    ("collect", &["board", "chain", "clean", "merge", "model", "plugins", "sanitize", "schedule"]),
    ("store", &["audit", "model", "retention", "seal"]),
    ("alerts", &["chain", "model"]),
    ("backup", &["audit", "chain", "model", "seal", "store"]),
    ("export", &["chain", "model", "store"]),
    ("memory", &["board", "clean", "collect", "model", "store"]),
    ("publish", &["model", "store"]),
    ("api", &["chain", "clock", "control", "diff", "model", "publish", "sanitize", "store"]),
    ("recorder", &["access", "chain", "clean", "clock", "model", "publish", "retention", "seal", "sealer", "store"]),
    ("uptime", &["model", "store"]),
    ("timeline", &["model", "store"]),
    ("derived", &["chain", "model", "publish", "store"]),
    (
        "wiring",
        &[
            "alerts",
            "backup",
            "chain",
            "clock",
            "collect",
            "config",
            "derived",
            "head",
            "hostinfo",
            "model",
            "plugins",
            "probe",
            "retention",
            "sanitize",
            "sealer",
            "store",
        ],
    ),
    (
        "once",
        &[
            "board", "chain", "clean", "collect", "dropins", "hostinfo", "memory", "merge", "model", "recorder",
            "store", "wiring",
        ],
    ),
    ("demo", &["board", "clean", "heartbeat", "memory", "merge", "model", "retention", "sanitize", "seal", "store"]),
    // The only ones that know everybody.
    ("daemon", &["*"]),
];

#[test]
fn modules_know_only_whom_they_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        if matches!(&*module, "lib" | "main" | "cli") {
            continue;
        }
        seen.insert(module.clone());
        let Some(may_know) = allowed.get(&*module) else {
            faults.push(format!("`{module}` is not on the map: add it to ARCHITECTURE.md and to this test"));
            continue;
        };
        // Tests may use whatever they need to make what they test.
        if relative
            .components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs" | "testing.rs")))
        {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if !name.is_empty() && name != module && !may_know.contains(&"*") && !may_know.contains(&&*name) {
                    faults.push(format!("{}: `{module}` must not know `{name}`", relative.display()));
                }
            }
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen.len() > 20, "the test looks at the wrong place");
}

fn rust_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
