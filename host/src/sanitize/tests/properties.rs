//! What holds for any input: no panic, twice is once, JSON stays JSON, and work in proportion to the input.

use proptest::prelude::*;

use super::super::engine::Engine;
use super::super::settings::Checked;
use super::super::{Report, Sanitizer};
use super::kinds::{Class, Random};
use super::{contexts, kinds};

fn sanitizer() -> Sanitizer {
    Sanitizer::builtin()
}

/// Pieces that matter to the sanitizer, for inputs that are built of them at random.
const PIECES: &[&str] = &[
    "password",
    "token",
    "api_key",
    "secret",
    "pass",
    "pin",
    "Authorization",
    "Cookie",
    "Set-Cookie",
    "key",
    "name",
    "value",
    "=",
    ":",
    ": ",
    " = ",
    "\"",
    "'",
    "\\\"",
    "\\",
    "\\n",
    "\n",
    " ",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "</",
    "/>",
    ",",
    ";",
    "&",
    "?",
    "|",
    "--",
    "-p",
    "-u",
    "/p:",
    "mysql ",
    "curl ",
    "\"mysql\", ",
    "sshpass -p ",
    "://",
    "@",
    "user",
    "host.example.com",
    ":5432",
    "/",
    "Bearer ",
    "Basic ",
    "eyJhbGciOi",
    ".",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END RSA PRIVATE KEY-----",
    "BEGIN ",
    "LS0tLS1CRUdJTi",
    "Private-Lines: 3",
    "[REDACTED:password]",
    "[REDACTED:",
    "]",
    "hunter2",
    "ab12CD34ef56GH78",
    "ghp_",
    "AKIA",
    "0123456789abcdef",
    "%3D",
    "%26",
    "&quot;",
    "&amp;",
    "\\u0026",
    "ä",
    "密码",
    "\u{201c}",
    "\u{201d}",
    "\0",
    "|\n  ",
    "<![CDATA[",
    "]]>",
    "''",
    "\"\"\"",
    "is",
    "set to",
    "for",
    "(",
    ")",
    "#",
    "$",
    "${X}",
    "x",
    "echo ",
    "identified by ",
    "*:*:*:",
    "Digest response=",
    "AWS4-HMAC-SHA256 Signature=",
    "a=b; c=d",
];

fn built() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        built().prop_map(Into::into)
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![prop::sample::select(PIECES).prop_map(str::to_owned), built()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn twice_is_once(sanitizer: &Sanitizer, text: &str) {
    let once = sanitizer.text(text, &mut Report::default()).into_owned();
    let mut report = Report::default();
    let twice = sanitizer.text(&once, &mut report);
    assert_eq!(twice, once, "input {text:?}");
    assert!(report.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = sanitizer_of_the_test().bytes(&bytes, &mut Report::default());
    }

    #[test]
    fn cleaning_twice_is_cleaning_once(text in built()) {
        twice_is_once(sanitizer_of_the_test(), &text);
    }

    #[test]
    fn json_trees_stay_clean_and_text_of_json_stays_json(mut value in json_value()) {
        let sanitizer = sanitizer_of_the_test();
        let text = value.to_string();
        let cleaned = sanitizer.text(&text, &mut Report::default());
        prop_assert!(serde_json::from_str::<serde_json::Value>(&cleaned).is_ok(), "{text} became {cleaned}");
        sanitizer.json(&mut value, &mut Report::default());
        let once = value.clone();
        let mut report = Report::default();
        sanitizer.json(&mut value, &mut report);
        prop_assert_eq!(&value, &once, "report {:?}", report);
    }

    #[test]
    fn arguments_keep_their_number(arguments in prop::collection::vec(built(), 0..8)) {
        let sanitizer = sanitizer_of_the_test();
        let once = sanitizer.argv(&arguments, &mut Report::default());
        prop_assert_eq!(once.len(), arguments.len());
        let twice = sanitizer.argv(&once, &mut Report::default());
        prop_assert_eq!(twice, once);
    }
}

/// One for all cases: building it takes longer than cleaning a line.
fn sanitizer_of_the_test() -> &'static Sanitizer {
    static SANITIZER: std::sync::OnceLock<Sanitizer> = std::sync::OnceLock::new();
    SANITIZER.get_or_init(sanitizer)
}

/// Secrets in their contexts with bytes changed, doubled, cut and swapped at random.
#[test]
fn mutated_contexts_make_no_trouble() {
    let sanitizer = sanitizer();
    let mut random = Random::new(11);
    let (kinds, contexts) = (kinds::all(), contexts::all());
    for round in 0..8_000 {
        let context = &contexts[random.below(contexts.len())];
        let kind = &kinds[random.below(kinds.len())];
        let secret = kind.make(&mut random, context.wants_a_word());
        let mut bytes = context.fill(&secret.whole).0.into_bytes();
        for _ in 0..=random.below(5) {
            let at = random.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match random.below(6) {
                0 => bytes.insert(at, random.pick(b"\"'\\:=<>&;,{}[]()@/ \n%$-|#")),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.truncate(at + 1),
                3 => drop(bytes.drain(..at)),
                4 => bytes.extend_from_within(at..),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = (random.below(256)) as u8;
                    }
                }
            }
        }
        let _ = sanitizer.bytes(&bytes, &mut Report::default());
        if round % 4 == 0 {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            twice_is_once(&sanitizer, &text);
            if let Ok(mut value) = serde_json::from_str::<serde_json::Value>(&text) {
                sanitizer.json(&mut value, &mut Report::default());
            }
        }
    }
}

/// Bytes looked at beyond the first pass, and the passes, for a text.
fn work(engine: &Engine, text: &[u8]) -> u64 {
    let mut work = 0;
    let _ = engine.find(text, &mut work);
    work + text.len() as u64
}

#[test]
fn work_grows_no_faster_than_the_input() {
    let engine = Engine::new(Checked::default());
    let shapes = [
        "password=",
        "password=\"",
        "\"password\":\"",
        "token ",
        "password is ",
        "<password>",
        "<password",
        "mysql -p ",
        "mysql ",
        "\"mysql\",",
        "://",
        "a://b:c@",
        "a:b@",
        "@",
        "Cookie: a=b;",
        "Authorization: Bearer ",
        "eyJa.eyJb.",
        "eyJ",
        "-----BEGIN PRIVATE KEY-----",
        "BEGIN PRIVATE ----",
        "LS0tLS1CRUdJTi",
        "Private-Lines: 9999\n",
        "[REDACTED:",
        "name: password\n",
        "\"name\":\"password\",",
        "password: |\n",
        "password: [\"",
        "key ",
        "api key ",
        "Bearer ",
        "Basic ",
        "\\\\\\\"password",
        "secret_",
        "a.b.c.password.",
        "ghp_",
        "sk-",
        "AAAA",
        "MTA",
        "password\\n",
        "&quot;password&quot;:&quot;",
        "password=$password",
        "curl -u a:b ",
        "echo x|",
        "identified by '",
        "xoxb-1-",
        "1:AA",
        "+AStAAAA",
        "password='''",
        "\\\\",
        "\"",
        "''",
    ];
    let mut grown = Vec::new();
    for shape in shapes {
        let of = |bytes: usize| work(&engine, &shape.as_bytes().repeat(bytes / shape.len() + 1));
        let (small, large) = (of(16 * 1024), of(64 * 1024));
        // Four times the input: four times the work, and a quarter for what begins only in a long text.
        if large > small * 5 + 64 * 1024 {
            grown.push(format!("{shape:?}: {small} then {large}"));
        }
    }
    assert!(grown.is_empty(), "{}", grown.join("\n"));
}

#[test]
fn every_class_stands_in_the_corpus() {
    for class in [Class::Token, Class::Plain, Class::Password] {
        assert!(contexts::all().iter().filter(|context| context.suits(class)).count() > 100);
    }
}
