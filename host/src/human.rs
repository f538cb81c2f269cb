//! Figures, times and foreign texts as people may be shown them, on whatever shows them.

use crate::model::Wall;

/// A text from outside as a terminal may be shown it: control characters would move its cursor, set its title, or
/// hide what follows.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let hidden =
                matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}');
            if c.is_control() || hidden { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
}

/// `12.3 kB`, `4.0 MB`: decimal, as disks are sold and `ls -h --si` has it.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit < 4 {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ => format!("{value:.1} {}", ["B", "kB", "MB", "GB", "TB"][unit]),
    }
}

/// A time for people: local, to the second.
pub fn local(at: Wall) -> String {
    at.to_utc().with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2 h 5 min`, `4.2 s`: the two largest units.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_a_cursor() {
        assert_eq!(escaped("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}");
        assert_eq!(escaped("grün 日本"), "grün 日本");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(duration(4.21), "4.2 s");
        assert_eq!(duration(90_061.0), "1 d 1 h");
    }
}
