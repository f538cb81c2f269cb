//! An example collector: who listens on this machine, and what is new there.
//!
//! `[collector.ports] grant = ["sockets"]`. What listens at the first call is taken for granted. From then on what
//! opened within `new_for_hours` is shown as new, and one that the network can reach is a finding. With `allow`, each
//! that the network can reach and that the list does not name is a finding for as long as it is there.

use std::collections::{BTreeMap, BTreeSet};

use ghostd_sdk::host::sockets::{self, Listener};
use ghostd_sdk::{Collector, Descriptor, Failure, Finding, Invocation, Metric, Section, Severity, host};
use serde::{Deserialize, Serialize};

const SECTION: &str = "ports";
const STATE: &str = "first_seen";
const HOUR_MS: i64 = 3_600_000;

/// Listeners in the body; more are counted.
const MAX_SHOWN: usize = 500;

/// What may be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What may be reached: `tcp:22`, or `tcp:22:sshd` for that program alone.
    allow: Option<BTreeSet<String>>,
    /// For how long one that opened is new.
    new_for_hours: i64,
    /// Whether Unix sockets are shown.
    unix: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { allow: None, new_for_hours: 24, unix: false }
    }
}

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
  "allow":{"type":"array","items":{"type":"string","pattern":"^(tcp|udp):[0-9]+(:.+)?$"}},
  "new_for_hours":{"type":"integer","minimum":1,"maximum":8760},
  "unix":{"type":"boolean"}}}"#;

/// One that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Shown {
    protocol: String,
    address: String,
    /// Whether it is bound to more than the machine itself.
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    new: bool,
}

#[derive(Debug, Serialize)]
struct Body {
    count: usize,
    reachable: usize,
    listeners: Vec<Shown>,
    /// What listened at the last call and does not any more.
    gone: Vec<String>,
}

/// The collector.
#[derive(Debug)]
pub struct Ports;

impl Collector for Ports {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("ports", env!("CARGO_PKG_VERSION"), "Who listens on this machine, and what is new there.")
            .section(SECTION)
            .config_schema(SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        let listeners = sockets::listening()?;
        let before: Option<BTreeMap<String, i64>> = host::state::load(STATE);
        let (section, after) = judge(listeners, before, &config, call.now_ms)?;
        host::state::store(STATE, &after)?;
        Ok(vec![section])
    }
}

ghostd_sdk::export!(Ports);

/// What is seen, and what is to be remembered: when each was seen first; 0 for what was there at the first call.
fn judge(
    listeners: Vec<Listener>,
    before: Option<BTreeMap<String, i64>>,
    config: &Config,
    now_ms: i64,
) -> Result<(Section, BTreeMap<String, i64>), Failure> {
    let first_call = before.is_none();
    let before = before.unwrap_or_default();
    let mut after = BTreeMap::new();
    let (mut shown, mut findings) = (Vec::new(), Vec::new());
    let unowned = listeners.iter().filter(|one| one.pid.is_none() && one.protocol != "unix").count();
    for one in listeners.into_iter().filter(|one| config.unix || one.protocol != "unix") {
        let key = key(&one);
        let first = before.get(&key).copied().unwrap_or(if first_call { 0 } else { now_ms });
        // Two sockets can share an address: workers of one program.
        if after.insert(key.clone(), first).is_some() {
            continue;
        }
        let new = first != 0 && now_ms - first < config.new_for_hours * HOUR_MS;
        let reachable = is_reachable(&one);
        if reachable && let Some(why) = unwanted(&one, new, config) {
            let owner = one.process.as_deref().unwrap_or("an unknown process");
            let title = format!("{owner} listens on {} {}{why}", one.protocol, one.address);
            let severity = if config.allow.is_some() { Severity::Medium } else { Severity::Low };
            findings
                .push(Finding::new(&format!("ports:{key}"), severity, title).source(key).seen(first.max(1), now_ms));
        }
        shown.push(Shown {
            protocol: one.protocol,
            address: one.address,
            reachable,
            pid: one.pid,
            process: one.process,
            uid: one.uid,
            new,
        });
    }
    let gone: Vec<String> = before.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
    let (count, reachable) = (shown.len(), shown.iter().filter(|one| one.reachable).count());
    shown.truncate(MAX_SHOWN);
    let mut section = Section::new(SECTION, "example.ports/1")
        .body(&Body { count, reachable, listeners: shown, gone })?
        .metric(Metric::gauge("ports.listening", "{socket}", count as f64))
        .metric(Metric::gauge("ports.reachable", "{socket}", reachable as f64))
        .findings(findings);
    if unowned > 0 {
        section = section.warn(format!("the owner of {unowned} sockets cannot be seen (ghostd does not run as root)"));
    }
    Ok((section, after))
}

fn key(one: &Listener) -> String {
    format!("{} {} {}", one.protocol, one.address, one.process.as_deref().unwrap_or("?"))
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}

fn is_reachable(one: &Listener) -> bool {
    one.protocol != "unix" && !one.address.starts_with("127.") && !one.address.starts_with("[::1]")
}

/// Why it is a finding, if it is one.
fn unwanted(one: &Listener, new: bool, config: &Config) -> Option<&'static str> {
    let Some(allow) = &config.allow else { return new.then_some(", since recently") };
    let bare = format!("{}:{}", one.protocol.trim_end_matches('6'), port(&one.address));
    let with_name = format!("{bare}:{}", one.process.as_deref().unwrap_or("?"));
    (!allow.contains(&bare) && !allow.contains(&with_name)).then_some(", which `allow` does not name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghostd_sdk::fake;

    fn listener(protocol: &str, address: &str, process: &str) -> Listener {
        Listener {
            protocol: protocol.to_owned(),
            address: address.to_owned(),
            pid: Some(1),
            process: Some(process.to_owned()),
            uid: Some(0),
        }
    }

    #[test]
    fn what_opens_later_is_new_for_a_day() {
        let mut host = fake::Host::new();
        let mut call = fake::invocation(&[SECTION]);
        let ssh = listener("tcp", "0.0.0.0:22", "sshd");
        host.sockets = Ok(vec![ssh.clone()]);
        let first = host.collect::<Ports>(&call, "{}").unwrap().remove(0);
        assert!(first.findings.is_empty() && !first.body.contains("\"new\""), "{first:?}");

        host.sockets =
            Ok(vec![ssh.clone(), listener("tcp6", "[::]:4444", "nc"), listener("tcp", "127.0.0.1:5432", "pg")]);
        call.now_ms += 1000;
        let second = host.collect::<Ports>(&call, "{}").unwrap().remove(0);
        assert_eq!(second.findings.len(), 1, "what only this machine can reach is no finding");
        assert_eq!(second.findings[0].title, "nc listens on tcp6 [::]:4444, since recently");

        call.now_ms += 25 * HOUR_MS;
        assert!(host.collect::<Ports>(&call, "{}").unwrap()[0].findings.is_empty());
        host.sockets = Ok(vec![ssh]);
        let last = host.collect::<Ports>(&call, "{}").unwrap().remove(0);
        assert!(last.body.contains(r#""gone":["tcp 127.0.0.1:5432 pg","tcp6 [::]:4444 nc"]"#), "{}", last.body);
    }

    #[test]
    fn a_list_of_what_is_allowed_is_by_port_or_by_program() {
        let mut host = fake::Host::new();
        host.sockets = Ok(vec![
            listener("tcp", "0.0.0.0:22", "sshd"),
            listener("tcp6", "[::]:80", "nginx"),
            listener("tcp", "10.0.0.1:80", "python3"),
        ]);
        let call = fake::invocation(&[SECTION]);
        let config = r#"{"allow":["tcp:22","tcp:80:nginx"]}"#;
        let section = host.collect::<Ports>(&call, config).unwrap().remove(0);
        let titles: Vec<&str> = section.findings.iter().map(|finding| finding.title.as_str()).collect();
        assert_eq!(titles, ["python3 listens on tcp 10.0.0.1:80, which `allow` does not name"]);
    }

    #[test]
    fn owners_that_cannot_be_seen_are_said() {
        let mut host = fake::Host::new();
        host.sockets = Ok(vec![Listener { pid: None, process: None, ..listener("udp", "0.0.0.0:68", "") }]);
        let section = host.collect::<Ports>(&fake::invocation(&[SECTION]), "{}").unwrap().remove(0);
        assert!(section.warnings[0].starts_with("the owner of 1 sockets"), "{:?}", section.warnings);
    }
}
