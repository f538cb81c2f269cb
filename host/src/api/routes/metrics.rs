//! What is measured, over time.

use schemars::JsonSchema;
use serde::Serialize;

use super::{POINTS, SINCE, UNTIL};
use crate::api::operation::{Answered, Ask, Does, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::query::{Kind, Param};
use crate::api::reply::Reply;
use crate::api::stretch::{self, Window};
use crate::model::Scope;
use crate::store::{HistoryPoint, Reader, Series, Summary};

const NAME: Param =
    Param { name: "name", kind: Kind::Text(200), what: "Of this metric, or beginning so where it ends in `*`." };
const COLLECTOR: Param = Param { name: "collector", kind: Kind::Text(64), what: "Of this collector." };

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/metrics",
        scope: Some(Scope::Read),
        summary: "Everything that is measured: one row for each metric and set of labels",
        params: &[NAME, COLLECTOR],
        body: None,
        answer: Answered::Json(schema_of::<AllSeries>),
        does: Does::Read(list),
    },
    Operation {
        method: "GET",
        path: "/api/v1/metrics/{series}",
        scope: Some(Scope::Read),
        summary: "One series over a while, oldest first, summed up into at most `points` stretches",
        params: &[SINCE, UNTIL, POINTS],
        body: None,
        answer: Answered::Json(schema_of::<History>),
        does: Does::Read(history),
    },
    Operation {
        method: "GET",
        path: "/metrics",
        scope: Some(Scope::Read),
        summary: "Everything that is measured now, for Prometheus: OpenMetrics where that is accepted",
        params: &[],
        body: None,
        answer: Answered::Other("text/plain"),
        does: Does::Scrape,
    },
];

/// Everything that is measured.
#[derive(Debug, Serialize, JsonSchema)]
struct AllSeries {
    /// By number.
    items: Vec<Series>,
}

/// A series over a while.
#[derive(Debug, Serialize, JsonSchema)]
struct History {
    /// What is measured.
    series: Series,
    /// Over everything that is told; null where nothing is.
    whole: Option<Summary>,
    /// The points, oldest first.
    items: Vec<HistoryPoint>,
}

fn list(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let (name, collector) = (ask.query.text("name"), ask.query.text("collector"));
    let mut items = reader.series()?;
    items.retain(|series| {
        name.is_none_or(|name| match name.strip_suffix('*') {
            Some(beginning) => series.name.starts_with(beginning),
            None => series.name == name,
        }) && collector.is_none_or(|collector| series.collector == collector)
    });
    Reply::json(&AllSeries { items })
}

fn history(ask: &Ask, reader: &Reader) -> Result<Reply, Problem> {
    let number = ask.path("series");
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = number
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| Problem::bad_request("bad_name", "a series is named by its number"))?;
    let series = reader.series()?.into_iter().find(|series| series.id == number);
    let series = series.ok_or_else(|| Problem::not_found(format!("there is no series {number}")))?;
    let window = Window::of(ask, 24)?;
    let points = reader.metric_history(&series.collector, number, &window.span())?;
    let whole = stretch::whole(&points);
    Reply::json(&History { series, whole, items: stretch::points(points, &window) })
}
