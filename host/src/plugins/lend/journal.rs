//! `ghost:host/journal`.

use super::super::bindings::ghost::host::journal as wit;
use super::super::state::CallState;
use super::{Answer, answer, may_block};
use crate::probe::manager::Entry;
use crate::sanitize::{Report, Sanitizer};

impl wit::Host for CallState {
    fn read(&mut self, after: Option<String>, limit: u32) -> Answer<Vec<wit::Entry>> {
        self.lend(
            |fake| fake.journal(after.as_deref(), limit),
            |services| {
                let read = may_block(|| services.manager.entries(after.as_deref(), limit as usize));
                answer(read, |entries| entries.into_iter().map(|entry| wire(entry, &services.sanitizer)).collect())
            },
        )
    }
}

/// Everything that a program wrote to the journal can hold a secret, the fields that the kernel vouches for excepted.
fn wire(entry: Entry, sanitizer: &Sanitizer) -> wit::Entry {
    let fields = entry.fields.into_iter().map(|(key, value)| {
        let value = match &*key {
            "_CMDLINE" => sanitizer.command_line(value.replace(' ', "\0").as_bytes(), &mut Report::default()),
            "_PID" | "_UID" | "_GID" | "_COMM" | "_EXE" | "_SYSTEMD_UNIT" | "_BOOT_ID" | "_MACHINE_ID" | "PRIORITY" => {
                value
            }
            _ => sanitizer.text(&value, &mut Report::default()).into_owned(),
        };
        (key, value)
    });
    wit::Entry { cursor: entry.cursor, realtime_us: entry.realtime_us, fields: fields.collect() }
}
