//! The collectors: how each is doing, and what it says.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::api::operation::{Answered, Ask, Does, Doing, Operation, schema_of};
use crate::api::problem::Problem;
use crate::api::reply::Reply;
use crate::control::{Answer, LogLine, Request};
use crate::model::{CollectorHealth, Scope};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/collectors",
        scope: Some(Scope::Read),
        summary: "Every collector: how it is doing, and how it is configured",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<Collectors>),
        does: Does::Order(list),
    },
    Operation {
        method: "GET",
        path: "/api/v1/collectors/{collector}",
        scope: Some(Scope::Read),
        summary: "One collector with its log",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<WithLog>),
        does: Does::Order(one),
    },
    Operation {
        method: "POST",
        path: "/api/v1/collectors/{collector}/resume",
        scope: Some(Scope::Operate),
        summary: "Ends a collector's quarantine",
        params: &[],
        body: None,
        answer: Answered::Json(schema_of::<super::Done>),
        does: Does::Order(resume),
    },
];

/// All collectors.
#[derive(Debug, Serialize, JsonSchema)]
struct Collectors {
    /// By name.
    items: Vec<Collector>,
}

/// A collector.
#[derive(Debug, Serialize, JsonSchema)]
struct Collector {
    /// How it is doing.
    #[serde(flatten)]
    health: CollectorHealth,
    /// Its settings: rows of the effective configuration below `collector.NAME`, with their origins.
    settings: Vec<Json>,
}

/// A collector with its log.
#[derive(Debug, Serialize, JsonSchema)]
struct WithLog {
    /// The collector.
    #[serde(flatten)]
    collector: Collector,
    /// Its last log lines, oldest first.
    log: Vec<LogLine>,
}

fn with_settings(config: &Json, health: CollectorHealth) -> Collector {
    let below = format!("collector.{}.", health.name);
    let is_its = |row: &&Json| row["key"].as_str().is_some_and(|key| key.starts_with(&below));
    let settings = config.as_array().into_iter().flatten().filter(is_its).cloned().collect();
    Collector { health, settings }
}

fn list(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let (status, config) = (ask.shared.status().await?, ask.shared.config());
        let items = status.collectors.iter().map(|health| with_settings(&config, health.clone())).collect();
        Reply::json(&Collectors { items })
    })
}

fn one(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let (status, config) = (ask.shared.status().await?, ask.shared.config());
        let health = known(&status, ask.path("collector"))?.clone();
        let log = match ask.shared.ask_loop(Request::CollectorLog { name: health.name.clone() }).await? {
            Answer::Log { lines } => lines,
            _ => return Err(super::odd_answer()),
        };
        Reply::json(&WithLog { collector: with_settings(&config, health), log })
    })
}

fn resume(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let status = ask.shared.status().await?;
        let name = known(&status, ask.path("collector"))?.name.clone();
        super::done(&ask, Request::CollectorResume { name }).await
    })
}

fn known<'s>(status: &'s crate::control::Status, name: &str) -> Result<&'s CollectorHealth, Problem> {
    let found = status.collectors.iter().find(|health| health.name == name);
    found.ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        Problem::not_found(format!("there is no collector `{name}`"))
    })
}
