//! Prints the lines of logs with what the scan says of them: `m`, `h`, `c` where an event begins, `|` where it goes
//! on, `.` elsewhere. The same form as the labelled fixtures, so that a fixture can be begun with it and corrected by
//! hand.
//!
//! `cargo run -p ghostd-anomaly --example verdicts -- FILE...`

#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use ghostd_anomaly::scan::{Options, Scan};
use std::collections::BTreeMap;

fn main() -> std::io::Result<()> {
    for name in std::env::args().skip(1) {
        let text = std::fs::read(&name)?;
        let mut marks = BTreeMap::new();
        let mut scan = Scan::new(Options::default());
        let mut note = |event: ghostd_anomaly::scan::Found| {
            marks.extend((event.line..=event.end_line).map(|line| (line, "|")));
            marks.insert(event.line, &event.severity.as_str()[..1]);
        };
        scan.feed(&text, &mut note);
        scan.finish(&mut note);
        println!("@@ {name}");
        for (number, line) in (1..).zip(text.split(|b| *b == b'\n')) {
            let line = String::from_utf8_lossy(line);
            println!("{} {line}", marks.get(&number).unwrap_or(&"."));
        }
    }
    Ok(())
}
