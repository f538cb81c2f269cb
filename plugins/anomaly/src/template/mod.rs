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

/// The template of a message, and what is made from it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The message with each run of digits as one.
    shape: Vec<u8>,
    /// The template.
    pub template: String,
    /// The fingerprint without a cause, as it is written.
    pub fingerprint: String,
    /// The fingerprint without a cause.
    pub hash: u64,
}

/// Templates of the last messages, by what is left of a message where each run of digits is one: what has a digit is
/// a value, so the template is the same.
#[derive(Debug, Default)]
pub struct Memo {
    entries: Vec<Known>,
    shape: Vec<u8>,
}

/// How many messages are remembered. A log that repeats itself has few kinds at a time.
const MEMO_ENTRIES: usize = 256;
/// What follows in longer messages does not reach the template.
const MAX_SHAPE_BYTES: usize = 1024;

impl Memo {
    /// What is known of a message.
    pub fn of(&mut self, message: &str) -> &Known {
        self.shape.clear();
        let mut hash = 0u64;
        let mut digit = false;
        let long = message.len() > MAX_SHAPE_BYTES;
        for &byte in if long { &[] } else { message.as_bytes() } {
            let now = byte.is_ascii_digit();
            if !(now && digit) {
                let byte = if now { b'0' } else { byte };
                self.shape.push(byte);
                hash = (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
            }
            digit = now;
        }
        if self.entries.is_empty() {
            self.entries.resize(MEMO_ENTRIES, Known::default());
        }
        let entry = &mut self.entries[(hash >> 56) as usize % MEMO_ENTRIES];
        if long || entry.fingerprint.is_empty() || !same(&entry.shape, &self.shape) {
            entry.shape.clone_from(&self.shape);
            entry.template = of_message(message);
            entry.hash = fingerprint(&entry.template, "");
            entry.fingerprint = fingerprint_text(entry.hash);
        }
        entry
    }
}

/// Equality eight bytes at a time: in the guest a comparison of slices goes byte by byte.
fn same(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b))
        && a_rest == b_rest
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
