//! `ghostd history`: what is measured; one metric over time, as a plot, as CSV, or as JSON.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value as Json, json};

use super::plot::{self, Line};
use super::{Failure, Places, list, output, place, when};
use crate::clock;
use crate::model::{Reading, Wall};
use crate::store::{HistoryPoint, MAX_ROWS, Reader, Series, Span};

/// How far back is looked where nothing says how far.
const SHOWN: &str = "24h";
/// The most series that are drawn: beyond it a label says which.
const MAX_PLOTS: usize = 12;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The metric's name; without it, what there is
    metric: Option<String>,
    /// From then on: RFC 3339, `2026-11-21`, `2d`
    #[arg(long, value_name = "TIME", default_value = SHOWN, allow_hyphen_values = true)]
    since: String,
    /// Until then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only series with this label; can be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Only of this collector
    #[arg(long, value_name = "NAME")]
    collector: Option<String>,
    /// Comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// One series with its points.
struct Track {
    series: Series,
    /// What is too old to be kept as it was read: minutes and hours, oldest first.
    rolled: Vec<HistoryPoint>,
    /// What was read, oldest first.
    points: Vec<(Wall, Reading)>,
}

impl Track {
    fn is_counter(&self) -> bool {
        self.points.iter().any(|(_, reading)| matches!(reading, Reading::Counter(_)))
    }

    /// All of it as if it had been read: a stretch by its mean in its middle, a total by its last at its end.
    fn readings(&self) -> Vec<(Wall, Reading)> {
        let is_counter = self.is_counter();
        let rolled = self.rolled.iter().map(|stretch| {
            let ns = i64::from(stretch.width_seconds) * 1_000_000_000;
            if is_counter {
                (stretch.at.plus_ns(ns), Reading::Counter(stretch.value.last as u64))
            } else {
                (stretch.at.plus_ns(ns / 2), Reading::Gauge(stretch.value.mean))
            }
        });
        rolled.chain(self.points.iter().cloned()).collect()
    }
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let reader = list::open_history(&place::paths(places)?.data_dir)?;
    let wanted = wanted(reader.series()?, arguments)?;
    let Some(metric) = &arguments.metric else {
        names(places, arguments.csv, &wanted);
        return Ok(ExitCode::SUCCESS);
    };
    if wanted.is_empty() {
        return Err(Failure::new(format!(
            "nothing of the name `{}` and these labels is measured",
            output::escaped(metric)
        ))
        .hint("`ghostd history` lists what is"));
    }
    let now = clock::wall();
    let since = when::parse(&arguments.since, now)?;
    let until = when::parse_given(arguments.until.as_deref(), now)?;
    let tracks = tracks(&reader, wanted, &Span { since: Some(since), until, limit: MAX_ROWS })?;
    if places.json {
        output::print_json(&tracks.iter().map(as_json).collect::<Vec<_>>());
    } else if arguments.csv {
        csv(&tracks);
    } else {
        plots(&tracks, since, until.unwrap_or(now));
    }
    Ok(ExitCode::SUCCESS)
}

fn wanted(mut series: Vec<Series>, arguments: &Arguments) -> Result<Vec<Series>, Failure> {
    let mut labels = Vec::new();
    for text in &arguments.labels {
        let pair = text
            .split_once('=')
            .ok_or_else(|| Failure::new(format!("--label `{}` is no label (try mount=/)", output::escaped(text))))?;
        labels.push(pair);
    }
    series.retain(|one| {
        arguments.metric.as_ref().is_none_or(|metric| one.name == *metric)
            && arguments.collector.as_ref().is_none_or(|collector| one.collector == *collector)
            && labels.iter().all(|(key, value)| one.labels.get(*key).is_some_and(|found| found.to_string() == *value))
    });
    Ok(series)
}

/// What there is, by name.
fn names(places: &Places, csv: bool, series: &[Series]) {
    if places.json {
        output::print_json(&series);
        return;
    }
    if csv {
        output::line("metric,collector,unit,labels");
        for one in series {
            let labels = labels(one);
            output::line([&one.name, &one.collector, &one.unit, &labels].map(|text| quoted(text)).join(","));
        }
        return;
    }
    let mut by_name: BTreeMap<(&str, &str, &str), Vec<&Series>> = BTreeMap::new();
    for one in series {
        by_name.entry((&one.name, &one.collector, &one.unit)).or_default().push(one);
    }
    if by_name.is_empty() {
        output::complain("nothing was measured yet");
        return;
    }
    let mut table = output::Table::new(&["METRIC", "COLLECTOR", "UNIT", "SERIES", "LABELS"]);
    for ((name, collector, unit), all) in by_name {
        let keys: Vec<&str> =
            all.first().map(|one| one.labels.keys().map(String::as_str).collect()).unwrap_or_default();
        table.row([name.to_owned(), collector.to_owned(), unit.to_owned(), all.len().to_string(), keys.join(" ")]);
    }
    table.print();
}

/// The points of each series, one query for each collector.
fn tracks(reader: &Reader, wanted: Vec<Series>, span: &Span) -> Result<Vec<Track>, Failure> {
    let mut ids: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for one in &wanted {
        ids.entry(one.collector.clone()).or_default().push(one.id);
    }
    let mut points: BTreeMap<u32, Vec<(Wall, Reading)>> = BTreeMap::new();
    for (collector, ids) in ids {
        for (at, id, reading) in reader.points(&collector, &ids, span)? {
            points.entry(id).or_default().push((at, reading));
        }
    }
    let mut track = |series: Series| -> Result<Track, Failure> {
        let points = points.remove(&series.id).unwrap_or_default();
        // Only what is before the first reading is asked for in stretches: each asks for all the readings again.
        let until = points.first().map(|(at, _)| at.plus_ns(-1)).or(span.until);
        let mut rolled = reader.metric_history(&series.collector, series.id, &Span { until, ..*span })?;
        rolled.retain(|stretch| stretch.width_seconds > 0);
        Ok(Track { series, rolled, points })
    };
    wanted.into_iter().map(&mut track).collect()
}

fn labels(series: &Series) -> String {
    series.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Everything as it is kept: minutes and hours with their figures, then each reading.
fn as_json(track: &Track) -> Json {
    let Track { series, rolled, points } = track;
    let rolled = rolled.iter().map(|stretch| serde_json::to_value(stretch).unwrap_or_default());
    let points = points.iter().map(|(at, reading)| {
        let mut point = json!({ "at": at });
        if let (Json::Object(point), Ok(Json::Object(reading))) = (&mut point, serde_json::to_value(reading)) {
            point.extend(reading);
        }
        point
    });
    json!({
        "metric": series.name, "collector": series.collector, "unit": series.unit, "labels": series.labels,
        "points": rolled.chain(points).collect::<Vec<_>>(),
    })
}

/// One row for each point. The value of a stretch of time (`seconds` is not 0) is its mean, or the last total; a
/// distribution is given by its sum and what it counted.
fn csv(tracks: &[Track]) {
    output::line("time,seconds,metric,collector,unit,labels,kind,value,min,max,count");
    for track in tracks {
        let Track { series, rolled, points } = track;
        let names = [&series.name, &series.collector, &series.unit, &labels(series)].map(|text| quoted(text)).join(",");
        for HistoryPoint { at, width_seconds, value } in rolled {
            let (kind, figure) = if track.is_counter() { ("counter", value.last) } else { ("gauge", value.mean) };
            let (min, max, count) = (value.min, value.max, value.count);
            output::line(format!("{at},{width_seconds},{names},{kind},{figure},{min},{max},{count}"));
        }
        for (at, reading) in points {
            let read = match reading {
                Reading::Gauge(value) => format!("gauge,{value},,,"),
                Reading::Counter(total) => format!("counter,{total},,,"),
                Reading::Histogram(histogram) => format!("histogram,{},,,{}", histogram.sum, histogram.count),
            };
            output::line(format!("{at},0,{names},{read}"));
        }
    }
}

/// A field of RFC 4180. What a spreadsheet would run as a formula is kept from being one.
fn quoted(text: &str) -> String {
    let clean = output::escaped(text);
    let is_formula = clean.starts_with(['=', '+', '-', '@']);
    let clean = if is_formula { format!("'{clean}") } else { clean };
    if clean.contains([',', '"']) { format!("\"{}\"", clean.replace('"', "\"\"")) } else { clean }
}

fn plots(tracks: &[Track], since: Wall, until: Wall) {
    let width = plot::terminal_width();
    let drawn = tracks.iter().filter(|track| !(track.points.is_empty() && track.rolled.is_empty()));
    for (number, track) in drawn.clone().take(MAX_PLOTS).enumerate() {
        if number > 0 {
            output::line("");
        }
        let (points, unit) = curve(track);
        output::line(heading(track, &points, &unit));
        let line = Line { points, since: since.max(earliest(track)), until };
        for row in plot::draw(&line, width, |value| amount(value, &unit), output::local) {
            output::line(row);
        }
    }
    match drawn.count() {
        0 => output::complain("no points since then"),
        count if count > MAX_PLOTS => {
            output::complain(&format!("{} series more: choose with --label KEY=VALUE", count - MAX_PLOTS));
        }
        _ => {}
    }
}

/// Where the drawing begins: a day's axis for the points of a minute would hide them.
fn earliest(track: &Track) -> Wall {
    let rolled = track.rolled.first().map(|stretch| stretch.at);
    rolled.or(track.points.first().map(|(at, _)| *at)).unwrap_or(Wall(i64::MIN))
}

fn heading(track: &Track, points: &[(Wall, f64)], unit: &str) -> String {
    let Track { series, .. } = track;
    let labels = labels(series);
    let braced = if labels.is_empty() { String::new() } else { format!(" {{{labels}}}") };
    let finite: Vec<f64> = points.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).collect();
    let figures = match finite.last() {
        None => "no figures".to_owned(),
        Some(last) => {
            let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
            let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mean = finite.iter().sum::<f64>() / finite.len() as f64;
            let [low, mean, high, last] = [low, mean, high, *last].map(|value| amount(value, unit));
            format!("min {low}, mean {mean}, max {high}, last {last}, {} points", finite.len())
        }
    };
    output::escaped(&format!("{}{braced} ({}): {figures}", series.name, series.collector))
}

/// What is drawn of a series, and its unit: a gauge as it is, a counter by its rate in a second, a distribution by
/// its mean since the point before. Where a total went down it began anew, and nothing is known of that span.
fn curve(track: &Track) -> (Vec<(Wall, f64)>, String) {
    let unit = &track.series.unit;
    let mut curve = Vec::new();
    let mut is_rate = false;
    let mut before: Option<(Wall, &Reading)> = None;
    let readings = track.readings();
    for (at, reading) in &readings {
        match (reading, before) {
            (Reading::Gauge(value), _) => curve.push((*at, *value)),
            (Reading::Counter(now), earlier) => {
                is_rate = true;
                if let Some((then, Reading::Counter(was))) = earlier
                    && now >= was
                    && *at > then
                {
                    curve.push((*at, (now - was) as f64 / ((at.0 - then.0) as f64 / 1e9)));
                }
            }
            (Reading::Histogram(now), Some((_, Reading::Histogram(was)))) if now.count > was.count => {
                curve.push((*at, (now.sum - was.sum) / (now.count - was.count) as f64));
            }
            (Reading::Histogram(_), _) => {}
        }
        before = Some((*at, reading));
    }
    (curve, if is_rate { format!("{unit}/s") } else { unit.clone() })
}

/// A value with its unit, in three or four figures.
fn amount(value: f64, unit: &str) -> String {
    if let Some(rest) = unit.strip_prefix("By") {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}{rest}", output::bytes(value.abs() as u64));
    }
    let size = value.abs();
    let text = match size {
        0.0 => "0".to_owned(),
        _ if size >= 1e15 => format!("{value:.3e}"),
        _ if size >= 1e9 => format!("{:.2} G", value / 1e9),
        _ if size >= 1e6 => format!("{:.2} M", value / 1e6),
        _ if size >= 1e4 => format!("{:.2} k", value / 1e3),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size >= 1e-3 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    };
    match unit {
        "" | "1" => text,
        "%" => format!("{text} %"),
        // A count of things, in UCUM: `{process}`.
        unit => format!("{text} {}", unit.trim_matches(['{', '}'])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Histogram;

    fn track(unit: &str, points: Vec<(i64, Reading)>) -> Track {
        let series = Series {
            id: 1,
            collector: "metric".to_owned(),
            name: "m".to_owned(),
            unit: unit.to_owned(),
            labels: [("mount".to_owned(), "/".into())].into(),
        };
        Track {
            series,
            rolled: Vec::new(),
            points: points.into_iter().map(|(s, reading)| (Wall(s * 1_000_000_000), reading)).collect(),
        }
    }

    fn values(track: &Track) -> Vec<f64> {
        curve(track).0.into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn a_counter_is_drawn_by_its_rate_and_a_restart_is_no_rate() {
        let counts = [(0, 100), (10, 200), (20, 50), (30, 80)].map(|(at, count)| (at, Reading::Counter(count)));
        let track = track("By", counts.to_vec());
        assert_eq!(values(&track), [10.0, 3.0]);
        assert_eq!(curve(&track).1, "By/s");
    }

    #[test]
    fn a_distribution_is_drawn_by_the_mean_of_what_came() {
        let reading = |sum, count| Reading::Histogram(Histogram { buckets: Vec::new(), sum, count });
        let track =
            track("s", vec![(0, reading(1.0, 1)), (1, reading(7.0, 3)), (2, reading(7.0, 3)), (3, reading(0.5, 1))]);
        assert_eq!(values(&track), [3.0]);
    }

    #[test]
    fn labels_choose_and_what_is_no_label_is_refused() {
        let arguments = |labels: &[&str]| Arguments {
            metric: Some("m".to_owned()),
            since: SHOWN.to_owned(),
            until: None,
            labels: labels.iter().map(|text| (*text).to_owned()).collect(),
            collector: None,
            csv: false,
        };
        let chosen =
            |labels: &[&str]| wanted(vec![track("", Vec::new()).series], &arguments(labels)).map(|found| found.len());
        assert_eq!(chosen(&[]).unwrap(), 1);
        assert_eq!(chosen(&["mount=/"]).unwrap(), 1);
        assert_eq!(chosen(&["mount=/home"]).unwrap(), 0);
        assert!(chosen(&["mount"]).unwrap_err().to_string().contains("no label"));
    }

    #[test]
    fn a_field_is_a_field_and_no_formula() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=cmd()"), "'=cmd()");
        assert_eq!(quoted("a\nb"), "a\\u{a}b");
    }

    #[test]
    fn amounts_are_short_and_have_units() {
        let texts =
            [(12.345, "%"), (0.0, "1"), (1_500_000.0, "By/s"), (3.0, "{process}"), (-0.00001, "s"), (45_678.0, "")];
        let shown: Vec<String> = texts.iter().map(|(value, unit)| amount(*value, unit)).collect();
        assert_eq!(shown, ["12.35 %", "0", "1.5 MB/s", "3.00 process", "-1.00e-5 s", "45.68 k"]);
    }
}
