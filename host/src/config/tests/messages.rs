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
            "2:1: collector.clock.limits.\"wall time\": unknown key (known here: `wall`, `memory`, `result`, `state`, `log_lines`, `log_line`, `host_calls`, `handles`, `kept_files`)",
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
            "store.verify_on_read = 'true'",
            "1:24: store.verify_on_read: expected `true` or `false`, found text `true` (write `true`, without quotes)",
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
