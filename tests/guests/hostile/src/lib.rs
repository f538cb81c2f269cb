//! A collector that does whatever harm its configuration asks for: `{"do": "spin"}`.

wit_bindgen::generate!({
    inline: r#"
        package test:hostile;
        world hostile {
            import ghost:host/log@0.1.0;
            import ghost:host/state@0.1.0;
            export ghost:collector/collector@0.1.0;
        }
    "#,
    path: "../../../wit",
    generate_all,
});

use std::sync::atomic::{AtomicU64, Ordering};

use exports::ghost::collector::collector::{Descriptor, Failure, Guest, Invocation, Section};
use ghost::collector::types::{Attribute, Completeness, Finding, Metric, Reading, Severity, Value};
use ghost::host::{log, state};

/// The name of its section, which each test replaces by one of its own in the component: two collectors cannot have
/// the same key, and a descriptor knows no configuration. Underscores at the end do not count.
static KEY: [u8; 64] = *b"hostile_key_that_each_test_has_to_put_its_own_name_in_place_of__";

fn key() -> String {
    // The compiler must not believe that it knows the name.
    let key = std::hint::black_box(&KEY);
    String::from_utf8_lossy(key).trim_end_matches('_').to_owned()
}

struct Hostile;

impl Guest for Hostile {
    fn describe() -> Descriptor {
        Descriptor {
            name: "hostile".to_owned(),
            version: "6.6.6".to_owned(),
            summary: "\u{1b}[2Jdoes harm".to_owned(),
            sections: vec![key()],
            config_schema: Some(r#"{"type":"object"}"#.to_owned()),
            attributes: vec![],
        }
    }

    fn collect(call: Invocation, config: String) -> Result<Vec<Section>, Failure> {
        let asked = |what: &str| config.contains(&format!("\"{what}\""));
        if asked("spin") {
            loop {
                std::hint::black_box(0);
            }
        }
        if asked("memory") {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
            }
        }
        if asked("trap") {
            // Put together here: the secret as a whole stands in no component and in no native form of one.
            panic!("boom with password={0}{0}", std::hint::black_box("hunter2"));
        }
        if asked("exit") {
            std::process::exit(3);
        }
        if asked("recurse") {
            return Err(Failure::Internal(deeper(0).to_string()));
        }
        if asked("overflow") {
            return Err(Failure::Internal(deeper_with_locals(0).to_string()));
        }
        if asked("junk") {
            return Ok(vec![Section { body: "{\"a\":1,\"a\":2".to_owned(), ..section(&call) }]);
        }
        if asked("huge") {
            // Within its memory, which a text that grows while it is written would not be.
            let mut body = String::with_capacity(50 << 20);
            body.push_str("{\"x\":\"");
            body.extend(std::iter::repeat_n('x', 40 << 20));
            body.push_str("\"}");
            return Ok(vec![Section { body, ..section(&call) }]);
        }
        if asked("deep") {
            let body = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
            return Ok(vec![Section { body, ..section(&call) }]);
        }
        if asked("bomb") {
            let body = format!("{{\"x\":[{}0]}}", "[],".repeat(1_300_000));
            return Ok(vec![Section { body, ..section(&call) }]);
        }
        if asked("strings") {
            return Ok(vec![Section { warnings: vec![String::new(); 2_000_000], ..section(&call) }]);
        }
        if asked("utf8") {
            // What crosses the boundary as a text has to be one, and this one lies.
            let body = unsafe { String::from_utf8_unchecked(vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}']) };
            return Ok(vec![Section { body, ..section(&call) }]);
        }
        if asked("control") {
            let body = "{\"x\":\"\\u001b]0;owned\\u0007\\u001b[2J\"}".to_owned();
            let warnings = vec!["\u{1b}[31mred\u{0}".to_owned()];
            return Ok(vec![Section { body, warnings, ..section(&call) }]);
        }
        if asked("fickle") {
            // Another answer at each call, and never one that was asked for twice.
            let body = format!("{{\"at{}\":{}}}", call.now_ms, call.monotonic_ns);
            return Ok(vec![Section { schema: format!("test.{}/1", call.id), body, ..section(&call) }]);
        }
        if asked("log") {
            for n in 0..50_000 {
                log::write(log::Level::Error, &format!("line {n}"));
            }
        }
        if asked("stdout") {
            for n in 0..20_000 {
                println!("line {n} {}", "y".repeat(100));
            }
        }
        if asked("sleep") {
            std::thread::sleep(std::time::Duration::from_secs(3600));
        }
        if asked("calls") {
            loop {
                std::hint::black_box(state::keys());
            }
        }
        if asked("state") {
            let big = format!("\"{}\"", "z".repeat(300 << 10));
            let first = state::set("one", &big);
            let second = state::set("two", &big);
            let body = format!("{{\"first\":{},\"second\":{}}}", first.is_ok(), second.is_ok());
            return Ok(vec![Section { body, ..section(&call) }]);
        }
        if asked("nan") {
            let metric = Metric {
                name: "evil".to_owned(),
                unit: "1".to_owned(),
                reading: Reading::Gauge(f64::NAN),
                labels: vec![],
            };
            return Ok(vec![Section { metrics: vec![metric], ..section(&call) }]);
        }
        if asked("reserved") {
            return Ok(vec![Section { key: "host".to_owned(), ..section(&call) }]);
        }
        if asked("another") {
            return Ok(vec![Section { key: "clock".to_owned(), ..section(&call) }]);
        }
        if asked("findings") {
            let findings = (0..10_000)
                .map(|n| Finding {
                    fingerprint: format!("f{n}"),
                    severity: Severity::Critical,
                    title: "\u{1b}]0;owned\u{7}<script>alert(1)</script>".to_owned(),
                    detail: None,
                    source: None,
                    count: u64::MAX,
                    first_ms: Some(i64::MIN),
                    last_ms: Some(i64::MAX),
                    resolved: false,
                    attributes: vec![],
                })
                .collect();
            return Ok(vec![Section { findings, ..section(&call) }]);
        }
        if asked("attribute") {
            let attribute = Attribute { key: "ghost.trusted".to_owned(), value: Value::B(true) };
            return Ok(vec![Section { attributes: vec![attribute], ..section(&call) }]);
        }
        Ok(vec![section(&call)])
    }
}

/// Where the recursion would end. The compiler cannot know it, and so cannot make a loop of it.
static DEEPEST: AtomicU64 = AtomicU64::new(u64::MAX);

/// Fills the stack of the machine that runs it: nothing of it stands in the component's own memory.
#[inline(never)]
fn deeper(n: u64) -> u64 {
    if n == DEEPEST.load(Ordering::Relaxed) { n } else { deeper(n + 1).wrapping_mul(3) ^ n }
}

/// Fills the stack that stands in the component's own memory.
#[inline(never)]
fn deeper_with_locals(n: u64) -> u64 {
    let locals = std::hint::black_box([n; 64]);
    if n == DEEPEST.load(Ordering::Relaxed) { n } else { deeper_with_locals(n + 1) ^ locals[(n % 64) as usize] }
}

fn section(call: &Invocation) -> Section {
    Section {
        key: call.due.first().cloned().unwrap_or_default(),
        schema: "test.hostile/1".to_owned(),
        completeness: Completeness::Complete,
        warnings: vec![],
        body: "{}".to_owned(),
        metrics: vec![],
        findings: vec![],
        attributes: vec![],
    }
}

export!(Hostile);
