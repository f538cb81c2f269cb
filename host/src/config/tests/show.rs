//! `config show`: what is in effect, and where it comes from.

use super::*;

#[test]
fn what_is_shown_reads_as_the_same_configuration() {
    let text = "[host.versions]\n'a.b' = ['x', \"tab\\t\"]\n[collector.metric]\nconfig = { f = 1.0, t = [{ a = 1 }, {}], e = {} }\n\
                [collector_defaults]\nlimits.wall = '1s'\n[[daemon]]\nname = 'nginx'\nmatch.unit = 'nginx'\n";
    // A dot in a version's name is allowed, so its key must be quoted.
    let first = load(text).unwrap();
    let second =
        load(&first.effective.to_toml()).unwrap_or_else(|faults| panic!("{faults}\n{}", first.effective.to_toml()));
    assert_eq!(first.config.canonical_json(), second.config.canonical_json());
    assert_eq!(first.config, second.config);
    assert_eq!(load(&defaults().effective.to_toml()).unwrap().config, defaults().config);
}

#[test]
fn each_value_has_its_origin() {
    let shown = load("[snapshot]\nevery = '1m'\n[collector.clock.limits]\nwall = '3s'\n").unwrap().effective.to_toml();
    let expected = "\n[snapshot]\n\
        every = \"1m\"                                    # ghostd.toml:2:9\n\
        at_start = true                                 # default\n\
        deadline = \"30s\"                                # default\n";
    assert!(shown.starts_with(expected), "{shown}");
    let clock = "\n[collector.clock]\n\
        source = \"builtin:clock\"                        # default\n\
        every = \"heartbeat\"                             # default\n\
        grant = [\"clock\"]                               # default\n\
        \n[collector.clock.limits]\n\
        wall = \"3s\"                                     # ghostd.toml:4:8\n";
    assert!(shown.contains(clock), "{shown}");
}

#[test]
fn json_has_every_value_once_with_its_origin() {
    let rows = load("log.level = 'warn'\n").unwrap().effective.to_json();
    let rows = rows.as_array().unwrap();
    let row = |key: &str| {
        let found: Vec<_> = rows.iter().filter(|row| row["key"] == key).collect();
        assert_eq!(found.len(), 1, "{key}");
        found[0].clone()
    };
    assert_eq!(
        row("log.level"),
        serde_json::json!({
            "key": "log.level", "value": "warn", "origin": { "source": "file", "file": "ghostd.toml", "line": 1 }
        })
    );
    assert_eq!(row("daemon[7].name")["value"], "decisionEngine");
    assert_eq!(row("collector.metric.limits.wall")["value"], "5s");
    assert_eq!(row("snapshot.every")["origin"]["source"], "default");
}

#[test]
fn a_missing_grant_says_what_to_write_where() {
    let dir = tempfile::tempdir().unwrap();
    let component = dir.path().join("nginx.wasm");
    fs::write(&component, b"").unwrap();
    let effective = |grant: &str| {
        let text = format!("[collector.nginx]\nsource = '{}'\n{grant}", component.display());
        load(&text).unwrap().effective
    };
    assert_eq!(
        effective("grant = ['files']\n").how_to_grant("nginx", Capability::Processes),
        "write `grant = [\"files\", \"processes\"]` at ghostd.toml:3:9"
    );
    assert_eq!(
        effective("").how_to_grant("nginx", Capability::Files),
        "write `grant = [\"files\"]` below `[collector.nginx]` at ghostd.toml:1:12"
    );
    assert_eq!(
        effective("").how_to_grant("hello", Capability::Files),
        "write `grant = [\"files\"]` below `[collector.hello]` in the configuration file"
    );
}
