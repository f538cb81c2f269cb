//! The engine and the queue as they are used, and both against oracles that are too simple to be wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{
    Alert, AlertSeverity, AlertState, DaemonBeat, Finding, Heartbeat, Metric, Moment, Overall, OverallStatus, Reading,
    ReceiverHealth, Severity, Wall,
};

const S: u64 = 1_000_000_000;

/// So many seconds after the beginning, in one boot.
fn at(seconds: u64) -> Moment {
    in_boot(seconds, "boot-a")
}

fn in_boot(seconds: u64, boot: &str) -> Moment {
    Moment {
        wall: Wall(1_795_219_200_000_000_000).plus_ns((seconds * S) as i64),
        boottime_ns: (1_000 + seconds) * S,
        boot_id: boot.into(),
    }
}

fn rule(name: &str, when: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        when: Expression::parse(when, &["a", "b"]).unwrap(),
        clear_when: None,
        hold: Duration::ZERO,
        severity: AlertSeverity::High,
        labels: BTreeMap::new(),
        summary: None,
        repeat: None,
        group_by: vec!["rule".to_owned()],
        inhibited_by: vec![],
        on_no_data: OnNoData::Keep,
        receivers: vec!["ops".to_owned()],
    }
}

fn daemon(name: &str, status: &str) -> DaemonBeat {
    serde_json::from_value(serde_json::json!({"name": name, "status": status})).unwrap()
}

fn beat(daemons: &[(&str, &str)], offset: Option<f64>) -> Heartbeat {
    Heartbeat {
        sequence: 1,
        at: Wall(0),
        boottime_ns: 0,
        boot_id: "boot-a".to_owned(),
        interval_ms: 5_000,
        overall: Overall { status: OverallStatus::Unhealthy, reasons: vec![] },
        daemons: daemons.iter().map(|(name, status)| daemon(name, status)).collect(),
        clock_status: "synced".to_owned(),
        clock_offset_seconds: offset,
        uptime_seconds: 100.0,
        missed: 0,
    }
}

fn gauge(name: &str, labels: &[(&str, &str)], value: f64) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: String::new(),
        reading: Reading::Gauge(value),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
    }
}

fn finding(fingerprint: &str, severity: Severity) -> Finding {
    serde_json::from_value(serde_json::json!({
        "fingerprint": fingerprint, "severity": severity, "title": "t", "count": 1, "resolved": false,
    }))
    .unwrap()
}

/// Looks with a clock that is off by so much, or with no data.
fn look(engine: &mut Engine, offset: Option<f64>, now: &Moment) -> Step {
    let beat = beat(&[], offset);
    engine.look(&Facts { beat: Some(&beat), ..Facts::default() }, now)
}

fn told(step: &Step) -> Vec<(&str, TellingKind)> {
    step.tellings.iter().map(|one| (one.alert.id.as_str(), one.kind)).collect()
}

fn holds(when: &str, facts: &Facts<'_>) -> Option<bool> {
    Expression::parse(when, &["a", "b"]).unwrap().judge(facts, &Subject::new()).holds
}

#[test]
fn conditions_come_to_what_they_say() {
    let beat = beat(&[("a", "failed"), ("b", "running")], Some(-42.0));
    let metrics = [
        gauge("fs.use", &[("mount", "/"), ("kind", "ext4")], 0.5),
        gauge("fs.use", &[("mount", "/x"), ("kind", "ext4")], 0.97),
    ];
    let findings = [finding("f1", Severity::High), finding("f2", Severity::Low)];
    let section = SectionFacts { collector: "anomaly", metrics: &metrics, findings: &findings };
    let facts = Facts { beat: Some(&beat), sections: vec![section], ..Facts::default() };
    for (when, expected) in [
        ("clock.offset_seconds.abs > 30", Some(true)),
        ("clock.offset_seconds > 30", Some(false)),
        ("-clock.offset_seconds * 2 - 4 == 80", Some(true)),
        ("clock.offset_seconds / 0 > 1", None),
        ("overall >= \"degraded\" and overall < \"critical\"", Some(true)),
        ("daemon.failed_count >= 1", Some(true)),
        (r#"daemon("a").status == "failed""#, Some(true)),
        (r#"daemon("b").status =~ "fail.*|paused""#, Some(false)),
        (r#"daemon("b").memory_bytes > 1"#, None),
        (r#"daemon("b").memory_bytes > 1 or daemon("a").status == "failed""#, Some(true)),
        (r#"daemon("b").memory_bytes > 1 and daemon("a").status == "failed""#, None),
        (r#"daemon("b").memory_bytes > 1 and daemon("a").status == "running""#, Some(false)),
        (r#"not (daemon("b").memory_bytes > 1)"#, None),
        (r#"no_data(daemon("b").memory_bytes)"#, Some(true)),
        ("max(fs.use) > 90%", Some(true)),
        ("avg(fs.use) > 90%", Some(false)),
        (r#"max(fs.use{mount!="/x"}) > 90%"#, Some(false)),
        (r#"count(fs.use{kind=~"ext."}) == 2"#, Some(true)),
        ("max(no.such) > 1", None),
        ("findings().count == 2", Some(true)),
        ("findings(severity >= \"medium\").count > 1", Some(false)),
        ("findings(collector == \"anomaly\" and fingerprint == \"f1\").count == 1", Some(true)),
    ] {
        assert_eq!(holds(when, &facts), expected, "{when}");
    }
}

#[test]
fn findings_of_a_collector_that_does_not_answer_are_not_known_to_be_none() {
    let findings = [finding("f1", Severity::High)];
    let section = SectionFacts { collector: "anomaly", metrics: &[], findings: &findings };
    let facts = Facts { sections: vec![section], silent: vec!["patch"], ..Facts::default() };
    for (when, expected) in [
        ("findings().count > 0", Some(true)),
        ("findings().count > 1", None),
        ("findings().count < 1", Some(false)),
        ("findings().count == 1", None),
        ("1 <= findings().count", Some(true)),
        ("findings(collector == \"anomaly\").count > 1", Some(false)),
        ("findings(collector != \"patch\").count == 1", Some(true)),
        ("findings(collector == \"patch\").count > 0", None),
    ] {
        assert_eq!(holds(when, &facts), expected, "{when}");
    }
}

#[test]
fn each_series_is_an_alert_of_its_own() {
    let mut engine = Engine::new(vec![rule("full", "fs.use > 0.9")], vec![], vec![]);
    let metrics = |a: f64, b: f64| [gauge("fs.use", &[("mount", "/")], a), gauge("fs.use", &[("mount", "/x")], b)];
    let mut look = |metrics: &[Metric], seconds| {
        let section = SectionFacts { collector: "metric", metrics, findings: &[] };
        engine.look(&Facts { sections: vec![section], ..Facts::default() }, &at(seconds))
    };
    let step = look(&metrics(0.95, 0.5), 0);
    assert_eq!(step.tellings.len(), 1);
    let alert = &step.tellings[0].alert;
    assert_eq!(alert.subject, BTreeMap::from([("mount".to_owned(), "/".to_owned())]));
    assert_eq!(alert.summary, "full (mount=/): 0.95 > 0.9");
    assert_eq!(look(&metrics(0.95, 0.99), 5).tellings.len(), 1);
    // One is not measured any more: nobody says that it is well.
    let step = look(&metrics(0.5, 0.99)[1..], 10);
    assert!(step.tellings.is_empty());
    let step = look(&metrics(0.5, 0.99), 15);
    assert_eq!(step.tellings.len(), 1);
    assert_eq!(step.tellings[0].kind, TellingKind::Resolved);
}

#[test]
fn daemons_and_findings_that_are_gone_are_over() {
    let mut engine = Engine::new(
        vec![rule("down", r#"daemon("*").status == "failed""#), rule("bad", "finding(severity >= \"high\")")],
        vec![],
        vec![],
    );
    let mut look = |daemons: &[(&str, &str)], findings: &[Finding], silent: &[&'static str], seconds| {
        let beat = beat(daemons, None);
        let section = SectionFacts { collector: "c", metrics: &[], findings };
        let sections = if silent.is_empty() { vec![section] } else { vec![] };
        engine.look(&Facts { beat: Some(&beat), sections, silent: silent.to_vec(), ..Facts::default() }, &at(seconds))
    };
    let step = look(&[("a", "failed"), ("b", "running")], &[finding("f", Severity::High)], &[], 0);
    assert_eq!(step.tellings.len(), 2);
    let step = look(&[("a", "no_data"), ("b", "no_data")], &[], &["c"], 5);
    assert!(step.tellings.is_empty(), "nobody has looked: {step:?}");
    let step = look(&[("b", "running")], &[], &[], 10);
    let mut ends: Vec<(&str, Option<&str>)> =
        step.tellings.iter().map(|one| (one.alert.rule.as_str(), one.alert.resolution.as_deref())).collect();
    ends.sort_unstable();
    assert_eq!(ends, [("bad", None), ("down", Some("it is not watched any more"))]);
}

#[test]
fn subjects_are_bounded() {
    let mut engine = Engine::new(vec![rule("many", "m.x > 0")], vec![], vec![]);
    let metrics: Vec<Metric> = (0..MAX_INSTANCES + 7).map(|n| gauge("m.x", &[("pid", &n.to_string())], 1.0)).collect();
    let section = SectionFacts { collector: "c", metrics: &metrics, findings: &[] };
    let facts = Facts { sections: vec![section], ..Facts::default() };
    let step = engine.look(&facts, &at(0));
    assert_eq!(step.tellings.len(), MAX_INSTANCES);
    assert_eq!(step.overflows, [("many".to_owned(), 7)]);
    assert!(engine.look(&facts, &at(5)).overflows.is_empty(), "it is said once");
}

#[test]
fn clear_when_makes_a_difference_between_coming_and_going() {
    let clear = Expression::parse("clock.offset_seconds < 25", &[]).unwrap();
    let rules = vec![Rule { clear_when: Some(clear), ..rule("drift", "clock.offset_seconds > 30") }];
    let mut engine = Engine::new(rules, vec![], vec![]);
    let mut kinds = Vec::new();
    for (second, offset) in [29.0, 31.0, 29.0, 31.0, 26.0, 24.0, 26.0].into_iter().enumerate() {
        kinds.extend(look(&mut engine, Some(offset), &at(second as u64)).tellings.into_iter().map(|one| one.kind));
    }
    assert_eq!(kinds, [TellingKind::Fired, TellingKind::Resolved]);
}

#[test]
fn no_data_is_never_good() {
    let with = |on_no_data| Rule { on_no_data, hold: Duration::from_secs(10), ..rule("r", "clock.offset_seconds > 1") };
    let run = |on_no_data, offsets: &[Option<f64>]| {
        let mut engine = Engine::new(vec![with(on_no_data)], vec![], vec![]);
        let mut kinds = Vec::new();
        for (nth, offset) in offsets.iter().enumerate() {
            let step = look(&mut engine, *offset, &at(100 * u64::from(nth > 0) + 5 * nth as u64));
            kinds.extend(step.tellings.iter().map(|one| (nth, one.kind)));
        }
        kinds
    };
    let (bad, good, none) = (Some(2.0), Some(0.0), None);
    // The first look is at 0 s, the others from 105 s on, when "no data" means something.
    let offsets = [good, bad, bad, none, none, bad, none, none, none, good];
    assert_eq!(
        run(OnNoData::Keep, &offsets),
        [],
        "it was seen to hold for 5 s, twice: what is between two blind looks does not count"
    );
    let offsets = [good, bad, bad, bad, none, none, none, good];
    assert_eq!(run(OnNoData::Keep, &offsets), [(3, TellingKind::Fired), (7, TellingKind::Resolved)]);
    assert_eq!(run(OnNoData::Clear, &offsets), [(3, TellingKind::Fired), (4, TellingKind::Resolved)]);
    assert_eq!(
        run(OnNoData::Fire, &[good, none, none, none, good]),
        [(3, TellingKind::Fired), (4, TellingKind::Resolved)]
    );
    // Just started: nobody has answered yet.
    let mut engine = Engine::new(vec![Rule { hold: Duration::ZERO, ..with(OnNoData::Fire) }], vec![], vec![]);
    assert!(look(&mut engine, None, &at(0)).tellings.is_empty());
    assert!(look(&mut engine, None, &at(59)).tellings.is_empty());
    assert_eq!(look(&mut engine, None, &at(60)).tellings.len(), 1);
}

/// Everything that is stored, as a restart reads it back.
fn restarted(engine: &Engine, rules: Vec<Rule>) -> Engine {
    let through = |alert: &Alert| serde_json::from_str(&serde_json::to_string(alert).unwrap()).unwrap();
    let silence = |one: &crate::model::Silence| serde_json::from_str(&serde_json::to_string(one).unwrap()).unwrap();
    Engine::new(rules, engine.alerts().map(through).collect(), engine.silences().map(silence).collect())
}

#[test]
fn what_fires_outlives_a_restart_and_a_boot_and_is_told_once() {
    let rules = || vec![Rule { repeat: Some(Duration::from_secs(3_600)), ..rule("r", "clock.offset_seconds > 1") }];
    let mut engine = Engine::new(rules(), vec![], vec![]);
    assert_eq!(told(&look(&mut engine, Some(2.0), &at(0))), [("r", TellingKind::Fired)]);
    let mut engine = restarted(&engine, rules());
    assert!(look(&mut engine, None, &at(20)).tellings.is_empty());
    assert!(look(&mut engine, Some(2.0), &at(25)).tellings.is_empty());
    assert_eq!(told(&look(&mut engine, Some(2.0), &at(3_600))), [("r", TellingKind::Repeated)]);
    // A new boot, and a clock that went back: the repeat counts from the first look.
    let mut engine = restarted(&engine, rules());
    let later = |seconds| Moment { wall: Wall(0), ..in_boot(seconds, "boot-b") };
    assert!(look(&mut engine, Some(2.0), &later(5)).tellings.is_empty());
    assert!(look(&mut engine, Some(2.0), &later(3_604)).tellings.is_empty());
    assert_eq!(told(&look(&mut engine, Some(2.0), &later(3_605))), [("r", TellingKind::Repeated)]);
    assert_eq!(told(&look(&mut engine, Some(0.0), &later(3_610))), [("r", TellingKind::Resolved)]);
    let mut engine = restarted(&engine, rules());
    assert!(look(&mut engine, Some(0.0), &later(3_615)).tellings.is_empty());
}

#[test]
fn what_is_pending_goes_on_after_a_restart_and_begins_anew_after_a_boot() {
    let rules = || vec![Rule { hold: Duration::from_secs(60), ..rule("r", "clock.offset_seconds > 1") }];
    let mut engine = Engine::new(rules(), vec![], vec![]);
    for second in (0..=50).step_by(5) {
        assert!(look(&mut engine, Some(2.0), &at(second)).tellings.is_empty());
    }
    let mut same_boot = restarted(&engine, rules());
    assert!(look(&mut same_boot, Some(2.0), &at(500)).tellings.is_empty(), "it was not seen in between");
    assert!(look(&mut same_boot, Some(2.0), &at(505)).tellings.is_empty());
    assert_eq!(look(&mut same_boot, Some(2.0), &at(510)).tellings.len(), 1, "50 s before and 10 s since");
    let mut next_boot = restarted(&engine, rules());
    for second in (0..60).step_by(5) {
        assert!(look(&mut next_boot, Some(2.0), &in_boot(second, "boot-b")).tellings.is_empty(), "{second}");
    }
    assert_eq!(look(&mut next_boot, Some(2.0), &in_boot(60, "boot-b")).tellings.len(), 1);
}

#[test]
fn a_silence_holds_back_bad_news_and_never_the_end() {
    let rules = || vec![Rule { repeat: Some(Duration::from_secs(10)), ..rule("r", "clock.offset_seconds > 1") }];
    let quiet = |seconds, now: u64| {
        let matchers = parse_matchers(&["severity=high".to_owned()]).unwrap();
        silence(matchers, Duration::from_secs(seconds), "me".to_owned(), None, &at(now))
    };
    let mut engine = Engine::new(rules(), vec![], vec![]);
    engine.silence(quiet(30, 0)).unwrap();
    let step = look(&mut engine, Some(2.0), &at(0));
    assert!(step.tellings.is_empty());
    assert_eq!(step.transitions.len(), 1, "it fires all the same");
    assert_eq!(engine.alerts().next().unwrap().silenced_by.len(), 1);
    let mut engine = restarted(&engine, rules());
    assert!(look(&mut engine, Some(2.0), &at(29)).tellings.is_empty());
    let step = look(&mut engine, Some(2.0), &at(30));
    assert_eq!(step.silences_over.len(), 1);
    assert_eq!(told(&step), [("r", TellingKind::Fired)], "it still fires when the silence ends");
    engine.silence(quiet(1_000, 31)).unwrap();
    assert!(look(&mut engine, Some(2.0), &at(100)).tellings.is_empty(), "repeats are held back");
    assert_eq!(told(&look(&mut engine, Some(0.0), &at(101))), [("r", TellingKind::Resolved)]);
    // One that began and ended in silence is told to nobody.
    look(&mut engine, Some(2.0), &at(110));
    assert!(look(&mut engine, Some(0.0), &at(120)).tellings.is_empty());
    let id = engine.silences().next().unwrap().id.clone();
    assert!(engine.unsilence("").is_none());
    assert_eq!(engine.unsilence(&id[..4]).unwrap().id, id);
}

#[test]
fn what_follows_from_something_that_fires_is_not_told() {
    let cause = rule("down", r#"daemon("*").status == "failed""#);
    let effect = Rule {
        inhibited_by: vec!["down".to_owned()],
        ..rule("few", r#"daemon("*").restart_count >= 0 or daemon("*").status != "running""#)
    };
    let mut engine = Engine::new(vec![effect, cause], vec![], vec![]);
    let mut look = |daemons: &[(&str, &str)], seconds| {
        let beat = beat(daemons, None);
        let step = engine.look(&Facts { beat: Some(&beat), ..Facts::default() }, &at(seconds));
        let mut told: Vec<(String, String, TellingKind)> = step
            .tellings
            .iter()
            .map(|one| (one.alert.rule.clone(), one.alert.subject["daemon"].clone(), one.kind))
            .collect();
        told.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        told
    };
    let row = |rule: &str, daemon: &str, kind| (rule.to_owned(), daemon.to_owned(), kind);
    assert_eq!(
        look(&[("a", "failed"), ("b", "paused")], 0),
        [row("down", "a", TellingKind::Fired), row("few", "b", TellingKind::Fired)],
        "the failure of one says nothing of another"
    );
    assert_eq!(
        look(&[("a", "paused"), ("b", "paused")], 5),
        [row("down", "a", TellingKind::Resolved), row("few", "a", TellingKind::Fired)]
    );
}

#[test]
fn a_rule_that_is_gone_ends_its_alerts() {
    let mut engine = Engine::new(vec![rule("r", "clock.offset_seconds > 1")], vec![], vec![]);
    look(&mut engine, Some(2.0), &at(0));
    engine.set_rules(vec![]);
    let step = look(&mut engine, Some(2.0), &at(5));
    assert_eq!(told(&step), [("r", TellingKind::Resolved)]);
    assert!(step.tellings[0].alert.resolution.as_ref().unwrap().contains("configuration"));
}

#[test]
fn an_alert_is_a_finding_while_it_fires() {
    let info = Rule { severity: AlertSeverity::Info, ..rule("i", "clock.offset_seconds > 1") };
    let mut engine = Engine::new(vec![rule("r", "clock.offset_seconds > 1"), info], vec![], vec![]);
    look(&mut engine, Some(2.0), &at(0));
    let findings = engine.findings();
    assert_eq!(findings.len(), 1, "information is none");
    assert_eq!((findings[0].fingerprint.as_str(), findings[0].severity), ("r", Severity::High));
    look(&mut engine, Some(0.0), &at(5));
    assert!(engine.findings().is_empty());
}

/// When the alert of one rule fires and ends, by the definition: over all looks up to each, without any state.
fn oracle(looks: &[(u64, Option<bool>)], hold_s: u64) -> Vec<(usize, TellingKind)> {
    let firing_after = |upto: usize| -> bool {
        // Since the last look that was good, the time between looks that were bad in a row.
        let start = (0..=upto).rev().find(|i| looks[*i].1 == Some(false)).map_or(0, |i| i + 1);
        (start..=upto).any(|end| {
            if looks[end].1 != Some(true) {
                return false;
            }
            let held: u64 = (start + 1..=end)
                .filter(|i| looks[*i].1 == Some(true) && looks[*i - 1].1 == Some(true))
                .map(|i| looks[i].0 - looks[i - 1].0)
                .filter(|gap| *gap <= 60)
                .sum();
            held >= hold_s
        })
    };
    let mut changes = Vec::new();
    for i in 0..looks.len() {
        let before = i > 0 && firing_after(i - 1);
        match (before, firing_after(i)) {
            (false, true) => changes.push((i, TellingKind::Fired)),
            (true, false) => changes.push((i, TellingKind::Resolved)),
            _ => {}
        }
    }
    changes
}

proptest! {
    /// Whatever is seen and whenever ghostd restarts, exactly the changes that the definition has are told, once each.
    #[test]
    fn the_engine_tells_what_the_definition_says(
        steps in proptest::collection::vec((1_u64..90, 0_u8..3, proptest::bool::weighted(0.1)), 1..60),
        hold_s in prop_oneof![Just(0_u64), 1_u64..120],
    ) {
        let rules = || vec![Rule { hold: Duration::from_secs(hold_s), ..rule("r", "clock.offset_seconds > 1") }];
        let mut engine = Engine::new(rules(), vec![], vec![]);
        let (mut now, mut looks, mut changes) = (0, Vec::new(), Vec::new());
        for (i, (wait, what, restart)) in steps.into_iter().enumerate() {
            now += wait;
            let seen = [Some(false), Some(true), None][usize::from(what)];
            if restart && seen != Some(false) {
                // A restart is a look at nothing: what is between does not count.
                engine = restarted(&engine, rules());
                looks.push((now, None));
            } else {
                let offset = seen.map(|bad| if bad { 2.0 } else { 0.0 });
                changes.extend(look(&mut engine, offset, &at(now)).tellings.iter().map(|one| (i, one.kind)));
                looks.push((now, seen));
            }
        }
        prop_assert_eq!(changes, oracle(&looks, hold_s));
    }
}

// --- the queue

fn lane(name: &str) -> Lane {
    Lane {
        name: name.to_owned(),
        kind: "webhook",
        max_queued: 100,
        give_up_after: Duration::from_secs(86_400),
        send_resolved: true,
        resend_every: None,
    }
}

fn alert(id: &str) -> Alert {
    let mut engine = Engine::new(vec![rule(id, "clock.offset_seconds > 1")], vec![], vec![]);
    look(&mut engine, Some(2.0), &at(0));
    let alert = engine.alerts().next().unwrap().clone();
    assert_eq!(alert.state, AlertState::Firing);
    alert
}

fn telling(receiver: &str, id: &str, group: &str, kind: TellingKind) -> Telling {
    let group = BTreeMap::from([("g".to_owned(), group.to_owned())]);
    Telling { receiver: receiver.to_owned(), kind, alert: alert(id), group }
}

fn queue(lanes: &[Lane]) -> Queue {
    Queue::new(lanes.to_vec(), Duration::ZERO, vec![], vec![], &at(0)).0
}

fn due(queue: &mut Queue, seconds: u64) -> Vec<Dispatch> {
    queue.due(|_| vec![], &at(seconds))
}

fn names(dispatch: &Dispatch) -> Vec<(&str, TellingKind)> {
    dispatch.notifications.iter().map(|one| (one.alert.id.as_str(), one.kind)).collect()
}

#[test]
fn nothing_is_sent_before_it_is_durable_or_the_disk_was_waited_for() {
    let mut queue = queue(&[lane("ops")]);
    queue.push(telling("ops", "a", "1", TellingKind::Fired), &at(0));
    assert!(due(&mut queue, 0).is_empty());
    assert_eq!(queue.next_due_ns(), Some((1_000 + 10) * S));
    let mut other = self::queue(&[lane("ops")]);
    other.push(telling("ops", "a", "1", TellingKind::Fired), &at(0));
    other.committed(other.next_number());
    assert_eq!(due(&mut other, 0).len(), 1);
    assert_eq!(due(&mut queue, 10).len(), 1, "the disk does not answer");
}

#[test]
fn a_dead_receiver_delays_nobody_and_hears_of_beginning_and_end() {
    let mut queue = queue(&[lane("dead"), lane("well")]);
    for receiver in ["dead", "well"] {
        queue.push(telling(receiver, "a", "1", TellingKind::Fired), &at(0));
    }
    queue.committed(u64::MAX);
    let first = due(&mut queue, 0);
    assert_eq!(first.len(), 2);
    let (dead, well) = (&first[0], &first[1]);
    assert_eq!((dead.receiver.as_str(), well.receiver.as_str()), ("dead", "well"));
    let outcome = queue.finished("well", well.attempt, Ok(()), &at(1));
    assert!(outcome.rows.iter().any(|row| row.namespace == OUTBOX && row.document.is_null()));
    let outcome = queue.finished("dead", dead.attempt, Err(("no route".to_owned(), false)), &at(1));
    assert_eq!(outcome.began_to_fail.as_deref(), Some("no route"));
    for receiver in ["dead", "well"] {
        queue.push(telling(receiver, "a", "1", TellingKind::Resolved), &at(2));
    }
    queue.committed(u64::MAX);
    let second = due(&mut queue, 2);
    assert_eq!(second.iter().map(|one| one.receiver.as_str()).collect::<Vec<_>>(), ["well"]);
    // It comes back: both, in order, one after the other.
    let mut heard = Vec::new();
    for seconds in 3..60 {
        for dispatch in due(&mut queue, seconds).into_iter().filter(|one| one.receiver == "dead") {
            heard.push(names(&dispatch).into_iter().map(|(_, kind)| kind).collect::<Vec<_>>());
            let recovered = queue.finished("dead", dispatch.attempt, Ok(()), &at(seconds)).recovered;
            assert_eq!(recovered, heard.len() == 1);
        }
    }
    assert_eq!(heard, [[TellingKind::Fired], [TellingKind::Resolved]]);
    assert_eq!(queue.healths().iter().map(|one| one.queued).sum::<u64>(), 1, "the answer of `well` is still out");
}

#[test]
fn a_group_goes_together_and_nothing_of_it_is_overtaken() {
    let mut queue = queue(&[lane("ops")]);
    for (id, group, kind) in [
        ("a", "1", TellingKind::Fired),
        ("x", "2", TellingKind::Fired),
        ("b", "1", TellingKind::Fired),
        ("a", "1", TellingKind::Resolved),
        ("c", "1", TellingKind::Fired),
    ] {
        queue.push(telling("ops", id, group, kind), &at(0));
    }
    queue.committed(u64::MAX);
    let mut sent = Vec::new();
    while let Some(dispatch) = due(&mut queue, 1).pop() {
        sent.push(names(&dispatch).iter().map(|(id, _)| (*id).to_owned()).collect::<Vec<_>>().join(" "));
        queue.finished("ops", dispatch.attempt, Ok(()), &at(1));
    }
    assert_eq!(sent, ["a b", "x", "a c"]);
}

#[test]
fn what_waits_outlives_a_restart_with_its_name_and_leaves_with_its_receiver() {
    let mut queue = queue(&[lane("ops")]);
    let outcome = queue.push(telling("ops", "a", "1", TellingKind::Fired), &at(0));
    let stored: Notification = serde_json::from_value(outcome.rows[0].document.clone()).unwrap();
    queue.committed(u64::MAX);
    let first = due(&mut queue, 0).remove(0);
    // It was sent and ghostd died before it knew: sent again, under the same name.
    let (mut again, _) = Queue::new(vec![lane("ops")], Duration::ZERO, vec![stored.clone()], vec![], &at(5));
    let second = due(&mut again, 5).remove(0);
    assert_eq!(first.key(), second.key());
    assert_eq!(again.push(telling("ops", "b", "1", TellingKind::Fired), &at(5)).rows[0].key, format!("{:020}", 1));
    let health = ReceiverHealth { name: "ops".to_owned(), delivered: 9, ..Default::default() };
    let (other, lost) = Queue::new(vec![lane("new")], Duration::ZERO, vec![stored], vec![health], &at(5));
    assert_eq!(lost.given_up.len(), 1);
    assert_eq!(other.healths().len(), 1);
}

#[test]
fn limits_hold_and_what_is_given_up_is_counted() {
    let mut queue = queue(&[Lane { max_queued: 3, give_up_after: Duration::from_secs(600), ..lane("ops") }]);
    let mut given_up = 0;
    for n in 0..5 {
        given_up +=
            queue.push(telling("ops", &format!("a{n}"), &n.to_string(), TellingKind::Fired), &at(0)).given_up.len();
    }
    queue.committed(u64::MAX);
    assert_eq!(given_up, 2);
    // Refused for good: five tries, and then the next has its turn.
    let mut tries = BTreeMap::new();
    let mut seconds = 0;
    while queue.healths()[0].queued > 0 && seconds < 10_000 {
        seconds += 1;
        for dispatch in due(&mut queue, seconds) {
            *tries.entry(dispatch.notifications[0].alert.id.clone()).or_insert(0) += 1;
            queue.finished("ops", dispatch.attempt, Err(("422".to_owned(), true)), &at(seconds));
        }
    }
    assert_eq!(tries["a2"], 5);
    assert_eq!(queue.healths()[0].dropped, 5, "two for want of room, one refused, two too old");
    assert!(seconds < 2_000, "{seconds}");
}

#[test]
fn an_alertmanager_is_reminded_and_nobody_else() {
    let reminded = Lane { resend_every: Some(Duration::from_secs(60)), ..lane("am") };
    let mut queue = queue(&[reminded, lane("ops")]);
    let firing = alert("a");
    let mut refreshes = Vec::new();
    for seconds in 1..200 {
        for dispatch in queue.due(|_| if seconds < 130 { vec![&firing] } else { vec![] }, &at(seconds)) {
            assert!(dispatch.is_refresh && dispatch.receiver == "am");
            refreshes.push(seconds);
            queue.finished("am", dispatch.attempt, Ok(()), &at(seconds));
        }
        let next = queue.next_due_ns().unwrap();
        assert!(next > at(seconds).boottime_ns, "it must not spin");
    }
    assert_eq!(refreshes, [1, 61, 121]);
    assert_eq!(queue.healths()[0].delivered, 0);
}

proptest! {
    /// Whatever fails and whenever, each notification is taken exactly once by a receiver that answers in the end, and
    /// those of one alert in their order.
    #[test]
    fn everything_arrives_once_and_in_order(
        pushes in proptest::collection::vec((0_usize..3, 0_usize..3, 0_u64..40), 1..30),
        failures in proptest::collection::vec(any::<bool>(), 30),
    ) {
        let mut queue = queue(&[lane("ops")]);
        let alerts: Vec<Alert> = (0..3).map(|n| alert(&format!("a{n}"))).collect();
        let mut pushed: Vec<(u64, usize, usize)> = pushes.iter().map(|(id, group, second)| (*second, *id, *group)).collect();
        pushed.sort_unstable();
        let (mut left, mut failures) = (pushed.clone().into_iter().peekable(), failures.into_iter());
        let mut heard: Vec<String> = Vec::new();
        let mut expected: Vec<(String, usize)> = Vec::new();
        for seconds in 0..20_000 {
            while let Some((_, id, group)) = left.next_if(|(second, ..)| *second <= seconds) {
                let group = BTreeMap::from([("g".to_owned(), group.to_string())]);
                let telling = Telling { receiver: "ops".to_owned(), kind: TellingKind::Fired, alert: alerts[id].clone(), group };
                let row = queue.push(telling, &at(seconds)).rows.remove(0);
                let notification: Notification = serde_json::from_value(row.document).unwrap();
                expected.push((notification.id, id));
            }
            queue.committed(u64::MAX);
            for dispatch in due(&mut queue, seconds) {
                if failures.next().unwrap_or(false) {
                    queue.finished("ops", dispatch.attempt, Err(("x".to_owned(), false)), &at(seconds));
                } else {
                    heard.extend(dispatch.notifications.iter().map(|one| one.id.clone()));
                    queue.finished("ops", dispatch.attempt, Ok(()), &at(seconds));
                }
            }
            if left.peek().is_none() && queue.healths()[0].queued == 0 {
                break;
            }
        }
        let mut all: Vec<&String> = expected.iter().map(|(id, _)| id).collect();
        let mut got: Vec<&String> = heard.iter().collect();
        all.sort();
        got.sort();
        prop_assert_eq!(got, all);
        let _ = pushed;
    }
}
