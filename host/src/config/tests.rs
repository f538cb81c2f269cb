//! The configuration as a whole, as its user meets it.

#![expect(clippy::disallowed_methods, reason = "these files are a test's own")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::load::from_sources;
use super::*;

mod messages;
mod schema;
mod show;

/// What a user's file comes to in `/etc/ghostd`.
fn load(text: &str) -> Result<Loaded, Faults> {
    from_sources(Some((Path::new("ghostd.toml"), text)), Path::new("/etc/ghostd"), &[], &Hooks::default())
}

fn defaults() -> Loaded {
    from_sources(None, Path::new("/etc/ghostd"), &[], &Hooks::default()).unwrap()
}

fn paths(config_file: PathBuf, config_named_by: Option<&'static str>) -> Paths {
    Paths {
        config_file,
        config_named_by,
        data_dir: "/var/lib/ghostd".into(),
        data_dir_named_by: None,
        runtime_dir: "/run/ghostd".into(),
        control_socket: "/run/ghostd/control.sock".into(),
    }
}

#[test]
fn the_defaults_are_valid_and_complete() {
    let Loaded { config, notices, .. } = defaults();
    assert_eq!(notices, []);
    assert_eq!(config.snapshot.every.as_secs(), 300);
    assert_eq!(config.heartbeat.every.as_secs(), 5);
    assert_eq!((config.store.max_count, config.store.max_age.as_secs()), (100, 7 * 86_400));
    let names: Vec<&str> = config.daemons.iter().map(|daemon| daemon.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "relayCore",
            "watchdog",
            "executor",
            "healer",
            "validationEngine",
            "messageQueue",
            "healthAggregator",
            "decisionEngine"
        ]
    );
    assert!(config.daemons.iter().all(|daemon| daemon.find == Find::BaseName(daemon.name.clone())));
    assert_eq!(config.collectors.keys().map(String::as_str).collect::<Vec<_>>(), {
        let mut builtins = BUILTINS;
        builtins.sort_unstable();
        builtins
    });
    let metric = &config.collectors["metric"];
    assert_eq!(metric.source, Source::Builtin("metric".to_owned()));
    assert_eq!(metric.sections["processes"], Cadence::Snapshot);
    assert_eq!(metric.every.interval(&config).as_secs(), 15);
    assert_eq!(config.collectors["clock"].every.interval(&config).as_secs(), 5);
    assert_eq!(metric.limits, config.collector_defaults.limits);
}

#[test]
fn a_file_is_laid_over_the_defaults() {
    let loaded = load(
        "[snapshot]\nevery = '1m'\n[collector.metric]\nenabled = false\n[collector.metric.limits]\nwall = '2s'\n\
         [[daemon]]\nname = 'nginx'\nmatch = { unit = 'nginx', cmdline = 'master' }\n",
    );
    let config = loaded.unwrap().config;
    assert_eq!(config.snapshot.every.as_secs(), 60);
    assert!(config.snapshot.at_start, "what the file leaves out stays");
    let metric = &config.collectors["metric"];
    assert!(!metric.enabled);
    assert_eq!(metric.limits.wall.as_secs(), 2);
    assert_eq!(metric.limits.memory, ByteSize(64 << 20));
    assert_eq!(config.collectors["daemon"].limits.wall.as_secs(), 5);
    assert_eq!(config.daemons.len(), 1, "a list replaces the default one");
    let criteria =
        Criteria { unit: Some("nginx.service".to_owned()), cmdline: Some("master".to_owned()), ..Criteria::default() };
    assert_eq!(config.daemons[0].find, Find::Any(Box::new(criteria)));
    assert_eq!(config.daemons[0].restarted_for.as_secs(), 300);
}

#[test]
fn common_settings_reach_every_collector_that_has_none_of_its_own() {
    let text = "[collector_defaults]\nstrict = true\nlimits.wall = '1s'\n[collector.clock.limits]\nwall = '3s'\n";
    let config = load(text).unwrap().config;
    assert_eq!(config.collectors["metric"].limits.wall.as_secs(), 1);
    assert_eq!(config.collectors["clock"].limits.wall.as_secs(), 3);
    assert!(config.collectors.values().all(|collector| collector.strict));
    let dropped = config.drop_in("hello", Path::new("/etc/ghostd/collectors.d/hello.wasm"));
    assert_eq!(dropped.limits.wall.as_secs(), 1);
    assert!(dropped.grant.is_empty() && dropped.strict);
    assert_eq!(dropped.every, Cadence::Snapshot);
}

#[test]
fn a_snapshot_waits_no_longer_than_its_interval() {
    let config = load("snapshot.every = '1s'\n").unwrap().config;
    assert_eq!(config.snapshot.deadline.as_secs(), 1);
}

#[test]
fn relative_paths_start_from_the_configuration_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("nginx.wasm"), b"").unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "[collector.nginx]\nsource = 'nginx.wasm'\ngrant = ['files']\nfiles.logs = 'logs'\n").unwrap();
    let loaded = Config::load(&paths(file, None), &[], &Hooks::default()).unwrap();
    assert_eq!(loaded.notices, []);
    let nginx = &loaded.config.collectors["nginx"];
    assert_eq!(nginx.source, Source::File(dir.path().join("nginx.wasm")));
    assert_eq!(nginx.files["logs"], dir.path().join("logs"));
    assert_eq!(loaded.config.drop_ins.dir, dir.path().join("collectors.d"));
}

#[test]
fn only_a_file_that_was_named_must_exist() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("config.toml");
    let loaded = Config::load(&paths(absent.clone(), None), &[], &Hooks::default()).unwrap();
    assert_eq!(loaded.config.store, defaults().config.store);
    let error = Config::load(&paths(absent.clone(), Some("GHOSTD_CONFIG")), &[], &Hooks::default()).unwrap_err();
    let expected = format!("configuration file `{}` does not exist (it was named by GHOSTD_CONFIG)", absent.display());
    assert_eq!(error.to_string(), expected);
    // Something other than absence is never taken for absence.
    let error = Config::load(&paths(dir.path().to_owned(), None), &[], &Hooks::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read configuration file `{}`", dir.path().display()));
}

#[test]
fn a_file_that_anybody_may_write_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "").unwrap();
    let notices = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        Config::load(&paths(file.clone(), None), &[], &Hooks::default()).unwrap().notices
    };
    assert_eq!(notices(0o664), []);
    let expected =
        format!("{}: anybody may write this file, and so grant a collector anything (chmod o-w)", file.display());
    assert_eq!(notices(0o666)[0].to_string(), expected);
}

#[test]
fn files_that_are_no_text_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, b"[log]\nlevel = '\xff'\n").unwrap();
    let error = Config::load(&paths(file.clone(), None), &[], &Hooks::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("{}:2: is not UTF-8", file.display()));
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    let error = Config::load(&paths(file, None), &[], &Hooks::default()).unwrap_err();
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error}");
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let file = "[log]\nlevel = 'error'\nformat = 'json'\n[store]\nmax_count = 1\n";
    let mut overrides =
        Override::from_environment([("GHOSTD__LOG__LEVEL", "debug"), ("GHOSTD__STORE__MAX_COUNT", "2")]);
    overrides.push(Override::argument("log.level=trace").unwrap());
    let file = Some((Path::new("f.toml"), file));
    let loaded = from_sources(file, Path::new("/"), &overrides, &Hooks::default()).unwrap();
    assert_eq!(loaded.config.log.level, LogLevel::Trace);
    assert_eq!(loaded.config.log.format, LogFormat::Json);
    assert_eq!(loaded.config.store.max_count, 2);
    let place = |keys: &[&str]| loaded.effective.place(keys).unwrap().to_string();
    assert_eq!(place(&["log", "level"]), "command line --set log.level=trace");
    assert_eq!(place(&["log", "format"]), "f.toml:3:10");
    assert_eq!(place(&["store", "max_count"]), "environment GHOSTD__STORE__MAX_COUNT");
}

#[test]
fn a_spelling_changes_no_hash_and_a_value_does() {
    let json = |text: &str| load(text).unwrap().config.canonical_json();
    assert_eq!(json("snapshot.every = '5m'\n"), json(""));
    assert_eq!(json("snapshot.every = '300s'\nstore.max_size = '1024MiB'\n"), json(""));
    assert_ne!(json("snapshot.every = '301s'\n"), json(""));
    let config = |text: &str| load(text).unwrap().config;
    let clock = |text: &str| config(text).collectors["clock"].canonical_json();
    assert_eq!(clock("snapshot.every = '1m'\n"), clock(""));
    assert_eq!(
        clock("[collector.clock]\nconfig = { b = 1, a = 2 }\n"),
        clock("collector.clock.config = { a = 2, b = 1 }\n")
    );
    assert_ne!(clock("collector.clock.config = { a = 1 }\n"), clock(""));
    assert!(
        clock("").starts_with(r#"{"carry_intervals":3,"commands":{},"config":{},"enabled":true,"every":"heartbeat","#),
        "{}",
        clock("")
    );
}

#[test]
fn a_reload_is_told_what_changed() {
    let old = defaults().config;
    assert!(old.changes(&load("snapshot.every = '300s'\n").unwrap().config).is_empty());
    let new = load(
        "[store]\nmax_count = 5\n[collector.clock]\nevery = '1m'\n[collector.extra]\nenabled = false\n\
         [[daemon]]\nname = 'healer'\nrestarted_for = '1m'\n[[daemon]]\nname = 'nginx'\n",
    );
    let changes = old.changes(&new.unwrap().config);
    assert_eq!(changes.parts, [Part::Store]);
    assert_eq!(changes.collectors.added, ["extra"]);
    assert_eq!(changes.collectors.changed, ["clock"]);
    assert!(changes.collectors.removed.is_empty());
    assert_eq!(changes.daemons.added, ["nginx"]);
    assert_eq!(changes.daemons.changed, ["healer"]);
    assert_eq!(changes.daemons.removed.len(), 7);
}

/// Whatever key is given something that it cannot be: it is told at that key, and as one fault.
#[test]
fn every_key_refuses_a_value_of_no_use() {
    let rows = defaults().effective.to_json();
    let keys: Vec<&str> = rows.as_array().unwrap().iter().filter_map(|row| row["key"].as_str()).collect();
    assert!(keys.len() > 100, "{} keys", keys.len());
    for key in keys.into_iter().filter(|key| !key.contains('[')) {
        let faults = load(&format!("{key} = -1.5\n")).expect_err(key);
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, [key], "{faults}");
    }
}

/// A text that was damaged anywhere is accepted or told, and in no case a panic or a fault without a place.
#[test]
fn damaged_texts_are_told_with_a_place() {
    for at in (0..DEFAULT_TOML.len()).step_by(419).filter(|at| DEFAULT_TOML.is_char_boundary(*at)) {
        for damage in ["", "]", "'", "=", "\u{1f525}", "\0", "[["] {
            let text = format!("{}{damage}{}", &DEFAULT_TOML[..at], DEFAULT_TOML.get(at + 1..).unwrap_or_default());
            if let Err(faults) = load(&text) {
                assert!(faults.iter().all(|fault| fault.place.is_some()), "{faults}");
            }
        }
    }
}
