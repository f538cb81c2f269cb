//! OpenTelemetry's names and units as Prometheus has them (the specification's "OTLP Metric points to Prometheus").

/// The words of units that are seconds, bytes and the like; what is not known is written out as it is.
const UNITS: [(&str, &str); 14] = [
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("min", "minutes"),
    ("h", "hours"),
    ("d", "days"),
    ("By", "bytes"),
    ("bit", "bits"),
    ("Hz", "hertz"),
    ("Cel", "celsius"),
    ("V", "volts"),
    ("W", "watts"),
    ("%", "percent"),
];

/// The name of a metric: with its unit at the end, and `_total` where it is a counter.
pub(super) fn metric(name: &str, unit: &str, is_counter: bool) -> String {
    let mut whole = format!("ghost_{}", word(name));
    if let Some(unit) = unit_of(unit, is_counter)
        && !whole.ends_with(&format!("_{unit}"))
    {
        whole.push('_');
        whole.push_str(&unit);
    }
    if is_counter && !whole.ends_with("_total") {
        whole.push_str("_total");
    }
    whole
}

/// The word for a unit; none where it is a count (`{process}`) or there is none. A gauge of `1` is a ratio.
pub(super) fn unit_of(unit: &str, is_counter: bool) -> Option<String> {
    if let Some((above, below)) = unit.split_once('/') {
        let above = unit_of(above, true);
        let known =
            UNITS.iter().find(|(code, _)| *code == below).map(|(_, word)| word.trim_end_matches('s').to_owned());
        let below = known.unwrap_or_else(|| word(below));
        return Some(above.map_or_else(|| format!("per_{below}"), |above| format!("{above}_per_{below}")));
    }
    match unit {
        "" => None,
        "1" => (!is_counter).then(|| "ratio".to_owned()),
        _ if unit.starts_with('{') => None,
        _ => Some(
            UNITS.iter().find(|(code, _)| *code == unit).map_or_else(|| word(unit), |(_, word)| (*word).to_owned()),
        ),
    }
}

/// Letters, digits and underscores; runs of anything else are one underscore.
pub(super) fn word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => word.push(c.to_ascii_lowercase()),
            _ if word.ends_with('_') => {}
            _ => word.push('_'),
        }
    }
    word.trim_matches('_').to_owned()
}

/// The name of a label: never a digit first, never two underscores first, never empty.
pub(super) fn label(text: &str) -> String {
    let word = word(text);
    match word.chars().next() {
        Some(c) if c.is_ascii_alphabetic() => word,
        _ => format!("label_{word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_specification() {
        for (name, unit, counter, expected) in [
            ("system.memory.usage", "By", false, "ghost_system_memory_usage_bytes"),
            ("system.network.io", "By", true, "ghost_system_network_io_bytes_total"),
            ("system.cpu.utilization", "1", false, "ghost_system_cpu_utilization_ratio"),
            ("system.cpu.load_average.1m", "{thread}", false, "ghost_system_cpu_load_average_1m"),
            ("daemon.restarts", "{restart}", true, "ghost_daemon_restarts_total"),
            ("system.uptime", "s", false, "ghost_system_uptime_seconds"),
            ("net.rate", "By/s", false, "ghost_net_rate_bytes_per_second"),
            ("weird..näme-", "{x}/s", false, "ghost_weird_n_me_per_second"),
            ("x.total", "1", true, "ghost_x_total"),
        ] {
            assert_eq!(metric(name, unit, counter), expected);
        }
    }

    #[test]
    fn labels_are_names_whatever_they_were() {
        for (text, expected) in
            [("cpu.mode", "cpu_mode"), ("9lives", "label_9lives"), ("__name__", "name"), ("", "label_"), ("\n\"x", "x")]
        {
            assert_eq!(label(text), expected, "{text:?}");
        }
    }
}
