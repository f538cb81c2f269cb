//! Caps are at work from the first day, and what they removed is not taken for tampering.

use crate::harness::{PATIENCE, Signal, Site, read, until};

const CONFIG: &str = r#"
[snapshot]
every = "300ms"
[store]
max_count = 3
keep_last = 1
keep_hourly = 0
keep_daily = 0
max_important = 0
cleanup_every = "1s"
"#;

#[test]
fn old_snapshots_go_and_verify_says_why() {
    let site = Site::with(CONFIG);
    let mut daemon = site.run();
    let sequence = |file: &std::path::PathBuf| read(file)["sequence"].as_u64().unwrap();
    until("twelve snapshots", PATIENCE, || site.files().last().map(sequence).filter(|last| *last >= 12));
    until("the old ones are gone", PATIENCE, || {
        // A file can go between the listing and the reading, so only the count is looked at here.
        (site.files().len() <= 5).then_some(())
    });
    daemon.signal(Signal::TERM);
    assert!(daemon.ended(PATIENCE).success());

    let kept: Vec<u64> = site.files().iter().map(sequence).collect();
    let (first, last) = (kept[0], kept[kept.len() - 1]);
    assert_eq!(kept, (first..=last).collect::<Vec<_>>(), "the newest stay");
    assert!(first > 1, "{kept:?}");

    let told = site.ghostd(&["verify"]).exits(0);
    let gone = if first == 2 { "gone    1:".to_owned() } else { format!("gone    1 to {}:", first - 1) };
    assert!(told.stdout.contains(&gone), "{}", told.stdout);
    assert!(told.stdout.contains("max_count"), "{}", told.stdout);
    let listed = site.ghostd(&["list", "--json"]).exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), kept.len());

    // The same gap without a reason on record is another matter.
    let missing = site.files().remove(1.min(kept.len() - 1));
    std::fs::remove_file(&missing).unwrap();
    let told = site.ghostd(&["verify"]).exits(1);
    assert!(told.stdout.contains(missing.file_name().unwrap().to_str().unwrap()), "{}", told.stdout);
}

#[test]
fn what_was_taken_as_important_stays() {
    let config = CONFIG.replace("max_important = 0", "max_important = 5").replace("300ms", "200ms");
    let site = Site::with(&config);
    let daemon = site.run();
    let kept = site.ghostd(&["snapshot", "--important", "--json"]).exits(0).json();
    let sequence = kept["sequence"].as_u64().unwrap();
    until("it is old", PATIENCE, || {
        let newest = site.ghostd(&["list", "--json", "--limit", "1"]).json();
        newest[0]["sequence"].as_u64().filter(|newest| *newest > sequence + 12)
    });
    until("others are gone", PATIENCE, || (site.files().len() <= 6).then_some(()));
    drop(daemon);
    let path = std::path::Path::new(kept["path"].as_str().unwrap());
    assert_eq!(read(path)["important_at_capture"], true);
    site.ghostd(&["verify"]).exits(0);
}
