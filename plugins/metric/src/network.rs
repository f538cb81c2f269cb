//! Network interfaces, and sockets by kind and state.

use std::collections::BTreeMap;

use ghostd_sdk::Metric;
use ghostd_sdk::host::system::{ConnectionCounts, NetworkInterface};
use serde::Serialize;

use crate::rate::{Span, growth, per_second};

/// The most interfaces in the body, those with the most traffic; the others are counted. A host of
/// containers has hundreds.
pub(crate) const MAX_LISTED: usize = 64;
/// The most interfaces that get series of their own.
pub(crate) const MAX_SERIES: usize = 16;

/// What is kept for the next call: by name, the eight counters.
pub(crate) type Base = BTreeMap<String, Counters>;
/// Received bytes, packets, errors, drops; sent bytes, packets, errors, drops.
pub(crate) type Counters = [u64; 8];

/// One of `interfaces` in the body.
#[derive(Debug, Serialize)]
pub(crate) struct Body {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) received_bytes: u64,
    pub(crate) received_packets: u64,
    pub(crate) received_errors: u64,
    pub(crate) received_drops: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) sent_packets: u64,
    pub(crate) sent_errors: u64,
    pub(crate) sent_drops: u64,
    #[serde(flatten)]
    pub(crate) rates: Option<Rates>,
}

/// Over the span of the section.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Rates {
    pub(crate) received_bytes_per_second: f64,
    pub(crate) received_packets_per_second: f64,
    pub(crate) received_errors_per_second: f64,
    pub(crate) received_drops_per_second: f64,
    pub(crate) sent_bytes_per_second: f64,
    pub(crate) sent_packets_per_second: f64,
    pub(crate) sent_errors_per_second: f64,
    pub(crate) sent_drops_per_second: f64,
}

/// `connections` in the body.
#[derive(Debug, Serialize)]
pub(crate) struct Connections {
    /// All TCP sockets.
    pub(crate) tcp_total: u64,
    /// By state, in the kernel's words.
    pub(crate) tcp: BTreeMap<String, u64>,
    pub(crate) udp: u64,
    pub(crate) unix: u64,
}

/// What the next call compares with.
#[must_use]
pub(crate) fn base(interfaces: &[NetworkInterface]) -> Base {
    interfaces.iter().map(|interface| (interface.name.clone(), counters(interface))).collect()
}

/// The interfaces by name, and how many are left out.
#[must_use]
pub(crate) fn body(interfaces: &[NetworkInterface], base: Option<&Base>, span: Span) -> (Vec<Body>, usize) {
    let mut listed: Vec<&NetworkInterface> = interfaces.iter().collect();
    let omitted = listed.len().saturating_sub(MAX_LISTED);
    if omitted > 0 {
        listed
            .sort_by_key(|interface| std::cmp::Reverse(interface.received_bytes.saturating_add(interface.sent_bytes)));
        listed.truncate(MAX_LISTED);
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let rates = |interface: &NetworkInterface| {
        let seconds = span.seconds()?;
        let grown = growth(counters(interface), *base?.get(&interface.name)?)?;
        let [
            received_bytes,
            received_packets,
            received_errors,
            received_drops,
            sent_bytes,
            sent_packets,
            sent_errors,
            sent_drops,
        ] = grown.map(|grown| per_second(grown, seconds));
        Some(Rates {
            received_bytes_per_second: received_bytes,
            received_packets_per_second: received_packets,
            received_errors_per_second: received_errors,
            received_drops_per_second: received_drops,
            sent_bytes_per_second: sent_bytes,
            sent_packets_per_second: sent_packets,
            sent_errors_per_second: sent_errors,
            sent_drops_per_second: sent_drops,
        })
    };
    let listed = listed
        .into_iter()
        .map(|interface| Body {
            name: interface.name.clone(),
            state: interface.state.clone(),
            received_bytes: interface.received_bytes,
            received_packets: interface.received_packets,
            received_errors: interface.received_errors,
            received_drops: interface.received_drops,
            sent_bytes: interface.sent_bytes,
            sent_packets: interface.sent_packets,
            sent_errors: interface.sent_errors,
            sent_drops: interface.sent_drops,
            rates: rates(interface),
        })
        .collect();
    (listed, omitted)
}

/// OpenTelemetry's `system.network.*` of the busiest interfaces.
#[must_use]
pub(crate) fn metrics(interfaces: &[Body]) -> Vec<Metric> {
    let mut busiest: Vec<&Body> =
        interfaces.iter().filter(|body| body.received_packets + body.sent_packets > 0).collect();
    busiest.sort_by_key(|body| std::cmp::Reverse(body.received_bytes.saturating_add(body.sent_bytes)));
    let mut metrics = Vec::new();
    for body in busiest.into_iter().take(MAX_SERIES) {
        for (name, unit, received, sent) in [
            ("system.network.io", "By", body.received_bytes, body.sent_bytes),
            ("system.network.packet.count", "{packet}", body.received_packets, body.sent_packets),
            ("system.network.errors", "{error}", body.received_errors, body.sent_errors),
            ("system.network.packet.dropped", "{packet}", body.received_drops, body.sent_drops),
        ] {
            for (direction, value) in [("receive", received), ("transmit", sent)] {
                let point = Metric::counter(name, unit, value);
                let point = point.label("network.interface.name", body.name.as_str());
                metrics.push(point.label("network.io.direction", direction));
            }
        }
    }
    metrics
}

/// Sockets.
#[must_use]
pub(crate) fn connections(now: &ConnectionCounts) -> Connections {
    let tcp: BTreeMap<String, u64> = now.tcp.iter().cloned().collect();
    Connections { tcp_total: tcp.values().sum(), tcp, udp: now.udp, unix: now.unix }
}

/// OpenTelemetry's `system.network.connection.count`, whose states have underscores.
#[must_use]
pub(crate) fn connection_metrics(connections: &Connections) -> Vec<Metric> {
    let point = |transport: &str, count: u64| {
        Metric::gauge("system.network.connection.count", "{connection}", count as f64)
            .label("network.transport", transport)
    };
    let tcp = connections
        .tcp
        .iter()
        .map(|(state, count)| point("tcp", *count).label("network.connection.state", state.replace('-', "_")));
    tcp.chain([point("udp", connections.udp), point("unix", connections.unix)]).collect()
}

fn counters(interface: &NetworkInterface) -> Counters {
    [
        interface.received_bytes,
        interface.received_packets,
        interface.received_errors,
        interface.received_drops,
        interface.sent_bytes,
        interface.sent_packets,
        interface.sent_errors,
        interface.sent_drops,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, received_bytes: u64, sent_drops: u64) -> NetworkInterface {
        NetworkInterface {
            name: name.to_owned(),
            state: "up".to_owned(),
            received_bytes,
            received_packets: received_bytes / 100,
            sent_drops,
            ..Default::default()
        }
    }

    #[test]
    fn rates_are_since_the_base() {
        let before = base(&[interface("eth0", 1_000, 1)]);
        let (body, _) = body(&[interface("eth0", 11_000, 3)], Some(&before), Span::Seconds(4.0));
        let rates = body[0].rates.unwrap();
        assert_eq!((rates.received_bytes_per_second, rates.received_packets_per_second), (2_500.0, 25.0));
        assert_eq!((rates.sent_drops_per_second, rates.sent_bytes_per_second), (0.5, 0.0));
    }

    #[test]
    fn an_interface_that_came_up_anew_has_no_rates_yet() {
        let before = base(&[interface("wlan0", 1_000, 0)]);
        let (body, _) = body(&[interface("wlan0", 200, 0), interface("tun0", 1, 0)], Some(&before), Span::Seconds(4.0));
        assert!(body.iter().all(|body| body.rates.is_none()));
    }

    #[test]
    fn a_host_of_containers_lists_the_busiest() {
        let many: Vec<_> = (0..200).map(|n| interface(&format!("veth{n:03}"), n * 1_000, 0)).collect();
        let (body, omitted) = body(&many, None, Span::None);
        assert_eq!((body.len(), omitted, body[0].name.as_str()), (MAX_LISTED, 136, "veth136"));
        assert_eq!(metrics(&body).len(), MAX_SERIES * 8);
    }

    #[test]
    fn connections_by_state() {
        let now = ConnectionCounts {
            tcp: vec![("time-wait".to_owned(), 3), ("established".to_owned(), 4)],
            udp: 2,
            unix: 100,
        };
        let connections = connections(&now);
        assert_eq!(connections.tcp_total, 7);
        let points = connection_metrics(&connections);
        assert_eq!(points.len(), 4);
        assert_eq!(points[1].labels[1].value, "time_wait".into());
    }
}
