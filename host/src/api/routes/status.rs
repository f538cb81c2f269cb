//! How everything is now.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::api::operation::{Answered, Ask, Does, Doing, Operation, schema_of};
use crate::api::reply::Reply;
use crate::control;
use crate::model::{Scope, Severity, Wall};
use crate::store::{Entry, Source as _};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    method: "GET",
    path: "/api/v1/status",
    scope: Some(Scope::Read),
    summary: "How the machine and ghostd are now: the last heartbeat with its verdict, open findings, conditions",
    params: &[],
    body: None,
    answer: Answered::Json(schema_of::<Status>),
    does: Does::Order(status),
}];

/// How everything is.
#[derive(Debug, Serialize, JsonSchema)]
struct Status {
    /// When this was asked, by the machine's clock.
    now: Wall,
    /// The last snapshot as the list has it.
    last_snapshot_entry: Option<Entry>,
    /// How many findings are open.
    open_findings: OpenFindings,
    /// How many alerts fire.
    firing_alerts: usize,
    /// The daemon's word on itself.
    #[serde(flatten)]
    daemon: control::Status,
}

/// Open findings by severity.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct OpenFindings {
    low: u64,
    medium: u64,
    high: u64,
    critical: u64,
}

fn status(ask: Ask, _: Json) -> Doing {
    Box::pin(async move {
        let daemon = ask.shared.status().await?;
        let last = daemon.last_snapshot;
        let (entry, open_findings, firing_alerts) = ask
            .shared
            .readers
            .read(move |reader| {
                let entry = match last {
                    Some(id) => reader.entry(id)?,
                    None => reader.list(&crate::store::Filter { limit: Some(1), ..Default::default() })?.pop(),
                };
                let mut open = OpenFindings::default();
                // Resolved ones are not asked for.
                for stored in reader.findings(Wall(i64::MAX))? {
                    *match stored.finding.severity {
                        Severity::Low => &mut open.low,
                        Severity::Medium => &mut open.medium,
                        Severity::High => &mut open.high,
                        Severity::Critical => &mut open.critical,
                    } += 1;
                }
                Ok((entry, open, super::alerts::read(reader)?.firing().count()))
            })
            .await?;
        let daemon = control::Status::clone(&daemon);
        Reply::json(&Status { now: ask.now.wall, last_snapshot_entry: entry, open_findings, firing_alerts, daemon })
    })
}
