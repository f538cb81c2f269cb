//! Silences: which alerts nobody is told of, and until when.
//!
//! A matcher is `label=text`, `label!=text`, `label=~regex`, `label!~regex`, or the name of a rule alone. `rule`,
//! `severity` and `id` are labels too. A regular expression must match all of the label.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::expression::whole;
use crate::model::{Alert, Digest, MatchOperator, Matcher, Moment, Silence};

/// Silences at a time.
pub const MAX_SILENCES: usize = 256;
/// Matchers of one silence.
const MAX_MATCHERS: usize = 16;
/// The longest matcher, in bytes.
const MAX_MATCHER_BYTES: usize = 1_024;

/// Reads matchers; the error says which is none and what one looks like.
pub fn parse_matchers(texts: &[String]) -> Result<Vec<Matcher>, String> {
    if texts.is_empty() || texts.len() > MAX_MATCHERS {
        return Err(format!("a silence has 1 to {MAX_MATCHERS} matchers"));
    }
    texts.iter().map(|text| parse_matcher(text)).collect()
}

fn parse_matcher(text: &str) -> Result<Matcher, String> {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    let wrong = |why: &str| format!("`{shown}` is no matcher: {why} (such as `rule=clock-drift`, `daemon=~relay.*`)");
    if text.len() > MAX_MATCHER_BYTES {
        return Err(wrong("it is too long"));
    }
    let operators = [MatchOperator::Matches, MatchOperator::NotMatches, MatchOperator::NotEqual, MatchOperator::Equal];
    let found = operators
        .into_iter()
        .filter_map(|operator| text.find(operator.as_str()).map(|at| (at, operator)))
        .min_by_key(|(at, operator)| (*at, std::cmp::Reverse(operator.as_str().len())));
    let (label, operator, value) = match found {
        Some((at, operator)) => (text[..at].trim(), operator, text[at + operator.as_str().len()..].trim()),
        None => ("rule", MatchOperator::Equal, text.trim()),
    };
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    if label.is_empty() || value.is_empty() {
        return Err(wrong("a label or its value is missing"));
    }
    if matches!(operator, MatchOperator::Matches | MatchOperator::NotMatches)
        && let Err(reason) = whole(value)
    {
        return Err(wrong(&reason));
    }
    Ok(Matcher { label: label.to_owned(), operator, value: value.to_owned() })
}

/// A silence from now on. What `by` and `why` say must be sanitized.
pub fn silence(matchers: Vec<Matcher>, lasts: Duration, by: String, why: Option<String>, now: &Moment) -> Silence {
    let lasts_ns = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
    let seed = format!("{matchers:?} {} {} {}", now.boot_id, now.boottime_ns, now.wall.0);
    Silence {
        id: Digest::of(seed.as_bytes()).to_string()[..8].to_owned(),
        matchers,
        created_at: now.wall,
        ends_at: now.wall.plus_ns(i64::try_from(lasts_ns).unwrap_or(i64::MAX)),
        ends_boottime_ns: now.boottime_ns.saturating_add(lasts_ns),
        boot_id: now.boot_id.to_string(),
        by,
        why,
    }
}

/// What the record says of a new silence.
pub fn silence_told(silence: &Silence) -> (String, Json) {
    let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
    let why = silence.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let message = format!("{} silenced {} until {}{why}", silence.by, matchers.join(", "), silence.ends_at);
    let data = json!({
        "silence": silence.id, "matchers": matchers, "by": silence.by, "why": silence.why, "ends_at": silence.ends_at,
    });
    (message, data)
}

/// Whether it is over. Within one boot a step of the clock changes nothing.
pub fn is_over(silence: &Silence, now: &Moment) -> bool {
    if silence.boot_id == *now.boot_id {
        now.boottime_ns >= silence.ends_boottime_ns
    } else {
        now.wall >= silence.ends_at
    }
}

/// Whether all matchers of a silence hold of an alert.
pub fn matches(silence: &Silence, alert: &Alert) -> bool {
    silence.matchers.iter().all(|matcher| {
        let label = match matcher.label.as_str() {
            "rule" => Some(alert.rule.as_str()),
            "severity" => Some(alert.severity.as_str()),
            "id" => Some(alert.id.as_str()),
            label => alert.labels.get(label).map(String::as_str),
        };
        let regex = |label: &str| whole(&matcher.value).is_ok_and(|regex| regex.is_match(label));
        match matcher.operator {
            MatchOperator::Equal => label == Some(&matcher.value),
            MatchOperator::NotEqual => label != Some(&matcher.value),
            MatchOperator::Matches => label.is_some_and(regex),
            MatchOperator::NotMatches => !label.is_some_and(regex),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wall;

    #[test]
    fn matchers_are_read() {
        let read = |text: &str| parse_matchers(&[text.to_owned()]).map(|all| all[0].to_string());
        for (text, shown) in [
            ("clock-drift", "rule=clock-drift"),
            ("severity=high", "severity=high"),
            ("daemon =~ \"relay.*\"", "daemon=~relay.*"),
            ("a!=b", "a!=b"),
            ("a!~b=c", "a!~b=c"),
            ("a=b=~c", "a=b=~c"),
        ] {
            assert_eq!(read(text).unwrap(), shown);
        }
        for text in ["", "=x", "a=", "a=~(", "a=~\"\""] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(parse_matchers(&[]).is_err());
    }

    #[test]
    fn a_silence_ends_by_boottime_and_across_a_boot_by_the_clock() {
        let at = |wall: i64, boot: u64, id: &str| Moment {
            wall: Wall(wall * 1_000_000_000),
            boottime_ns: boot * 1_000_000_000,
            boot_id: id.into(),
        };
        let made = silence(vec![], Duration::from_secs(60), String::new(), None, &at(1_000, 10, "a"));
        assert!(!is_over(&made, &at(9_000, 69, "a")), "the clock was stepped by hours");
        assert!(is_over(&made, &at(500, 70, "a")), "and back");
        assert!(!is_over(&made, &at(1_059, 5, "b")));
        assert!(is_over(&made, &at(1_060, 5, "b")));
    }
}
