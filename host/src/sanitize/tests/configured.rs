//! Settings, reports, tags, arguments and JSON: the interface as others use it.

use serde_json::json;

use super::super::{ExceptSetting, Report, RuleKind, RuleSetting, Sanitizer, Settings, SettingsError, TagKey};

fn rule(name: &str, pattern: &str) -> RuleSetting {
    RuleSetting { name: name.to_owned(), pattern: pattern.to_owned(), ..RuleSetting::default() }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let settings = Settings {
        rules: vec![
            rule("open", "("),
            rule("empty", "x*"),
            rule("large", r"\w{200}{50}"),
            rule("twice", "x"),
            rule("twice", "y"),
            rule("password", "z"),
            rule("no good", "x"),
            RuleSetting { secret_group: 2, ..rule("group", "(x)") },
            RuleSetting { keywords: vec!["ab".to_owned()], ..rule("keyword", "x") },
        ],
        keys: vec!["a".to_owned()],
        except: vec![ExceptSetting { pattern: Some(".*".to_owned()), ..ExceptSetting::default() }],
        tags: None,
    };
    let errors = Sanitizer::new(&settings).expect_err("nothing of it is good");
    assert!(
        matches!(
            errors.as_slice(),
            [
                SettingsError::Pattern { .. },
                SettingsError::MatchesEmpty { .. },
                SettingsError::TooLarge { .. },
                SettingsError::Duplicate { .. },
                SettingsError::Duplicate { .. },
                SettingsError::Name { .. },
                SettingsError::Group { .. },
                SettingsError::Keyword { .. },
                SettingsError::Key { .. },
                SettingsError::ExceptAll { number: 1 },
            ]
        ),
        "{errors:#?}"
    );
}

#[test]
fn rules_keys_and_exceptions_of_the_configuration_work() {
    let settings = Settings {
        rules: vec![RuleSetting {
            keywords: vec!["badge".to_owned()],
            secret_group: 1,
            ..rule("badge", r"badge ([A-Z]{3}\d{3})")
        }],
        keys: vec!["rotorSpeed".to_owned()],
        except: vec![ExceptSetting { value: Some("letmein9".to_owned()), ..ExceptSetting::default() }],
        tags: None,
    };
    let sanitizer = Sanitizer::new(&settings).expect("good settings");
    let mut report = Report::default();
    let text = "badge ABC123, ROTOR_SPEED=fast-9 password=letmein9 password=letmeout9";
    let expected =
        "badge [REDACTED:badge], ROTOR_SPEED=[REDACTED:key-name] password=letmein9 password=[REDACTED:password]";
    assert_eq!(sanitizer.text(text, &mut report), expected);
    assert_eq!(
        report.counts,
        [("badge", 1), ("key-name", 1), ("password", 1)].map(|(rule, count)| (rule.to_owned(), count)).into()
    );
    assert!(sanitizer.rules().any(|rule| rule.name == "badge" && rule.kind == RuleKind::Custom));
    assert_ne!(sanitizer.rules_sha256(), Sanitizer::builtin().rules_sha256());
    assert_eq!(sanitizer.rules_sha256(), Sanitizer::new(&settings).expect("good settings").rules_sha256());
}

#[test]
fn tags_tell_secrets_apart_within_one_store() {
    let clean = |key: u8, text: &str| {
        let settings = Settings { tags: Some(TagKey::new([key; 32])), ..Settings::default() };
        Sanitizer::new(&settings).expect("good settings").text(text, &mut Report::default()).into_owned()
    };
    let (one, again, other) = (clean(1, "password=hunter2"), clean(1, "pwd=hunter2"), clean(2, "password=hunter2"));
    let tag = |text: &str| text.split_once('#').map(|(_, tag)| tag.to_owned());
    assert_eq!(tag(&one), tag(&again));
    assert_ne!(tag(&one), tag(&other));
    assert_eq!(clean(1, &one), one);
}

#[test]
fn arguments_are_cleaned_one_by_one() {
    let sanitizer = Sanitizer::builtin();
    for (arguments, expected) in [
        (&["mysql", "-u", "root", "-pa b!c", "db"][..], "mysql -u root -p[REDACTED:command-line] db"),
        (&["app", "--password", "my long pass phrase", "-v"], "app --password [REDACTED:password] -v"),
        (&["app", "--token=x Y 9 z", "run"], "app --token=[REDACTED:token] run"),
        (&["sh", "-c", "PGPASSWORD=hunter2 psql"], "sh -c PGPASSWORD=[REDACTED:password] psql"),
        (
            &["curl", "-H", "Authorization: Bearer abc123def456", "https://h"],
            "curl -H Authorization: Bearer [REDACTED:authorization] https://h",
        ),
        (&["docker", "run", "-p", "8080:80", "nginx"], "docker run -p 8080:80 nginx"),
    ] {
        let line: Vec<u8> = arguments.iter().flat_map(|argument| [argument.as_bytes(), b"\0"].concat()).collect();
        assert_eq!(sanitizer.command_line(&line, &mut Report::default()), expected);
    }
}

#[test]
fn trees_are_cleaned_by_their_names() {
    let mut value = json!({
        "env": [{"name": "DB_PASSWORD", "value": "plain words"}, "API_KEY=abc123def"],
        "pin": 1234, "max_tokens": 4096, "nested": "{\"n\":1,\"password\":\"hunter2\"}",
        "argv": ["sshpass", "-p", "hunter2", "ssh"], "kind": "Secret", "data": {"any": "aHVudGVyMg=="},
        "users": {"ghp_abcdefghijklmnopqrstuvwxyz0123456789": true},
    });
    let mut report = Report::default();
    Sanitizer::builtin().json(&mut value, &mut report);
    assert_eq!(
        value,
        json!({
            "env": [{"name": "DB_PASSWORD", "value": "[REDACTED:password]"}, "API_KEY=[REDACTED:api-key]"],
            "pin": "[REDACTED:pin]", "max_tokens": 4096, "nested": "{\"n\":1,\"password\":\"[REDACTED:password]\"}",
            "argv": ["sshpass", "-p", "[REDACTED:command-line]", "ssh"], "kind": "Secret", "data": {"any": "[REDACTED:secret]"},
            "users": {"[REDACTED:github-token]": true},
        })
    );
    assert_eq!(report.total(), 7);
}

#[test]
fn json_text_without_secrets_is_given_back_as_it_is() {
    let sanitizer = Sanitizer::builtin();
    let text = "{ \"a\" : 1.50,\n \"b\":[] }";
    assert_eq!(sanitizer.json_text(text, &mut Report::default()).expect("JSON"), text);
    assert_eq!(
        sanitizer.json_text("{\"pwd\": \"hunter2\"}", &mut Report::default()).expect("JSON"),
        "{\"pwd\":\"[REDACTED:password]\"}"
    );
    assert!(sanitizer.json_text("{", &mut Report::default()).is_err());
}

#[test]
fn explanations_hold_places_and_reasons() {
    let text = "password=hunter2";
    let explanations = Sanitizer::builtin().explain(text);
    let [explanation] = explanations.as_slice() else { panic!("{explanations:?}") };
    assert_eq!((&text[explanation.start..explanation.end], explanation.rule.as_str()), ("hunter2", "password"));
    assert!(!format!("{explanation:?}").contains("hunter2"));
}

#[test]
fn keys_as_blocks_lose_their_body_alone() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\nC7VJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dV";
    for label in
        ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK", "ENCRYPTED PRIVATE KEY"]
    {
        for separator in ["\n", "\\n"] {
            let body = body.replace('\n', separator);
            let text =
                format!("k: -----BEGIN {label}-----{separator}{body}{separator}-----END {label}-----{separator}after");
            let expected = format!(
                "k: -----BEGIN {label}-----{separator}[REDACTED:private-key]{separator}-----END {label}-----{separator}after"
            );
            assert_eq!(Sanitizer::builtin().text(&text, &mut Report::default()), expected);
        }
    }
    let putty = "PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 1\nAAAAC3Nz\nPrivate-Lines: 2\nAAAAIJ0Zk1m9Qk3r\nT8xYwV2nLmPqRs==\nPrivate-MAC: 9f86d081884c7d659a2feaa0c55ad015\n";
    let clean = Sanitizer::builtin().text(putty, &mut Report::default()).into_owned();
    assert!(
        clean.contains("AAAAC3Nz") && !clean.contains("AAAAIJ0Zk1m9Qk3r") && !clean.contains("T8xYwV2nLmPqRs"),
        "{clean}"
    );
}
