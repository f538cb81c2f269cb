//! Many collectors in one daemon: what each of them costs when it does nothing but be there.
//!
//! CI runs forty; `GHOSTD_MANY=200 cargo test --release --test e2e many -- --nocapture` is the measurement of issue 7.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, QUIET, Site, alone, collector, until};

/// The smallest guest, with a section of its own for each copy.
fn copies(site: &Site, count: usize) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/fixtures/contract");
    let wasm = std::fs::read(fixtures.join("frozen-0.1.0.wasm")).unwrap();
    let mut tables = String::new();
    for n in 0..count {
        let name = format!("f{n:05}");
        let mut copy = wasm.clone();
        let places: Vec<usize> =
            wasm.windows(6).enumerate().filter(|(_, at)| *at == b"frozen").map(|(place, _)| place).collect();
        for place in places {
            copy[place..place + 6].copy_from_slice(name.as_bytes());
        }
        std::fs::write(site.path(&format!("{name}.wasm")), copy).unwrap();
        tables.push_str(&format!("[collector.{name}]\nsource = \"{name}.wasm\"\ngrant = [\"system\"]\n"));
    }
    tables
}

#[test]
fn many_collectors_start_fast_and_cost_little() {
    let _alone = alone();
    let count: usize = std::env::var("GHOSTD_MANY").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let site = Site::with(QUIET);
    let calm = format!("[snapshot]\nevery = \"1h\"\n{QUIET}");
    let tables = copies(&site, count);
    let files: Vec<String> = (0..count).map(|n| format!("f{n:05}.wasm")).collect();
    site.compile(&files.iter().map(String::as_str).collect::<Vec<_>>());

    let snapshots = |config: &str| {
        site.configure(config);
        let started = Instant::now();
        let daemon = site.run();
        let answered = started.elapsed();
        let before = site.files().len();
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let asked = Instant::now();
            let body = site.snapshot();
            fastest = fastest.min(asked.elapsed());
            if config.contains("f00000") {
                assert_eq!(collector(&body, "f00000")["status"], "ok");
            }
        }
        until("the snapshots are there", PATIENCE, || (site.files().len() > before).then_some(()));
        (answered, fastest, daemon.rss_bytes(), daemon.own_bytes())
    };
    let (alone_start, alone_capture, alone_rss, alone_own) = snapshots(&calm);
    let (start, capture, rss, own) = snapshots(&format!("{calm}{tables}"));
    let each = |more: u64| more as f64 / 1024.0 / count as f64;
    eprintln!(
        "{count} collectors: answers after {start:?} (without them {alone_start:?}); a snapshot takes {capture:?} ({alone_capture:?}), \
         {:.3} ms for each; resident {:.0} KiB for each, of its own {:.0} KiB",
        capture.saturating_sub(alone_capture).as_secs_f64() * 1e3 / count as f64,
        each(rss.saturating_sub(alone_rss)),
        each(own.saturating_sub(alone_own)),
    );
    assert!(each(rss.saturating_sub(alone_rss)) < 1024.0, "more than 1 MiB for each idle collector");
    assert!(start < PATIENCE / 2, "{start:?}");
}
