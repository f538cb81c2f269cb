//! The token formats of vendors, one row each. They are facts that the vendors document or that their tokens show; the source of each
//! stands beside it.

mod developer;

use super::token::Format;

/// All tables.
pub(super) const TABLES: &[&[Format]] = &[developer::FORMATS];

const fn f(name: &'static str, pattern: &'static str, source: &'static str) -> Format {
    Format { name, pattern, source }
}
