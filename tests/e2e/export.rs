//! What is given out is what was recorded: for other tools, in the original's form, and as one file to hand to somebody.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use sha2::Digest as _;

use crate::harness::{PATIENCE, Signal, Site, until};

const CONFIG: &str = r#"
[snapshot]
every = "300ms"
[heartbeat]
every = "100ms"
[collector.metric]
every = "100ms"
[collector.anomaly]
files = {}
"#;

/// A store with a little of everything.
fn recorded() -> Site {
    let site = Site::with(CONFIG);
    let mut daemon = site.run();
    until("snapshots", PATIENCE, || (site.files().len() >= 6).then_some(()));
    daemon.signal(Signal::TERM);
    assert!(daemon.ended(PATIENCE).success());
    drop(daemon);
    site.ghostd(&["keep", "latest~1", "--why", "for an export"]).exits(0);
    site
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Json], kind: &str) -> Vec<&'a Json> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn ndjson_has_everything_as_it_is_stored() {
    let site = recorded();
    let told = site.ghostd(&["export"]).exits(0);
    let all = lines(&told.stdout);
    let snapshots = of(&all, "snapshot");
    assert_eq!(snapshots.len(), site.files().len());
    for (line, file) in told.stdout.lines().zip(site.files()) {
        // The body can be taken out again and held against its checksum, without ghostd.
        let body = line.split_once("\"record\":").unwrap().1.strip_suffix('}').unwrap();
        let outer: Json = serde_json::from_str(line).unwrap();
        let sha256: String = sha2::Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(outer["sha256"], sha256.as_str());
        assert!(file.to_str().unwrap().contains(outer["id"].as_str().unwrap()), "not in order");
    }
    assert_eq!(snapshots.iter().filter(|line| line["mark"]["why"] == "for an export").count(), 1);
    assert!(of(&all, "heartbeat").len() >= 6 && of(&all, "heartbeat")[0]["record"]["overall"]["status"].is_string());
    assert!(of(&all, "event").iter().any(|line| line["record"]["event_type"] == "system_startup"));
    let metrics = of(&all, "metric");
    assert!(metrics.iter().any(|line| line["record"]["metric"] == "system.memory.usage"), "{:?}", metrics.first());
    for kind in ["snapshot", "heartbeat", "event"] {
        let times: Vec<&str> = of(&all, kind).iter().map(|line| line["at"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{kind}: {times:?}");
    }

    // A part of it, by time and kind, into a file that is whole or not there.
    let middle = snapshots[2]["at"].as_str().unwrap();
    let target = site.path("part.ndjson");
    let told = site.ghostd(&[
        "export",
        "--only",
        "snapshots",
        "--since",
        middle,
        "--until",
        middle,
        "-o",
        target.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(told.exits(0).json()["counts"]["snapshots"], 1);
    assert_eq!(lines(&std::fs::read_to_string(&target).unwrap())[0], *snapshots[2]);
    let again = site.ghostd(&["export", "-o", target.to_str().unwrap()]).exits(2);
    assert!(again.stderr.contains("there already"), "{again:?}");

    // One that is damaged is left out, and said to be.
    let file = &site.files()[1];
    let mut bytes = std::fs::read(file).unwrap();
    bytes[500] ^= 1;
    std::fs::write(file, bytes).unwrap();
    let told = site.ghostd(&["export", "--only", "snapshots"]).exits(1);
    assert_eq!(lines(&told.stdout).len(), site.files().len() - 1);
    assert!(told.stderr.contains("is left out"), "{}", told.stderr);
}

#[test]
fn parquet_is_read_by_others() {
    let site = recorded();
    let target = site.path("tables");
    site.ghostd(&["export", "--format", "parquet"]).exits(2);
    let told =
        site.ghostd(&["export", "--format", "parquet", "-o", target.to_str().unwrap(), "--json"]).exits(0).json();
    use parquet::file::reader::FileReader as _;
    for (kind, count) in told["counts"].as_object().unwrap() {
        let file = std::fs::File::open(target.join(format!("{kind}.parquet"))).unwrap();
        let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), count.as_i64().unwrap(), "{kind}");
    }
    let expected = format!("{} {}", site.files().len(), told["counts"]["metrics"]);
    let script = "import sys, json, duckdb\nd = sys.argv[1]\n\
        n = duckdb.sql(f\"select count(*) from '{d}/snapshots.parquet' where json_extract_string(body, '$.id') = id\").fetchall()[0][0]\n\
        m = duckdb.sql(f\"select count(*) from '{d}/metrics.parquet'\").fetchall()[0][0]\n\
        assert duckdb.sql(f\"select max(time) - min(time) from '{d}/heartbeats.parquet'\").fetchall()[0][0].total_seconds() > 0\n\
        print(n, m)";
    let python = Command::new("python3").args(["-c", script]).arg(&target).output();
    match python {
        Ok(output) if output.status.success() => {
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected);
        }
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("No module named 'duckdb'") => {
            eprintln!("SKIPPED: reading the tables with DuckDB (pip install duckdb)");
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("SKIPPED: reading the tables with DuckDB: {error}"),
    }
}

#[test]
fn the_original_s_files_have_the_original_s_names() {
    let site = recorded();
    let documents = lines(&site.ghostd(&["export", "--format", "original"]).exits(0).stdout);
    assert_eq!(documents.len(), site.files().len());
    let names: Vec<&String> = documents[0].as_object().unwrap().keys().collect();
    let original = [
        "id",
        "timestamp",
        "version",
        "systemInfo",
        "daemonStatus",
        "telemetryData",
        "patchInfo",
        "systemMetrics",
        "anomalies",
        "size",
        "checksum",
    ];
    assert_eq!(names, original);
    assert!(documents[1]["systemMetrics"]["memory"]["total"].as_u64().unwrap() > 0, "{:#}", documents[1]);
    assert!(documents[1]["systemMetrics"]["cpu"]["cores"].as_u64().unwrap() > 0);
    assert!(documents[1]["systemInfo"]["hostname"].is_string());
    assert_eq!(documents[1]["daemonStatus"].as_array().unwrap().len(), 8);
    assert_eq!(documents[1]["daemonStatus"][0]["name"], "relayCore");

    let target = site.path("original");
    site.ghostd(&["export", "--format", "original", "-o", target.to_str().unwrap()]).exits(0);
    let state: Json = serde_json::from_slice(&std::fs::read(target.join("heartbeat-state.json")).unwrap()).unwrap();
    for name in ["heartbeatStatus", "daemonHeartbeats", "clockSyncStatus", "events"] {
        assert!(!state[name].is_null(), "{name}");
    }
    let events = lines(&std::fs::read_to_string(target.join("events.log")).unwrap());
    assert!(events.iter().all(|event| event["eventType"].is_string() && event["severity"].is_string()));
    let files = std::fs::read_dir(&target).unwrap().count();
    assert_eq!(files, documents.len() + 2);
}

#[test]
fn a_bundle_is_read_like_a_data_directory() {
    let site = recorded();
    let listed = site.ghostd(&["list", "--json"]).json();
    let (since, until) = (&listed[3]["captured_at"], &listed[1]["captured_at"]);
    let file = site.path("incident.ghostd");
    let told = site.ghostd(&[
        "export",
        "--bundle",
        file.to_str().unwrap(),
        "--since",
        since.as_str().unwrap(),
        "--until",
        until.as_str().unwrap(),
        "--json",
    ]);
    assert_eq!(told.exits(0).json()["snapshots"], 3);
    // Somebody else, who has nothing but the file.
    let other = Site::empty();
    let read = |arguments: &[&str]| {
        let mut command = other.command(&[]);
        command = {
            let mut plain = Command::new(command.get_program());
            plain
                .args(["--data-dir", file.to_str().unwrap()])
                .args(arguments)
                .env("HOME", other.root())
                .env("TZ", "UTC");
            plain
        };
        let output = crate::harness::bounded(command);
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let json = |arguments: &[&str]| -> Json { serde_json::from_str(&read(arguments).1).unwrap() };
    let theirs = json(&["list", "--json"]);
    let ids = |list: &Json| -> Vec<Json> { list.as_array().unwrap().iter().map(|one| one["id"].clone()).collect() };
    assert_eq!(ids(&theirs), ids(&listed)[1..4]);
    assert!(theirs.as_array().unwrap().iter().any(|one| one["mark"]["why"] == "for an export"));
    let (code, out, error) = read(&["verify"]);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("3 of 3 snapshots intact"), "{out}");
    let newest = listed[1]["id"].as_str().unwrap();
    assert_eq!(read(&["show", "latest", "--raw"]).1, site.ghostd(&["show", newest, "--raw"]).stdout);
    assert_eq!(read(&["diff", "latest~1", "latest"]).0, Some(0));
    assert_eq!(read(&["audit", "verify"]).0, Some(0));
    let points = json(&["history", "system.memory.usage", "--json"]);
    assert!(!points[0]["points"].as_array().unwrap().is_empty());
    let exported = lines(&read(&["export", "--only", "heartbeats"]).1);
    assert!(!exported.is_empty());
    assert!(
        exported.iter().all(|line| (since.as_str()..=until.as_str()).contains(&line["at"].as_str())),
        "{exported:?}"
    );

    // It is for reading, and no backup.
    for arguments in [&["snapshot"][..], &["prune"], &["keep", "latest"], &["repair"], &["run"]] {
        let (code, _, error) = read(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(error.contains("can only be read"), "{arguments:?}: {error}");
    }

    // As a directory it reads the same, and is not written to either.
    let dir = format!("{}/", site.path("unpacked").display());
    site.ghostd(&["export", "--bundle", &dir, "--since", since.as_str().unwrap()]).exits(0);
    let site_of = |arguments: &[&str]| {
        let mut all = vec!["--data-dir", dir.as_str()];
        all.extend(arguments);
        let mut plain = Command::new(env!("CARGO_BIN_EXE_ghostd"));
        plain.args(all).env("HOME", other.root());
        crate::harness::bounded(plain)
    };
    assert!(site_of(&["verify"]).status.success());
    let refused = site_of(&["prune"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("only for reading"), "{refused:?}");

    // No byte of it may change.
    flipped(&file, |changed| {
        let mut plain = Command::new(env!("CARGO_BIN_EXE_ghostd"));
        plain.arg("--data-dir").arg(changed).arg("list").env("HOME", other.root());
        let output = crate::harness::bounded(plain);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
    });
}

/// The same file with one byte changed, at some places.
fn flipped(file: &Path, try_one: impl Fn(&Path)) {
    let bytes = std::fs::read(file).unwrap();
    let target = file.with_extension("flipped");
    for place in (0..bytes.len()).step_by(bytes.len() / 12) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x01;
        std::fs::write(&target, changed).unwrap();
        try_one(&target);
    }
}
