//! How fast text and JSON are cleaned, next to a mere count of a hundred of the same words by Aho-Corasick.
//!
//! `cargo bench --bench sanitize`; the figures in README come from here. `rg -c` with the words of `WORDS` in a file is the other
//! yardstick.

#![expect(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macro makes a public function; a benchmark that cannot run has failed"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ghostd::sanitize::{Report, Sanitizer};

const MEBIBYTE: usize = 1 << 20;

/// Words by which the sanitizer finds names of secrets; the yardstick counts them.
const WORDS: &[&str] = &[
    "passw",
    "pwd",
    "pass",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "bearer",
    "cookie",
    "sess",
    "signature",
    "hmac",
    "jwt",
    "psk",
    "otp",
    "salt",
    "phrase",
    "seed",
    "community",
    "login",
    "csrf",
    "://",
    "BEGIN ",
    "ghp_",
    "glpat-",
    "npm_",
    "AKIA",
    "ASIA",
    "xoxb-",
    "xoxp-",
    "sk_live_",
    "AIza",
    "eyJ",
    "SG.",
    "hvs.",
    "dop_v1_",
    "shpat_",
    "sk-ant-",
    "sk-proj-",
];

/// Log lines as services and machines write them; one in two hundred holds a secret.
fn log_text() -> String {
    let mut text = String::with_capacity(MEBIBYTE + 256);
    let mut line = 0_u64;
    while text.len() < MEBIBYTE {
        let id = line.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        text += &match line % 10 {
            0 => format!(
                "2026-11-21T10:{:02}:{:02}.{:03}Z INFO relay::queue job {id:016x} finished in {} ms\n",
                line / 60 % 60,
                line % 60,
                line % 1000,
                line % 900
            ),
            1 => format!(
                "10.0.{}.{} - - [21/Nov/2026:10:00:00 +0000] \"GET /api/v1/items/{} HTTP/1.1\" 200 {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"\n",
                line % 255,
                line % 251,
                line % 9999,
                line % 90_000
            ),
            2 => format!(
                "Nov 21 10:00:{:02} host sshd[{}]: Failed password for invalid user admin from 203.0.113.{} port {} ssh2\n",
                line % 60,
                line % 30_000,
                line % 255,
                line % 60_000
            ),
            3 => format!(
                "level=info ts=17000{:05}.{:03} caller=worker.go:{} msg=\"heartbeat sent\" seq={line} latency={}us\n",
                line % 100_000,
                line % 1000,
                line % 900,
                line % 5000
            ),
            4 => format!(
                "Nov 21 10:00:{:02} host kernel: [{}.{:06}] eth0: link up, 1000 Mbps, full duplex, lpa 0x{:04x}\n",
                line % 60,
                line,
                line % 1_000_000,
                line % 65_536
            ),
            5 => format!(
                "WARN patch-v3.{}.{}(P11.12.06)_some-slug.json: queue .pending holds {} patches, oldest {} s\n",
                line % 40,
                line % 20,
                line % 90,
                line % 4000
            ),
            6 => format!("\tat com.example.relay.Worker${}.run(Worker.java:{})\n", line % 9, line % 900),
            7 => format!(
                "{{\"timestamp\":\"2026-11-21T10:00:00Z\",\"eventType\":\"tick\",\"severity\":\"info\",\"message\":\"cycle {line} done\",\"data\":{{\"n\":{}}}}}\n",
                line % 100
            ),
            8 => format!(
                "systemd[1]: Started Session {} of User bob. Memory {}.{}M, tasks {}\n",
                line % 900,
                line % 512,
                line % 10,
                line % 300
            ),
            _ if line % 200 == 9 => {
                format!("DEBUG login ok user=bob password=Zx{:08x}! ip=10.0.0.{}\n", id >> 32, line % 255)
            }
            _ => format!(
                "DEBUG cache miss for user:{}:profile, loading from {id:032x}.db ({} rows)\n",
                line % 9999,
                line % 500
            ),
        };
        line += 1;
    }
    text
}

/// A snapshot's body as the daemon builds it: processes, metrics, findings.
fn snapshot() -> serde_json::Value {
    let processes: Vec<_> = (0..2000)
        .map(|pid| {
            serde_json::json!({
                "pid": pid, "name": format!("worker-{}", pid % 40), "state": "S", "cpu_percent": f64::from(pid % 100) / 10.0, "memory_bytes": pid * 40_960, "threads": pid % 32,
                "started_at": "2026-11-21T10:00:00Z", "command": format!("/usr/lib/relay/worker --queue {} --config /etc/relay/worker.toml --log-level info", pid % 40),
            })
        })
        .collect();
    let findings: Vec<_> = (0..50).map(|number| serde_json::json!({"fingerprint": format!("{number:016x}"), "severity": "medium", "count": number, "message": "relay did not answer within 60 s", "resolved": false})).collect();
    serde_json::json!({"format": 1, "host": {"name": "relay-1", "kernel": "6.8.0-45-generic"}, "sections": {"metric": {"body": {"processes": processes}}, "anomaly": {"body": {"findings": findings}}}})
}

fn cleaning(criterion: &mut Criterion) {
    let sanitizer = Sanitizer::builtin();
    let text = log_text();
    let plain: String =
        text.lines().filter(|line| !line.contains("password=Zx")).flat_map(|line| [line, "\n"]).collect();
    let tree = snapshot();
    let printed = tree.to_string();

    let mut group = criterion.benchmark_group("sanitize");
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("log text", |bencher| {
        bencher.iter(|| black_box(sanitizer.text(black_box(&plain), &mut Report::default())).len())
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("log text with secrets", |bencher| {
        bencher.iter(|| black_box(sanitizer.text(black_box(&text), &mut Report::default())).len())
    });
    group.throughput(Throughput::Bytes(printed.len() as u64));
    group.bench_function("snapshot as text", |bencher| {
        bencher.iter(|| black_box(sanitizer.text(black_box(&printed), &mut Report::default())).len())
    });
    group.bench_function("snapshot as a tree", |bencher| {
        bencher.iter_batched_ref(
            || tree.clone(),
            |tree| sanitizer.json(tree, &mut Report::default()),
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();

    let automaton =
        aho_corasick::AhoCorasick::builder().ascii_case_insensitive(true).build(WORDS).expect("the words are few");
    let mut group = criterion.benchmark_group("yardstick");
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("count of words by aho-corasick", |bencher| {
        bencher.iter(|| automaton.find_iter(black_box(&plain)).count())
    });
    group.finish();

    criterion.bench_function("building the sanitizer", |bencher| bencher.iter(Sanitizer::builtin));
}

criterion_group!(benches, cleaning);
criterion_main!(benches);
