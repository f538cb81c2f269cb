//! Any bytes: no panic, twice is once, JSON stays JSON, and work in proportion to the input.
//!
//! The module is taken by its path, so that this builds without the rest of the daemon.

#![no_main]

#[path = "../../src/sanitize/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "only a part of the module's interface is used here")]
mod sanitize;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sanitize::{Report, Sanitizer};

static SANITIZER: LazyLock<Sanitizer> = LazyLock::new(Sanitizer::builtin);

fuzz_target!(|bytes: &[u8]| {
    let once = SANITIZER.bytes(bytes, &mut Report::default()).into_owned();
    let twice = SANITIZER.bytes(&once, &mut Report::default());
    assert!(
        *twice == *once,
        "{:?} became {:?}, then {:?}",
        String::from_utf8_lossy(bytes),
        String::from_utf8_lossy(&once),
        String::from_utf8_lossy(&twice)
    );

    if let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(bytes) {
        assert!(
            serde_json::from_slice::<serde_json::Value>(&once).is_ok(),
            "no JSON any more: {:?}",
            String::from_utf8_lossy(&once)
        );
        SANITIZER.json(&mut value, &mut Report::default());
        let cleaned = value.clone();
        SANITIZER.json(&mut value, &mut Report::default());
        assert_eq!(value, cleaned);
    }
    let _ = SANITIZER.command_line(bytes, &mut Report::default());
});
