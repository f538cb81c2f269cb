//! Every kind of fault with its exact words. All of a file's faults come at once, by line.

use super::*;

/// The messages for a text, one a line, without the file's name.
#[track_caller]
fn assert_faults(text: &str, expected: &[&str]) {
    let faults = load(text).expect_err("it is accepted");
    let found: Vec<String> = faults.iter().map(|fault| fault.to_string().replace("ghostd.toml:", "")).collect();
    assert_eq!(found, expected, "\n{text}");
}

#[track_caller]
fn assert_notices(text: &str, expected: &[&str]) {
    let loaded = load(text).unwrap_or_else(|faults| panic!("{faults}"));
    let found: Vec<String> = loaded.notices.iter().map(|n| n.to_string().replace("ghostd.toml:", "")).collect();
    assert_eq!(found, expected, "\n{text}");
}

#[test]
fn unknown_keys_and_sections() {
    assert_faults("[snapshot]\nevrey = '5m'\n", &["2:1: snapshot.evrey: unknown key (did you mean `every`?)"]);
    assert_faults("[snapshto]\nevery = '5m'\n", &["1:2: snapshto: unknown key (did you mean `snapshot`?)"]);
    assert_faults("[snapshot]\nmax_count = 5\n", &["2:1: snapshot.max_count: unknown key (it belongs into `[store]`)"]);
    assert_faults(
        "[store]\ndaemon = []\n",
        &["2:1: store.daemon: unknown key (`daemon` belongs to the top of the file, before the first `[table]`)"],
    );
    assert_faults(
        "[snapshot]\nfrobnicate = 1\n",
        &["2:1: snapshot.frobnicate: unknown key (known here: `every`, `at_start`, `deadline`)"],
    );
    assert_faults(
        "[collector.clock.limits]\n\"wall time\" = '1s'\n",
        &[
            "2:1: collector.clock.limits.\"wall time\": unknown key (known here: `wall`, `memory`, `result`, `state`, `log_lines`, `log_line`, `host_calls`, `handles`, `kept_files`, `command`)",
        ],
    );
    assert_faults(
        "[[daemon]]\nname = 'x'\nmatch = { pidfile = '/x', unit = 'x' }\n",
        &["3:11: daemon[0].match.pidfile: unknown key (did you mean `pid_file`?)"],
    );
}

#[test]
fn wrong_types() {
    for (text, message) in [
        (
            "snapshot.every = 5",
            "1:18: snapshot.every: expected a duration, found the integer `5` (write `\"5s\"` if seconds are meant)",
        ),
        (
            "snapshot.every = true",
            "1:18: snapshot.every: expected a duration, found the boolean `true` (write a number and a unit, such as `200ms`, `5s`, `5m`, `1h`, `7d` or `1h30m`)",
        ),
        (
            "store.max_size = 4096",
            "1:18: store.max_size: expected a size, found the integer `4096` (write `\"4096B\"` if bytes are meant)",
        ),
        (
            "store.max_count = '100'",
            "1:19: store.max_count: expected an integer, found text `100` (write `100`, without quotes)",
        ),
        ("store.max_count = 1.5", "1:19: store.max_count: expected an integer, found the float `1.5`"),
        (
            "snapshot.at_start = 'true'",
            "1:21: snapshot.at_start: expected `true` or `false`, found text `true` (write `true`, without quotes)",
        ),
        ("store = 5", "1:9: store: expected a table, found the integer `5`"),
        (
            "log.level = 3",
            "1:13: log.level: expected one of `error`, `warn`, `info`, `debug`, `trace`, found the integer `3`",
        ),
        ("log.file = 2026-01-01", "1:12: log.file: expected text, found the date `2026-01-01` (put it into quotes)"),
        (
            "heartbeat.sections = 'daemon'",
            "1:22: heartbeat.sections: expected a list, found text `daemon` (write `[\"daemon\"]`)",
        ),
        (
            "[daemon]\nname = 'x'",
            "1:1: daemon: expected a list of tables, found a table (write `[[daemon]]`, in double brackets)",
        ),
        ("daemon = ['x']", "1:11: daemon[0]: expected a table, found text `x`"),
    ] {
        assert_faults(text, &[message]);
    }
}

#[test]
fn values_that_are_no_such_thing() {
    for (text, message) in [
        (
            "snapshot.every = '5 parsecs'",
            "1:18: snapshot.every: `5 parsecs` is not a duration (write a number and a unit, such as `200ms`, `5s`, `5m`, `1h`, `7d` or `1h30m`)",
        ),
        (
            "snapshot.every = 'snapshot'",
            "1:18: snapshot.every: `snapshot` is not a duration (write a number and a unit, such as `200ms`, `5s`, `5m`, `1h`, `7d` or `1h30m`)",
        ),
        (
            "collector.clock.every = 'daily'",
            "1:25: collector.clock.every: `daily` is not a schedule (write a number and a unit, such as `200ms`, `5s`, `5m`, `1h`, `7d` or `1h30m`; or `snapshot` or `heartbeat`)",
        ),
        (
            "store.max_size = '1G'",
            "1:18: store.max_size: `1G` is not a size (write a whole number and a unit, such as `512KiB`, `32MiB` or `1GiB`)",
        ),
        (
            "log.level = 'inof'",
            "1:13: log.level: `inof` is none of `error`, `warn`, `info`, `debug`, `trace` (did you mean `info`?)",
        ),
        (
            "clock.chrony = 'on'",
            "1:16: clock.chrony: `on` is not an address (write an address with its port, such as `127.0.0.1:323`, or `off`)",
        ),
        (
            "collector.clock.grant = ['file']",
            "1:26: collector.clock.grant[0]: `file` is none of `processes`, `system`, `files`, `probe`, `clock`, `journal`, `sockets`, `units`, `commands`, `wasi:filesystem`, `wasi:sockets` (did you mean `files`?)",
        ),
        (
            "collector.clock.grant = ['log']",
            "1:26: collector.clock.grant[0]: `log` is none of `processes`, `system`, `files`, `probe`, `clock`, `journal`, `sockets`, `units`, `commands`, `wasi:filesystem`, `wasi:sockets` (`log` is lent to every collector: leave it out)",
        ),
        (
            "collector.clock.grant = ['ghost:host/files@0.1.0']",
            "1:26: collector.clock.grant[0]: `ghost:host/files@0.1.0` is none of `processes`, `system`, `files`, `probe`, `clock`, `journal`, `sockets`, `units`, `commands`, `wasi:filesystem`, `wasi:sockets` (did you mean `files`?)",
        ),
        ("heartbeat.sections = []", "1:22: heartbeat.sections: must not be empty"),
        ("heartbeat.sections = ['clock', 'clock']", "1:32: heartbeat.sections[1]: `clock` is there twice"),
        (
            "heartbeat.sections = ['Clock']",
            "1:23: heartbeat.sections[0]: `Clock` cannot be a name here (1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter)",
        ),
        ("log.file = ''", "1:12: log.file: must not be empty"),
        ("log.file = '~/ghostd.log'", "1:12: log.file: `~` is not expanded here (write the whole path)"),
        ("host.versions.node = []", "1:22: host.versions.node: must not be empty"),
        ("host.versions.node = ['']", "1:23: host.versions.node[0]: must not be empty"),
        ("collector.clock.config.x = inf", "1:28: collector.clock.config.x: `inf` cannot be said in JSON"),
        ("store.max_count = 99999999999999999999", "1:19: `99999999999999999999` does not fit into 64 bits"),
    ] {
        assert_faults(text, &[message]);
    }
}

#[test]
fn values_out_of_range() {
    for (text, message) in [
        ("snapshot.every = '10ms'", "1:18: snapshot.every: `10ms` is too small (from `200ms` to `31d`)"),
        ("collector.clock.every = '32d'", "1:25: collector.clock.every: `32d` is too large (from `50ms` to `31d`)"),
        ("store.max_size = '1B'", "1:18: store.max_size: `1B` is too small (from `1MiB` to `1024TiB`)"),
        ("store.max_count = 0", "1:19: store.max_count: `0` is too small (from `1` to `10000000`)"),
        ("store.keep_daily = -1", "1:20: store.keep_daily: `-1` is too small (from `0` to `1000000`)"),
        (
            "collector.clock.limits.wall = '1h'",
            "1:31: collector.clock.limits.wall: `1h` is too large (from `10ms` to `10m`)",
        ),
        (
            "clock.servers = ['a','b','c','d','e','f','g','h','i','j','k','l','m','n','o','p','q']",
            "1:17: clock.servers: has 17 elements, at most 16 are allowed",
        ),
    ] {
        assert_faults(text, &[message]);
    }
}

#[test]
fn broken_toml_is_told_with_the_parsers_own_position() {
    assert_faults(
        "[snapshot]\nevery = 5m\n",
        &["2:9: no valid TOML: string values must be quoted, expected literal string (write `\"5m\"`)"],
    );
    assert_faults("[snapshot\n", &["1:10: no valid TOML: unclosed table, expected `]`"]);
    assert_faults("[snapshot]\nevery = '1m'\nevery = '2m'\n", &["3:1: no valid TOML: duplicate key"]);
}

#[test]
fn daemons() {
    assert_faults(
        "[[daemon]]\nname = 'nginx'\n[[daemon]]\nrestarted_for = '5m'\n[[daemon]]\nname = 'nginx'\n[[daemon]]\nname = 'a b'\n",
        &[
            "3:1: daemon[1]: `name` is missing",
            "6:8: daemon[2].name: there are two daemons `nginx` (the first is at 2:8)",
            "8:8: daemon[3].name: `a b` cannot be a name here (1 to 64 letters, digits and `_ . @ : -`, beginning with a letter or a digit)",
        ],
    );
    assert_faults(
        "[[daemon]]\nname = 'x'\nmatch = {}\n[[daemon]]\nname = 'y'\nmatch = { executable = 'bin/y', pid_file = 'y.pid' }\n",
        &[
            "3:1: daemon[0].match: says nothing (leave it out for the default rule, or give `name`, `executable`, `script`, `cmdline`, `pid_file` or `unit`)",
            "6:24: daemon[1].match.executable: is neither a base name nor an absolute path (write the base name alone, or the absolute path)",
            "6:44: daemon[1].match.pid_file: `y.pid` is not an absolute path",
        ],
    );
}

#[test]
fn sources_of_collectors() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    fs::write(dir.path().join("nginx.wasm"), b"").unwrap();
    for (source, problem) in [
        ("absent.wasm", "1:22: collector.x.source: `/etc/ghostd/absent.wasm` does not exist (a relative path starts from the configuration file's directory)".to_owned()),
        ("metric", "1:22: collector.x.source: `/etc/ghostd/metric` does not exist (write `builtin:metric` for the built-in collector)".to_owned()),
        ("builtin:metrics", "1:22: collector.x.source: there is no built-in collector `metrics` (did you mean `builtin:metric`?)".to_owned()),
        ("builtin:x", "1:22: collector.x.source: there is no built-in collector `x` (there are `builtin:daemon`, `builtin:clock`, `builtin:metric`, `builtin:patch`, `builtin:anomaly`, `builtin:telemetry`)".to_owned()),
        (&at.to_string(), format!("1:22: collector.x.source: `{at}` is no regular file")),
        ("~/x.wasm", "1:22: collector.x.source: `~` is not expanded here (write the whole path)".to_owned()),
    ] {
        assert_faults(&format!("collector.x.source = '{source}'"), &[&problem]);
    }
    assert!(load(&format!("collector.x.source = '{at}/nginx.wasm'")).is_ok());
    assert!(load("collector.x = { source = 'absent.wasm', enabled = false }").is_ok(), "what is off need not be there");
    assert_faults(
        "collector.Nginx.enabled = false",
        &[
            "1:11: collector.Nginx: `Nginx` cannot be a name here (1 to 64 of `a-z`, `0-9` and `-`, beginning with a letter)",
        ],
    );
    assert_faults(
        "[collector.clock]\nsections = { Clock = '1s' }\nfiles = { '.' = '/' }\n",
        &[
            "2:14: collector.clock.sections.Clock: `Clock` cannot be a name here (1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter)",
            "3:11: collector.clock.files.\".\": `.` cannot be a name here (1 to 64 of `a-z`, `0-9`, `_` and `-`, beginning with a letter)",
        ],
    );
}

#[test]
fn pins() {
    assert_faults(
        "collector.clock.sha256 = 'deadbeef'",
        &["1:26: collector.clock.sha256: `deadbeef` is no SHA-256 (64 hexadecimal digits, as `sha256sum` prints them)"],
    );
    let dir = tempfile::tempdir().unwrap();
    let component = dir.path().join("x.wasm");
    fs::write(&component, b"").unwrap();
    let digest: &dyn Fn(&Path) -> std::io::Result<String> = &|_| Ok("b".repeat(64));
    // A digest looks like a secret and is none.
    let is_secret: &dyn Fn(&str) -> Option<String> = &|text| (text.len() == 64).then(|| "a token".to_owned());
    let hooks = Hooks { digest: Some(digest), is_secret, ..Hooks::default() };
    let load = |pin: &str| {
        let text = format!("[collector.x]\nsource = '{}'\nsha256 = '{pin}'\n", component.display());
        from_sources(Some((Path::new("f.toml"), &text)), Path::new("/"), &[], &hooks)
    };
    assert_eq!(load(&"B".repeat(64)).unwrap().config.collectors["x"].sha256, Some("b".repeat(64)));
    let expected = format!(
        "f.toml:3:10: collector.x.sha256: `{}` has another SHA-256 (it is `{}`; pin that only if you trust the file)",
        component.display(),
        "b".repeat(64)
    );
    assert_eq!(load(&"a".repeat(64)).unwrap_err().to_string(), expected);
}

#[test]
fn secrets_are_refused_and_not_repeated() {
    let text = "[collector.clock.config]\npassword = 'hunter2'\napi_key = ''\npassword_file = '/run/secret'\n\
                url = 'postgres://app:hunter2@db/x'\nnested = [{ dbToken = 'hunter2' }]\n";
    assert_faults(
        text,
        &[
            "2:12: collector.clock.config.password: a secret must not stand in the configuration (name where it is instead: `password_file = \"/path\"` or `password_env = \"VARIABLE\"`)",
            "5:7: collector.clock.config.url: a password in a URL must not stand in the configuration (name where it is instead: `url_file = \"/path\"` or `url_env = \"VARIABLE\"`)",
            "6:23: collector.clock.config.nested[0].dbToken: a secret must not stand in the configuration (name where it is instead: `dbToken_file = \"/path\"` or `dbToken_env = \"VARIABLE\"`)",
        ],
    );
    let hooks =
        Hooks { is_secret: &|text| text.starts_with("ghp_").then(|| "a github token".to_owned()), ..Hooks::default() };
    let text = "host.versions.x = ['curl', 'ghp_abc']\n[[security.sanitize.rules]]\nname = 'x'\npattern = 'ghp_x'\n";
    let faults = from_sources(Some((Path::new("f.toml"), text)), Path::new("/"), &[], &hooks).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "f.toml:1:28: host.versions.x[1]: a github token must not stand in the configuration (name where it is instead: `x_file = \"/path\"` or `x_env = \"VARIABLE\"`)"
    );
}

#[test]
fn patterns_are_judged_by_who_uses_them() {
    let pattern: &dyn Fn(&str) -> Result<usize, String> = &|pattern| match pattern {
        "(" => Err("regex parse error:\n    (\n    ^\nerror: unclosed group".to_owned()),
        pattern => Ok(pattern.matches('(').count()),
    };
    let hooks = Hooks { pattern, ..Hooks::default() };
    let text = "[[daemon]]\nname = 'x'\nmatch.cmdline = '('\n\
                [[security.sanitize.rules]]\nname = 'a'\npattern = '(x)'\nsecret_group = 2\n\
                [[security.sanitize.rules]]\nname = 'a'\npattern = '('\nkeywords = ['k', '']\n\
                [[security.sanitize.except]]\nname = 'B'\npattern = '('\n";
    let faults = from_sources(Some((Path::new("f"), text)), Path::new("/"), &[], &hooks).unwrap_err();
    let found: Vec<String> = faults.iter().map(|fault| fault.to_string().replace("f:", "")).collect();
    assert_eq!(
        found,
        [
            "3:17: daemon[0].match.cmdline: is no regular expression: unclosed group",
            "7:16: security.sanitize.rules[0].secret_group: the pattern has no group 2 (it has 1; 0 means the whole match)",
            "9:8: security.sanitize.rules[1].name: there are two rules `a` (the first is at 5:8)",
            "10:11: security.sanitize.rules[1].pattern: is no regular expression: unclosed group",
            "11:18: security.sanitize.rules[1].keywords[1]: must not be empty",
            "13:8: security.sanitize.except[0].name: `B` cannot be a name here (1 to 64 of `a-z`, `0-9` and `-`, beginning with a letter)",
            "14:11: security.sanitize.except[0].pattern: is no regular expression: unclosed group",
        ]
    );
}

#[test]
fn clocks_and_sockets() {
    assert_faults(
        "[clock]\nservers = ['time.example.org', 'http://x', 'time.example.org:123']\nsntp_every = '16s'\n",
        &[
            "2:32: clock.servers[1]: `http://x` is no server (such as `time.example.org`, `192.0.2.1:123` or `[2001:db8::1]:123`)",
            "2:44: clock.servers[2]: `time.example.org:123` is there twice",
            "3:14: clock.sntp_every: `16s` is too often for `time.example.org` (at least `64s`, unless every server is on this machine or in a private network)",
        ],
    );
    assert!(load("clock = { servers = ['127.0.0.1:11123', '10.0.0.1'], sntp_every = '1s' }").is_ok());
    let long = "x".repeat(100);
    assert_faults(
        &format!("control.socket = '/run/{long}'"),
        &["1:18: control.socket: the path is 105 bytes long, a socket's may have 103 (choose a shorter one)"],
    );
}

#[test]
fn what_is_odd_is_noticed_and_no_reason_not_to_start() {
    assert_notices(
        "[collector.metrik]\ngrant = ['system']\n",
        &[
            "1:12: collector.metrik: there is no `/etc/ghostd/collectors.d/metrik.wasm` to run (did you mean `metric`? or give it a `source`)",
        ],
    );
    assert_notices(
        "[collector.patch]\nfiles.queue = '/nonexistent/queue'\ngrant = []\n",
        &[
            "2:1: collector.patch.files: is of no use (the capability is not granted: add `files` to `grant`)",
            "2:15: collector.patch.files.queue: there is no directory `/nonexistent/queue` now (the collector reports it until there is one)",
        ],
    );
}

#[test]
fn all_that_is_wrong_comes_at_once() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/config");
    let text = fs::read_to_string(fixtures.join("broken.toml")).unwrap();
    let found = load(&text).unwrap_err().to_string() + "\n";
    if std::env::var_os("GHOSTD_UPDATE_FILES").is_some() {
        fs::write(fixtures.join("broken.txt"), &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(fixtures.join("broken.txt")).unwrap());
    // One line of the text, one fault: nothing hides behind something else, nothing is told twice.
    assert_eq!(found.lines().count(), text.lines().filter(|line| line.ends_with("# wrong")).count(), "{found}");
}
