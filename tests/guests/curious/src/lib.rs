//! A collector that is lent one directory and tries to get at everything else, by what its configuration names:
//! `{"do": "paths"}`. It says what came of each attempt.

wit_bindgen::generate!({
    inline: r#"
        package test:curious;
        world curious {
            import ghost:host/log@0.1.0;
            import ghost:host/files@0.1.0;
            export ghost:collector/collector@0.1.0;
        }
    "#,
    path: "../../../wit",
    generate_all,
});

use exports::ghost::collector::collector::{Descriptor, Failure, Guest, Invocation, Section};
use ghost::collector::types::Completeness;
use ghost::host::files;

struct Curious;

/// What must not be reached from the root `lent`. The first two are there, and are no files of it.
const PATHS: [&str; 14] = [
    "../secret.txt",
    "inner/../../secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "./../secret.txt",
    "link-out",
    "link-dir/secret.txt",
    "fifo",
    "inner",
    "open.txt/",
    "inner/..",
    "",
    "nul\0byte",
    "..",
];

impl Guest for Curious {
    fn describe() -> Descriptor {
        Descriptor {
            name: "curious".to_owned(),
            // Another answer each time: the random numbers of WASI are there for everybody.
            version: format!("0.1.{}", random()),
            summary: "Looks where it may not.".to_owned(),
            sections: vec!["curious".to_owned()],
            config_schema: Some(r#"{"type":"object"}"#.to_owned()),
            attributes: vec![],
        }
    }

    fn collect(_call: Invocation, config: String) -> Result<Vec<Section>, Failure> {
        let asked = |what: &str| config.contains(&format!("\"{what}\""));
        if asked("connect") {
            let connected = std::net::TcpStream::connect("127.0.0.1:1").is_ok();
            return Ok(vec![section(format!("{{\"connected\":{connected}}}"))]);
        }
        if asked("std") {
            let read = std::fs::read_to_string("/etc/passwd").is_ok();
            return Ok(vec![section(format!("{{\"read\":{read}}}"))]);
        }
        if asked("handles") {
            let mut held = Vec::new();
            loop {
                match files::open("lent", "open.txt") {
                    Ok(file) => held.push(file),
                    Err(error) => return Ok(vec![section(format!("{{\"held\":{},\"error\":{:?}}}", held.len(), format!("{error:?}")))]),
                }
            }
        }
        if asked("keep") {
            let (mut kept, mut refused) = (0, 0);
            for n in 0..400 {
                match files::open("lent", &format!("many/{n}")).and_then(|file| file.keep()) {
                    Ok(()) => kept += 1,
                    Err(_) => refused += 1,
                }
            }
            return Ok(vec![section(format!("{{\"kept\":{kept},\"refused\":{refused}}}"))]);
        }
        let mut reached: Vec<String> = PATHS
            .iter()
            .filter(|path| files::open("lent", path).is_ok_and(|file| file.read_at(0, 64).is_ok_and(|bytes| !bytes.is_empty())))
            .map(|path| format!("{path:?}"))
            .collect();
        for root in ["", "other", "lent/..", "/"] {
            if files::open(root, "open.txt").is_ok() || files::find(root, "*", 10).is_ok() {
                reached.push(format!("{root:?}"));
            }
        }
        for pattern in ["../*", "/*", "inner/../../*", "**/../*"] {
            if files::find("lent", pattern, 1000).is_ok_and(|found| found.entries.iter().any(|entry| entry.path.contains("secret"))) {
                reached.push(format!("{pattern:?}"));
            }
        }
        let fair = files::open("lent", "open.txt").and_then(|file| file.read_at(0, 64)).is_ok_and(|bytes| bytes == b"open");
        Ok(vec![section(format!("{{\"reached\":[{}],\"fair\":{fair}}}", reached.join(",")))])
    }
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) % 1_000_000_000
}

fn section(body: String) -> Section {
    Section {
        key: "curious".to_owned(),
        schema: "test.curious/1".to_owned(),
        completeness: Completeness::Complete,
        warnings: vec![],
        body,
        metrics: vec![],
        findings: vec![],
        attributes: vec![],
    }
}

export!(Curious);
