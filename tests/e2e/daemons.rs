//! Daemons that are watched, as real processes: they are found, stopped, killed and started again.

use std::path::PathBuf;

use crate::harness::{PATIENCE, Process, QUIET, Signal, Site, until};

/// Names of this run alone: another run on this machine has daemons of its own.
fn names() -> [String; 3] {
    let pid = std::process::id();
    [format!("relay{pid}"), format!("healer{pid}"), format!("absent{pid}")]
}

fn config() -> String {
    let daemons: String = names().map(|name| format!("[[daemon]]\nname = \"{name}\"\n")).concat();
    format!("{daemons}[heartbeat]\nevery = \"200ms\"\n{QUIET}")
}

/// `sleep` under another name.
fn sleeper(site: &Site, name: &str) -> PathBuf {
    let program = site.path(name);
    if !program.exists() {
        let sleep =
            ["/bin/sleep", "/usr/bin/sleep"].into_iter().find(|path| std::path::Path::new(path).exists()).unwrap();
        std::fs::copy(sleep, &program).unwrap();
    }
    program
}

#[test]
fn a_daemon_is_found_stopped_killed_and_started_again() {
    let site = Site::with(&config());
    let daemon = site.run();
    let [relay, healer, absent] = names();
    let is = |name: &str, status: &str| {
        until(&format!("{name} is {status}"), PATIENCE, || {
            let watched = daemon.watched(name);
            (watched["status"] == status).then_some(watched)
        })
    };
    is(&relay, "unknown");
    is(&absent, "unknown");

    let process = Process::start(&sleeper(&site, &relay), &["1000"]);
    let watched = is(&relay, "running");
    assert_eq!(watched["pid"], process.pid());

    // A script is known by its own name, not by its interpreter's; a shell that only speaks of it is not it.
    let script = site.path(&format!("{healer}.sh"));
    std::fs::write(&script, "while true; do sleep 1; done\n").unwrap();
    let speaker = Process::start("/bin/sh".as_ref(), &["-c", &format!("while true; do sleep 1; done # {absent}")]);
    let shell = Process::start("/bin/sh".as_ref(), &[script.to_str().unwrap()]);
    assert_eq!(is(&healer, "running")["pid"], shell.pid());

    process.signal(Signal::STOP);
    is(&relay, "paused");
    process.signal(Signal::CONT);
    is(&relay, "running");

    process.signal(Signal::KILL);
    let status = until(&format!("{relay} is failed"), PATIENCE, || {
        let status = daemon.status();
        let failed = status["heartbeat"]["daemons"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["name"] == relay.as_str() && one["status"] == "failed");
        failed.then_some(status)
    });
    let overall = &status["heartbeat"]["overall"];
    assert_ne!(overall["status"], "healthy", "{overall:#}");
    assert!(overall["reasons"].to_string().contains(&relay), "the verdict does not say who: {overall:#}");
    site.ghostd(&["status"]).exits(1);
    drop(process);

    let again = Process::start(&sleeper(&site, &relay), &["1000"]);
    let watched = is(&relay, "restarted");
    assert_eq!(watched["pid"], again.pid());
    assert_eq!(watched["restart_count"], 1, "{watched:#}");
    assert_eq!(daemon.watched(&absent)["status"], "unknown", "a mention is no daemon");
    drop((shell, speaker));
    is(&healer, "failed");

    let body = site.snapshot();
    let rows = body["sections"]["daemon"]["body"]["daemons"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == relay.as_str()).unwrap();
    assert_eq!((&row["status"], &row["restart_count"]), (&"restarted".into(), &1.into()), "{row:#}");
    drop(again);
}

#[test]
fn a_restart_while_ghostd_did_not_run_is_seen() {
    let site = Site::with(&config());
    let [relay, ..] = names();
    let relay = format!("{relay}gap");
    site.configure(&format!("{}[[daemon]]\nname = \"{relay}\"\n", config()));
    let status = |site: &Site| {
        let body = site.snapshot();
        let rows = body["sections"]["daemon"]["body"]["daemons"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["name"] == relay.as_str()).unwrap()
    };
    let first = Process::start(&sleeper(&site, &relay), &["1000"]);
    assert_eq!(
        until("it runs", PATIENCE, || Some(status(&site)).filter(|row| row["status"] == "running"))["pid"],
        first.pid()
    );
    drop(first);
    let second = Process::start(&sleeper(&site, &relay), &["1000"]);
    let row = until("it was restarted", PATIENCE, || Some(status(&site)).filter(|row| row["status"] == "restarted"));
    assert_eq!((&row["pid"], &row["restart_count"]), (&second.pid().into(), &1.into()), "{row:#}");
}
