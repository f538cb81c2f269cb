use super::super::{Report, Sanitizer};

fn clean(text: &str) -> String {
    Sanitizer::builtin().text(text, &mut Report::default()).into_owned()
}

#[test]
fn secrets_are_taken_alone() {
    for (text, expected) in [
        ("DB_PASS=hunter2 next", "DB_PASS=[REDACTED:password] next"),
        (r#"{"password": "a b\"c", "x": 1}"#, r#"{"password": "[REDACTED:password]", "x": 1}"#),
        (r#"{"pin": 1234}"#, r#"{"pin": "[REDACTED:pin]"}"#),
        ("mysql -u root -ps3cr3t! db", "mysql -u root -p[REDACTED:command-line] db"),
        ("sshpass -p 'my pass' ssh h", "sshpass -p '[REDACTED:command-line]' ssh h"),
        ("curl -u bob:tok3nX https://h/", "curl -u bob:[REDACTED:command-line] https://h/"),
        ("redis://:s3cr3t@h:6379/0", "redis://:[REDACTED:url-password]@h:6379/0"),
        ("broker=app:Zx81kq@10.0.0.3:5672", "broker=app:[REDACTED:user-password]@10.0.0.3:5672"),
        ("Authorization: Bearer abcDEF123456xyz", "Authorization: Bearer [REDACTED:authorization]"),
        ("user logged in with token a8Fk2Lq09Zt", "user logged in with token [REDACTED:token]"),
        ("the password for bob is Tr0ub4dor&3.", "the password for bob is [REDACTED:password]."),
        ("<password>x1y2z3</password>", "<password>[REDACTED:password]</password>"),
        ("xfreerdp /u:bob /p:Geh31m! /v:h", "xfreerdp /u:bob /p:[REDACTED:command-line] /v:h"),
        ("--password X9f!a --user bob", "--password [REDACTED:password] --user bob"),
        ("https://h/p?token=abc123def456&x=1", "https://h/p?token=[REDACTED:token]&x=1"),
        ("Server=h;Password=a;b1c!;Database=x", "Server=h;Password=[REDACTED:password];Database=x"),
        ("- name: DB_PASSWORD\n  value: q9X2\n", "- name: DB_PASSWORD\n  value: [REDACTED:password]\n"),
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

#[test]
fn ordinary_text_stays() {
    for text in [
        "Failed password for invalid user admin from 10.0.0.1 port 5151 ssh2",
        "password authentication failed for user \"bob\"",
        "max_tokens=4096 token_type: bearer",
        "DB_PASS=$DB_PASS API_KEY=${API_KEY} password=/run/secrets/db",
        "git@github.com:org/repo.git and npm:react@18.2.0",
        "password: string; token: null; secret: <your-secret>",
        "Unexpected token '<' at position 0",
        "const token = await getToken();",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    ] {
        assert_eq!(clean(text), text);
    }
}
