//! The contract's bounds on what a collector returns; beyond them ghostd would refuse the section. The
//! builders of this crate keep to them by cutting.

/// The longest warning, in bytes.
pub const MAX_WARNING_BYTES: usize = 512;
/// The most warnings of one section; the last one says how many more there were.
pub const MAX_WARNINGS: usize = 64;
/// The longest title of a finding, in bytes.
pub const MAX_TITLE_BYTES: usize = 512;
/// The longest detail of a finding, in bytes.
pub const MAX_DETAIL_BYTES: usize = 16 * 1024;
/// The longest source of a finding, in bytes.
pub const MAX_SOURCE_BYTES: usize = 1024;
/// The longest text of a [`crate::Value`], in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;
/// The longest fingerprint of a finding, in bytes.
pub const MAX_FINGERPRINT_BYTES: usize = 128;
