//! `ghostd collector list`: what is configured or dropped in, and how each is doing.

use std::process::ExitCode;

use super::super::{Failure, Place, Places, output, status};
use crate::config::{self, Config};
use crate::control::{Answer, Request};
use crate::dropins;
use crate::model::CollectorHealth;
use crate::wiring;

pub(super) fn run(places: &Places) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let config = &place.loaded.config;
    let drop_ins = dropins::list(&config.drop_ins.dir).map_err(Failure::new)?;
    let health: Vec<CollectorHealth> = match status::request(places, &Request::Status) {
        Ok(Answer::Status(status)) => status.collectors,
        // No daemon runs: what is configured is still worth listing.
        _ => Vec::new(),
    };
    let wanted = wiring::wanted(config, &drop_ins);
    let all: Vec<&config::Collector> =
        config.collectors.values().filter(|one| !one.enabled).chain(wanted.values()).collect();
    if places.json {
        let rows: Vec<_> = all
            .iter()
            .map(|one| {
                serde_json::json!({
                    "name": one.name, "enabled": one.enabled, "source": wiring::origin(&one.source).to_string(),
                    "every": every(one, config), "grant": one.grant.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
                    "health": health.iter().find(|health| health.name == one.name),
                })
            })
            .collect();
        output::print_json(&rows);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table =
        output::Table::new(&["NAME", "STATE", "EVERY", "P50", "P95", "MEMORY", "DENIED", "SOURCE", "GRANTS"]);
    for one in all {
        let health = health.iter().find(|health| health.name == one.name);
        let figure = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let state = match health {
            Some(health) => health.status.as_str().to_owned(),
            None if one.enabled => "enabled".to_owned(),
            None => "off".to_owned(),
        };
        table.row([
            one.name.clone(),
            state,
            every(one, config),
            figure(health.map(|health| format!("{:.1} ms", health.p50_ms))),
            figure(health.map(|health| format!("{:.1} ms", health.p95_ms))),
            figure(health.map(|health| output::bytes(health.peak_memory_bytes))),
            figure(health.map(|health| health.denied_calls.to_string())),
            wiring::origin(&one.source).to_string(),
            one.grant.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" "),
        ]);
    }
    table.print();
    for health in health.iter().filter(|health| health.error.is_some()) {
        output::line(format!("{}: {}", health.name, output::escaped(health.error.as_deref().unwrap_or_default())));
    }
    Ok(ExitCode::SUCCESS)
}

fn every(collector: &config::Collector, config: &Config) -> String {
    config::format_duration(collector.every.interval(config))
}
