//! Times as they are given on a command line.

use super::{Failure, output};
use crate::model::Wall;
use crate::store::parse_time;

/// Reads `2026-11-21T03:12`, `-2h`, and `2h`, which means the same; an `@` before it does no harm.
pub(crate) fn parse(text: &str, now: Wall) -> Result<Wall, Failure> {
    let bare = text.strip_prefix('@').unwrap_or(text);
    parse_time(bare, now)
        .or_else(|| parse_time(&format!("-{bare}"), now))
        .ok_or_else(|| Failure::new(format!("`{}` is no time (try 2026-11-21T03:12 or -2h)", output::escaped(text))))
}

/// The same for an option that was not given perhaps.
pub(crate) fn parse_given(text: Option<&str>, now: Wall) -> Result<Option<Wall>, Failure> {
    text.map(|text| parse(text, now)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_meant_backwards_with_and_without_its_sign() {
        let now = Wall(1_795_219_200_000_000_000);
        let two_hours_ago = now.plus_ns(-7_200_000_000_000);
        for text in ["2h", "-2h", "@-2h", "120m"] {
            assert_eq!(parse(text, now).unwrap(), two_hours_ago, "{text}");
        }
        assert_eq!(parse("2026-11-21", now).unwrap().to_string(), "2026-11-21T00:00:00.000Z");
        for text in ["", "-", "2", "--2h", "soon\u{1b}"] {
            let failure = parse(text, now).unwrap_err().to_string();
            assert!(failure.contains("is no time") && !failure.contains('\u{1b}'), "{failure}");
        }
    }
}
