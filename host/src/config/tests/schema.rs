//! The schema: current, satisfied by what we ship, and as strict as the check.

use super::*;

fn committed(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path)).unwrap()
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(&schema_json()).unwrap()).unwrap()
}

fn as_json(text: &str) -> serde_json::Value {
    super::super::tree::parse(text, &Origin::Default).unwrap().to_json()
}

#[test]
fn the_committed_schema_is_current() {
    if std::env::var_os("GHOSTD_UPDATE_FILES").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/ghostd.schema.json"), schema_json()).unwrap();
    }
    assert_eq!(
        committed("ghostd.schema.json"),
        schema_json(),
        "write it anew: GHOSTD_UPDATE_FILES=1 cargo test -p ghostd --lib config::"
    );
}

#[test]
fn what_we_ship_satisfies_the_schema_and_loads() {
    let validator = validator();
    let mut texts = vec![("default.toml".to_owned(), DEFAULT_TOML.to_owned())];
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        texts.push((name.clone(), committed(&format!("examples/{name}"))));
    }
    assert!(texts.len() >= 4, "the examples are there");
    for (name, text) in texts {
        let errors: Vec<String> = validator
            .iter_errors(&as_json(&text))
            .map(|error| format!("{name}: {error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let loaded = load(&text).unwrap_or_else(|faults| panic!("{name}:\n{faults}"));
        let unexpected: Vec<&Fault> =
            loaded.notices.iter().filter(|notice| !notice.problem.starts_with("there is no ")).collect();
        assert!(unexpected.is_empty(), "{name}: {unexpected:#?}");
    }
}

/// The check and the schema are two readers of one text: they must agree on what is wrong.
#[test]
fn schema_and_check_refuse_the_same() {
    let validator = validator();
    for text in [
        "snapshots = 1",
        "snapshot.evry = '5m'",
        "snapshot.every = 5",
        "snapshot.every = '5 parsecs'",
        "store.max_size = '5 elephants'",
        "store.max_count = 0",
        "snapshot.at_start = 'yes'",
        "heartbeat.sections = []",
        "log.level = 'loud'",
        "daemon = ['nginx']",
        "daemon = [{ restarted_for = '1m' }]",
        "daemon = [{ name = 'x', match = { path = '/x' } }]",
        "collector.x.limits.cpu = '1s'",
        "collector.x.grant = ['everything']",
        "collector.x.sha256 = 'abc'",
        "collector.X.enabled = true",
        "collector.x.sections = { A = '1s' }",
        "collector.x.files = { A = '/' }",
        "host.versions = { node = [] }",
        "host.versions = { '1' = ['node'] }",
        "clock.chrony = 'on'",
        "security.sanitize.rules = [{ name = 'x' }]",
        "log.file = ''",
    ] {
        assert!(!validator.is_valid(&as_json(text)), "the schema takes {text}");
        assert!(load(text).is_err(), "the check takes {text}");
    }
    for text in ["snapshot.every = '1h30m'", "collector.x.config.any = { thing = [1, 'a'] }", "daemon = []"] {
        assert!(validator.is_valid(&as_json(text)), "the schema refuses {text}");
        assert!(load(text).is_ok(), "the check refuses {text}");
    }
}

#[test]
fn every_key_is_described_and_has_a_default_or_is_optional() {
    fn walk(schema: &serde_json::Value, default: Option<&serde_json::Value>, path: &str, faults: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            let description = property["description"].as_str().unwrap_or_default();
            if description.is_empty() {
                faults.push(format!("{path} has no description"));
            }
            let default = default.and_then(|default| default.get(key));
            if default.is_none() && !description.contains("Optional") {
                faults.push(format!("{path} has no default and does not say that it is optional"));
            }
            walk(property, default, &path, faults);
        }
    }
    let mut faults = Vec::new();
    walk(&serde_json::from_str(&schema_json()).unwrap(), Some(&as_json(DEFAULT_TOML)), "", &mut faults);
    assert_eq!(faults, [""; 0]);
}
