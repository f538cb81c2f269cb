//! An example collector: the units of systemd that failed, and those that it keeps restarting.
//!
//! `[collector.units] grant = ["units"]`.

use std::collections::{BTreeMap, BTreeSet};

use ghostd_sdk::host::units::{self, Unit};
use ghostd_sdk::{Collector, Descriptor, Failure, Finding, Invocation, Metric, Section, Severity, host};
use serde::{Deserialize, Serialize};

const SECTION: &str = "units";
const STATE: &str = "restarts";

/// Starts that are remembered per unit.
const MAX_REMEMBERED: usize = 32;

/// What may be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Units that are nobody's business, by their whole names.
    ignore: BTreeSet<String>,
    /// So many restarts within `window_seconds` are a finding.
    restarts: usize,
    /// See `restarts`.
    window_seconds: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self { ignore: BTreeSet::new(), restarts: 3, window_seconds: 3600 }
    }
}

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
  "ignore":{"type":"array","items":{"type":"string"}},
  "restarts":{"type":"integer","minimum":1,"maximum":32},
  "window_seconds":{"type":"integer","minimum":1,"maximum":604800}}}"#;

/// What is known of one unit: its counter, and when it was seen to grow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    counter: u64,
    at_ms: Vec<i64>,
}

#[derive(Debug, Serialize)]
struct Failed {
    name: String,
    description: String,
    sub_state: String,
}

#[derive(Debug, Serialize)]
struct Restarted {
    name: String,
    /// Since the manager counts.
    restarts: u64,
    /// Within the window.
    recent: usize,
}

#[derive(Debug, Serialize)]
struct Body {
    /// Units by their active state.
    states: BTreeMap<String, usize>,
    failed: Vec<Failed>,
    restarted: Vec<Restarted>,
}

/// The collector.
#[derive(Debug)]
pub struct Units;

impl Collector for Units {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("units", env!("CARGO_PKG_VERSION"), "Units of systemd that failed or are restarted.")
            .section(SECTION)
            .config_schema(SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        // A machine without systemd is no fault of anybody's: the failure says so, and nothing is stored.
        let all = units::all()?;
        let mut known: BTreeMap<String, Known> = host::state::load(STATE).unwrap_or_default();
        let section = judge(&all, &mut known, &config, call.now_ms)?;
        host::state::store(STATE, &known)?;
        Ok(vec![section])
    }
}

ghostd_sdk::export!(Units);

fn judge(all: &[Unit], known: &mut BTreeMap<String, Known>, config: &Config, now_ms: i64) -> Result<Section, Failure> {
    let since = now_ms - config.window_seconds * 1000;
    let mut states = BTreeMap::new();
    let (mut failed, mut restarted, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    for unit in all {
        *states.entry(unit.active_state.clone()).or_insert(0) += 1;
        if config.ignore.contains(&unit.name) {
            continue;
        }
        if unit.active_state == "failed" {
            let title = format!("{} has failed: {}", unit.name, unit.description);
            findings.push(
                Finding::new(&format!("units:failed:{}", unit.name), Severity::High, title).source(unit.name.clone()),
            );
            failed.push(Failed {
                name: unit.name.clone(),
                description: unit.description.clone(),
                sub_state: unit.sub_state.clone(),
            });
        }
        let Some(counter) = unit.restarts else { continue };
        let one = known.entry(unit.name.clone()).or_insert_with(|| Known { counter, at_ms: Vec::new() });
        // A counter that went back was reset (`systemctl reset-failed`, a boot).
        let grown = if counter >= one.counter { counter - one.counter } else { counter };
        one.at_ms
            .extend(std::iter::repeat_n(now_ms, usize::try_from(grown).unwrap_or(MAX_REMEMBERED).min(MAX_REMEMBERED)));
        one.counter = counter;
        one.at_ms.retain(|at| *at > since);
        let excess = one.at_ms.len().saturating_sub(MAX_REMEMBERED);
        one.at_ms.drain(..excess);
        let recent = one.at_ms.len();
        if recent > 0 {
            restarted.push(Restarted { name: unit.name.clone(), restarts: counter, recent });
        }
        if recent >= config.restarts {
            let title = format!("{} was restarted {recent} times within {} s", unit.name, config.window_seconds);
            findings.push(
                Finding::new(&format!("units:restarts:{}", unit.name), Severity::Medium, title)
                    .source(unit.name.clone())
                    .count(recent as u64),
            );
        }
    }
    known.retain(|name, _| all.iter().any(|unit| unit.name == *name));
    let (failed_count, total) = (failed.len() as f64, all.len() as f64);
    Ok(Section::new(SECTION, "example.units/1")
        .body(&Body { states, failed, restarted })?
        .metric(Metric::gauge("units.failed", "{unit}", failed_count))
        .metric(Metric::gauge("units.loaded", "{unit}", total))
        .findings(findings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghostd_sdk::{Error, fake};

    fn unit(name: &str, state: &str, restarts: u64) -> Unit {
        Unit {
            name: name.to_owned(),
            description: "Something".to_owned(),
            load_state: "loaded".to_owned(),
            active_state: state.to_owned(),
            sub_state: state.to_owned(),
            restarts: Some(restarts),
            main_pid: None,
        }
    }

    #[test]
    fn a_failed_unit_is_a_finding_unless_it_is_ignored() {
        let mut host = fake::Host::new();
        host.units = Ok(vec![unit("a.service", "failed", 0), unit("b.service", "failed", 0)]);
        let call = fake::invocation(&[SECTION]);
        let section = host.collect::<Units>(&call, r#"{"ignore":["b.service"]}"#).unwrap().remove(0);
        assert_eq!(section.findings.len(), 1);
        assert_eq!(section.findings[0].title, "a.service has failed: Something");
        assert!(section.body.contains(r#""states":{"failed":2}"#), "{}", section.body);
    }

    #[test]
    fn restarts_count_from_when_we_look_and_for_as_long_as_the_window() {
        let mut host = fake::Host::new();
        let mut call = fake::invocation(&[SECTION]);
        let mut look = |restarts: u64, later_ms: i64| {
            host.units = Ok(vec![unit("a.service", "active", restarts)]);
            call.now_ms += later_ms;
            host.collect::<Units>(&call, "{}").unwrap().remove(0).findings.len()
        };
        assert_eq!(look(90, 0), 0, "what was before is nobody's news");
        assert_eq!(look(92, 1000), 0);
        assert_eq!(look(93, 1000), 1);
        assert_eq!(look(93, 3_600_000), 0, "an hour later it is over");
        assert_eq!(look(1, 1000), 0, "a counter that starts anew has grown by one");
    }

    #[test]
    fn a_machine_without_systemd_says_so() {
        let mut host = fake::Host::new();
        host.units = Err(Error::Unavailable("no systemd".to_owned()));
        let failure = host.collect::<Units>(&fake::invocation(&[SECTION]), "{}").unwrap_err();
        assert_eq!(failure, Failure::Unavailable("no systemd".to_owned()));
    }
}
