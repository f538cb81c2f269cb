//! Metrics as Prometheus reads them.
//!
//! ```text
//! names   OpenTelemetry's names and units to Prometheus's: `system.memory.usage` in `By` is `ghost_system_memory_usage_bytes`
//! page    families with their points, each once, bounded; written as OpenMetrics or as the older text form
//! own     what ghostd tells of itself and of the watched daemons
//! ```
//!
//! A page is made from the store once a heartbeat at most, and only while somebody scrapes; every other scrape is
//! answered from memory.

mod names;
mod own;
mod page;

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};

use super::problem::Problem;
use super::shared::Shared;
use crate::store::Reader;
use page::Page;

/// The form of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The form before it.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The last page.
#[derive(Debug, Default)]
pub(super) struct Exposition(Mutex<Option<Made>>);

#[derive(Debug)]
struct Made {
    /// Of which heartbeat.
    heartbeat: Option<u64>,
    at_ns: u64,
    openmetrics: Arc<Vec<u8>>,
    text: Arc<Vec<u8>>,
}

/// How long a page is good where there are no heartbeats.
const GOOD_FOR_NS: u64 = 5_000_000_000;

/// Answers a scrape: the type and the bytes.
pub(super) async fn scrape(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<(&'static str, Arc<Vec<u8>>), Problem> {
    let open = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accepted| accepted.contains("application/openmetrics-text"));
    let chosen = |made: &Made| {
        if open { (OPENMETRICS, Arc::clone(&made.openmetrics)) } else { (TEXT, Arc::clone(&made.text)) }
    };
    let status = shared.status().await?;
    let heartbeat = status.heartbeat.as_ref().map(|beat| beat.sequence);
    let now_ns = crate::clock::boottime_ns();
    if let Some(made) = &*shared.exposition.0.lock().unwrap_or_else(PoisonError::into_inner)
        && made.heartbeat == heartbeat
        && (heartbeat.is_some() || now_ns.saturating_sub(made.at_ns) < GOOD_FOR_NS)
    {
        return Ok(chosen(made));
    }
    let made = shared
        .readers
        .read(move |reader| {
            let page = compose(reader, &status)?;
            let (openmetrics, text) = (page.openmetrics().into_bytes(), page.text().into_bytes());
            Ok(Made { heartbeat, at_ns: now_ns, openmetrics: Arc::new(openmetrics), text: Arc::new(text) })
        })
        .await?;
    let answer = chosen(&made);
    *shared.exposition.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
    Ok(answer)
}

fn compose(reader: &Reader, status: &crate::control::Status) -> Result<Page, Problem> {
    let mut page = Page::default();
    own::of_daemon(&mut page, status);
    own::of_store(&mut page, reader)?;
    for stored in reader.sections()? {
        for metric in &stored.section.metrics {
            page.metric(&stored.collector, metric);
        }
    }
    page.finish();
    Ok(page)
}
