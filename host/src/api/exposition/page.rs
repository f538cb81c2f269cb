//! A page of metrics: families with their points, and its two written forms.
//!
//! Owns: that each series stands there once, that each family has one type, that all of it is bounded, and escaping.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::names;
use crate::model::{Histogram, Metric, Reading};

/// Series of one page. A label that never repeats would otherwise make a scrape grow for ever.
pub(super) const MAX_SERIES: usize = 10_000;

/// Characters of a label's value.
const MAX_VALUE_CHARS: usize = 256;

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Counter,
    Histogram,
    Summary,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// All points of one name.
#[derive(Debug)]
struct Family {
    kind: Kind,
    help: String,
    /// By the written form of their labels, so that each is there once.
    points: BTreeMap<String, Point>,
}

#[derive(Debug)]
enum Point {
    Float(f64),
    /// Exact also beyond 2^53.
    Whole(u64),
    Histogram(Histogram),
}

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// By their names, with `_total` where they are counters.
    families: BTreeMap<String, Family>,
    series: usize,
    dropped: u64,
}

impl Page {
    /// A gauge of ghostd's own.
    pub(super) fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, Kind::Gauge, || help.to_owned(), written(labels.iter().copied()), Point::Float(value));
    }

    /// A counter of ghostd's own; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.add(name, Kind::Counter, || help.to_owned(), written(labels.iter().copied()), Point::Whole(value));
    }

    /// A quantile of ghostd's own.
    pub(super) fn quantile(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, Kind::Summary, || help.to_owned(), written(labels.iter().copied()), Point::Float(value));
    }

    /// A point that a collector returned.
    pub(super) fn metric(&mut self, collector: &str, metric: &Metric) {
        let (kind, point) = match &metric.reading {
            Reading::Gauge(value) => (Kind::Gauge, Point::Float(*value)),
            Reading::Counter(value) => (Kind::Counter, Point::Whole(*value)),
            Reading::Histogram(histogram) => (Kind::Histogram, Point::Histogram(histogram.clone())),
        };
        let name = names::metric(&metric.name, &metric.unit, kind == Kind::Counter);
        let labels: Vec<(String, String)> =
            metric.labels.iter().map(|(name, value)| (names::label(name), value.to_string())).collect();
        let own = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // Whose it is, so that two collectors may measure the same; a label of that name would be one twice.
        let own = own.filter(|(name, _)| *name != "collector" && !matches!(*name, "le" | "quantile"));
        let labels = written([("collector", collector)].into_iter().chain(own));
        let help = || {
            let unit = if metric.unit.is_empty() { String::new() } else { format!(" in {}", metric.unit) };
            format!("{}{unit}, as a collector measures it.", metric.name)
        };
        self.add(&name, kind, help, labels, point);
    }

    fn add(&mut self, name: &str, kind: Kind, help: impl FnOnce() -> String, labels: String, point: Point) {
        if self.series >= MAX_SERIES {
            self.dropped += 1;
            return;
        }
        if !self.families.contains_key(name) {
            self.families.insert(name.to_owned(), Family { kind, help: help(), points: BTreeMap::new() });
        }
        let Some(family) = self.families.get_mut(name) else { return };
        // One name, one type; and the first of two that would be one is it.
        if family.kind != kind || family.points.contains_key(&labels) {
            self.dropped += 1;
            return;
        }
        family.points.insert(labels, point);
        self.series += 1;
    }

    /// Says how many were left out.
    pub(super) fn finish(&mut self) {
        let (series, dropped) = (self.series as f64, self.dropped as f64);
        self.gauge("ghost_metrics_series", "Series on this page but this one and the next.", &[], series);
        let help = "Series left out of this page: too many, the same twice, or of another type than their name has.";
        self.gauge("ghost_metrics_dropped_series", help, &[], dropped);
    }

    /// As OpenMetrics 1.0.
    pub(super) fn openmetrics(&self) -> String {
        let mut text = self.written(true);
        text.push_str("# EOF\n");
        text
    }

    /// As the text form before it.
    pub(super) fn text(&self) -> String {
        self.written(false)
    }

    fn written(&self, open: bool) -> String {
        let mut text = String::with_capacity(self.series * 80);
        for (name, family) in &self.families {
            // OpenMetrics names the family of a counter without its suffix.
            let called = if open && family.kind == Kind::Counter { name.trim_end_matches("_total") } else { name };
            let _ = writeln!(text, "# HELP {called} {}", escaped(&family.help, open));
            let _ = writeln!(text, "# TYPE {called} {}", family.kind.as_str());
            for (labels, point) in &family.points {
                point.write(&mut text, name, labels);
            }
        }
        text
    }
}

impl Point {
    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let braced = |more: &str| match (labels.is_empty(), more.is_empty()) {
            (true, true) => String::new(),
            (false, false) => format!("{{{labels},{more}}}"),
            _ => format!("{{{labels}{more}}}"),
        };
        let _ = match self {
            Self::Float(value) => writeln!(text, "{name}{} {}", braced(""), number(*value)),
            Self::Whole(value) => writeln!(text, "{name}{} {value}", braced("")),
            Self::Histogram(histogram) => {
                let mut so_far = 0_u64;
                for bucket in &histogram.buckets {
                    so_far = so_far.saturating_add(bucket.count);
                    if let Some(bound) = bucket.upper_bound {
                        let le = format!("le=\"{}\"", number(bound));
                        let _ = writeln!(text, "{name}_bucket{} {so_far}", braced(&le));
                    }
                }
                // The last bucket holds all that there is, whatever the count says.
                let all = so_far.max(histogram.count);
                let _ = writeln!(text, "{name}_bucket{} {all}", braced("le=\"+Inf\""));
                let _ = writeln!(text, "{name}_sum{} {}", braced(""), number(histogram.sum));
                writeln!(text, "{name}_count{} {all}", braced(""))
            }
        };
    }
}

/// A float as both forms read it back: whole numbers with a point, as OpenMetrics wants bounds to be.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{value:?}")
}

/// `a="x",b="y"`, sorted, each name once.
fn written<'l>(labels: impl Iterator<Item = (&'l str, &'l str)>) -> String {
    let mut sorted: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in labels {
        sorted.entry(name).or_insert(value);
    }
    let mut text = String::new();
    for (name, value) in sorted {
        let comma = if text.is_empty() { "" } else { "," };
        let short: String = value.chars().take(MAX_VALUE_CHARS).collect();
        let _ = write!(text, "{comma}{name}=\"{}\"", escaped(&short, true));
    }
    text
}

fn escaped(text: &str, quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quotes => escaped.push_str("\\\""),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Bucket, Value};

    fn metric(name: &str, unit: &str, reading: Reading, labels: &[(&str, &str)]) -> Metric {
        let labels: Attributes = labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        Metric { name: name.to_owned(), unit: unit.to_owned(), reading, labels }
    }

    #[test]
    fn both_forms_of_a_page() {
        let mut page = Page::default();
        page.metric("m", &metric("net.io", "By", Reading::Counter(u64::MAX), &[("device", "a\"b\\c\nd")]));
        page.metric("m", &metric("mem", "By", Reading::Gauge(1.5), &[]));
        let histogram = Histogram {
            buckets: vec![Bucket { upper_bound: Some(1.0), count: 2 }, Bucket { upper_bound: None, count: 1 }],
            sum: 4.5,
            count: 3,
        };
        page.metric("m", &metric("lat", "s", Reading::Histogram(histogram), &[]));
        assert_eq!(
            page.openmetrics(),
            "# HELP ghost_lat_seconds lat in s, as a collector measures it.\n\
             # TYPE ghost_lat_seconds histogram\n\
             ghost_lat_seconds_bucket{collector=\"m\",le=\"1.0\"} 2\n\
             ghost_lat_seconds_bucket{collector=\"m\",le=\"+Inf\"} 3\n\
             ghost_lat_seconds_sum{collector=\"m\"} 4.5\n\
             ghost_lat_seconds_count{collector=\"m\"} 3\n\
             # HELP ghost_mem_bytes mem in By, as a collector measures it.\n\
             # TYPE ghost_mem_bytes gauge\n\
             ghost_mem_bytes{collector=\"m\"} 1.5\n\
             # HELP ghost_net_io_bytes net.io in By, as a collector measures it.\n\
             # TYPE ghost_net_io_bytes counter\n\
             ghost_net_io_bytes_total{collector=\"m\",device=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n\
             # EOF\n"
        );
        assert!(page.text().contains("# TYPE ghost_net_io_bytes_total counter\n") && !page.text().contains("EOF"));
    }

    #[test]
    fn a_series_is_there_once_and_a_name_has_one_type() {
        let mut page = Page::default();
        page.metric("m", &metric("a.b", "1", Reading::Gauge(1.0), &[("x.y", "1")]));
        page.metric("m", &metric("a.b", "1", Reading::Gauge(2.0), &[("x_y", "1")]));
        page.metric(
            "n",
            &metric("a.b.ratio", "", Reading::Histogram(Histogram { buckets: vec![], sum: 0.0, count: 0 }), &[]),
        );
        page.metric("n", &metric("a.b", "1", Reading::Gauge(3.0), &[("collector", "m"), ("le", "1")]));
        page.finish();
        let text = page.text();
        assert_eq!(text.matches("\nghost_a_b_ratio").count(), 2, "{text}");
        assert!(
            text.contains("ghost_metrics_dropped_series 2.0") && text.contains("ghost_a_b_ratio{collector=\"n\"} 3.0")
        );
    }

    #[test]
    fn a_page_is_bounded() {
        let mut page = Page::default();
        for at in 0..MAX_SERIES + 50 {
            page.metric("m", &metric("x", "", Reading::Gauge(0.0), &[("pid", &at.to_string())]));
        }
        assert_eq!((page.series, page.dropped), (MAX_SERIES, 50));
    }
}
