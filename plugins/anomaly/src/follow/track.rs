//! What is remembered of one file between two captures.

use crate::bytes::hash;
use crate::decode::Wide;
use crate::event::join::Context;
use crate::logs::{Identity, LogFile, Trouble};
use serde::{Deserialize, Serialize};

/// So many bytes at the start of a file tell it from one that took over its inode.
pub(super) const HEAD_BYTES: u32 = 256;
/// So many bytes before the place reached tell whether what was read is still there.
pub(super) const ANCHOR_BYTES: u32 = 64;

/// One file that is followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    #[serde(rename = "r")]
    pub root: String,
    #[serde(rename = "p")]
    pub path: String,
    /// What it was called where the configuration looks, after it was rotated away from there: names that rotation
    /// gives are made from this one. Empty while it is called so.
    #[serde(rename = "b", default, skip_serializing_if = "String::is_empty")]
    pub home: String,
    #[serde(rename = "k")]
    pub identity: Identity,
    /// Everything before this was read.
    #[serde(rename = "o")]
    pub offset: u64,
    /// The number of the next line; `None` where the file was entered in its middle.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(rename = "h")]
    pub head: Mark,
    #[serde(rename = "a")]
    pub anchor: Mark,
    /// The size when it was last looked at.
    #[serde(rename = "s")]
    pub seen_bytes: u64,
    /// The time of its last change when it was last looked at.
    #[serde(rename = "m")]
    pub seen_modified_ns: i64,
    /// When it was last seen to grow.
    #[serde(rename = "g")]
    pub grown_ms: i64,
    /// The capture that last read from it.
    #[serde(rename = "t", default)]
    pub served: u64,
    /// How many captures in a row did not find it under any name.
    #[serde(rename = "z", default, skip_serializing_if = "is_zero")]
    pub gone: u32,
    /// How many captures in a row did not find it where the configuration looks, or had nothing left to read.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub missing: u32,
    /// It was found under another name than the configuration's: rotated away, and read to its end there.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub rotated: bool,
    /// The rest of a line is to be passed over.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub skipping: bool,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<Wide>,
    /// What the last line belongs to.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// Some bytes of a file, by their hash. The hash has 53 bits, so that it survives every reader of JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark(pub u32, pub u64);

impl Mark {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(u32::try_from(bytes.len()).unwrap_or(u32::MAX), hash(bytes) >> 11)
    }

    /// Whether the bytes that end (or begin) at `at` are still these.
    pub(super) fn holds(self, file: &mut dyn LogFile, at: u64) -> Result<bool, Trouble> {
        if self.0 == 0 {
            return Ok(true);
        }
        Ok(Self::of(&file.read_at(at, self.0)?) == self)
    }
}

impl Track {
    /// The name that rotation starts from.
    pub(super) fn home(&self) -> &str {
        if self.home.is_empty() { &self.path } else { &self.home }
    }

    /// Whether `file` is still the file that was read: its beginning and what stands before the place reached.
    pub(super) fn is_same(&self, file: &mut dyn LogFile) -> Result<bool, Trouble> {
        let before = self.offset.saturating_sub(u64::from(self.anchor.0));
        Ok(self.head.holds(file, 0)? && self.anchor.holds(file, before)?)
    }

    /// Takes new marks at the place reached.
    pub(super) fn mark(&mut self, file: &mut dyn LogFile) -> Result<(), Trouble> {
        if self.head.0 < HEAD_BYTES {
            self.head = Mark::of(&file.read_at(0, HEAD_BYTES)?);
        }
        let length = u32::try_from(self.offset.min(u64::from(ANCHOR_BYTES))).unwrap_or(ANCHOR_BYTES);
        self.anchor = Mark::of(&file.read_at(self.offset - u64::from(length), length)?);
        Ok(())
    }

    /// Takes over the place reached in `original`, of which this is a copy.
    pub(super) fn go_on_from(&mut self, original: &mut Self) {
        (self.offset, self.line, self.seen_bytes) = (original.offset, original.line, original.offset);
        (self.head, self.anchor) = (original.head, original.anchor);
        (self.skipping, self.wide) = (original.skipping, original.wide);
        self.context = original.context.take();
    }

    /// Starts anew at the beginning of the same file.
    pub(super) fn restart(&mut self) {
        self.offset = 0;
        self.line = Some(1);
        self.head = Mark::default();
        self.anchor = Mark::default();
        self.skipping = false;
        self.wide = None;
        self.context = None;
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
