//! Lines of the same kind: templates and fingerprints.

pub mod mask;
pub mod tree;

use crate::bytes::StableHash;
use crate::event::Event;

/// The longest template that is kept, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 256;

/// The template of an event's message, within bounds.
pub fn of_message(message: &str) -> String {
    let mut template = mask::template(message);
    template.truncate(template.floor_char_boundary(MAX_TEMPLATE_BYTES));
    template
}

/// The class of an event's cause (`java.io.IOException`), which is part of what kind of event it is.
pub fn cause_class(event: &Event) -> &str {
    event.cause.as_deref().map_or("", |cause| {
        let class = cause.split([':', ' ']).next().unwrap_or("");
        if class.contains(|c: char| c.is_ascii_digit()) { "" } else { class }
    })
}

/// A fingerprint: the same for the same template and cause, on every machine and in every version. It fits 53 bits,
/// so that it survives every reader of JSON.
pub fn fingerprint(template: &str, cause: &str) -> u64 {
    let mut hash = StableHash::new();
    hash.write(template.as_bytes());
    hash.write(b"\n");
    hash.write(cause.as_bytes());
    hash.finish() >> 11
}

/// How a fingerprint is written.
pub fn fingerprint_text(fingerprint: u64) -> String {
    format!("a{fingerprint:014x}")
}
