//! A wrong configuration: everything that is wrong is told at once, nothing is started and nothing is written.

use crate::harness::Site;

const BROKEN: &str = include_str!("../fixtures/config/broken.toml");

#[test]
fn all_faults_are_told_at_once_and_nothing_is_written() {
    let site = Site::empty();
    std::fs::write(site.config_file(), BROKEN).unwrap();
    let wrong: Vec<usize> =
        (1..).zip(BROKEN.lines()).filter(|(_, line)| line.ends_with("# wrong")).map(|(number, _)| number).collect();
    assert!(wrong.len() >= 20, "the fixture marks its faults");

    for command in [&["run"][..], &["snapshot"], &["config", "check"], &["collector", "list"]] {
        let answer = site.ghostd(command).exits(2);
        let told: Vec<usize> = answer
            .stderr
            .lines()
            .filter_map(|line| line.split("config.toml:").nth(1)?.split(':').next()?.parse().ok())
            .collect();
        assert_eq!(told, wrong, "{command:?} tells other lines than those that are wrong:\n{}", answer.stderr);
        assert!(answer.stderr.contains("did you mean `snapshot`?"), "{}", answer.stderr);
        assert!(!answer.stderr.contains("not-repeated-in-any-message"), "{}", answer.stderr);
        assert_eq!(answer.stdout, "", "{command:?}");
        assert!(!site.data().exists(), "{command:?} has made the data directory");
    }
    let left: Vec<_> = std::fs::read_dir(site.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["config.toml"]);
}

#[test]
fn what_is_no_toml_and_what_is_not_there_is_said() {
    let site = Site::empty();
    std::fs::write(site.config_file(), "[snapshot\nevery = 1\n").unwrap();
    let answer = site.ghostd(&["run"]).exits(2);
    assert!(answer.stderr.contains("config.toml:1:"), "{}", answer.stderr);

    let answer = site.ghostd(&["run", "--set", "snapshot.evry=\"1s\""]).exits(2);
    assert!(answer.stderr.contains("config.toml"), "{}", answer.stderr);

    std::fs::remove_file(site.config_file()).unwrap();
    let named = site.path("nowhere.toml");
    let answer = site.ghostd(&["run", "--config", named.to_str().unwrap()]).exits(2);
    assert!(answer.stderr.contains("nowhere.toml"), "a file that was named must be there: {}", answer.stderr);

    let answer = site.ghostd(&["run", "--set", "snapshot.evry=\"1s\""]).exits(2);
    assert!(answer.stderr.contains("did you mean `every`?"), "{}", answer.stderr);
    assert!(!site.data().exists());
}
