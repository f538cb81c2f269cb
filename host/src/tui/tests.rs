//! The pages on terminals of two sizes, and the keys on a real store.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::draw::draw;
use super::keys::{App, List, Mode};
use super::page::Page;
use crate::model::{
    DaemonBeat, Event, EventKind, EventSeverity, Finding, Heartbeat, Moment, Overall, OverallStatus, Severity, Wall,
};
use crate::store::{Batch, ExclusiveStore, NumberedEvent, Reader};

/// 2026-11-21T03:12:00Z.
const T0: i64 = 1_795_230_720_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn at(seconds: i64) -> Wall {
    Wall(T0 + seconds * SECOND)
}

fn beat(sequence: u64, status: &str) -> Heartbeat {
    let fails = status == "failed";
    let daemon = |name: &str, status: &str| DaemonBeat {
        status: status.to_owned(),
        pid: (status != "failed").then_some(4711),
        uptime_seconds: Some(93_784.0),
        cpu_percent: Some(12.34),
        memory_bytes: Some(52_428_800),
        restart_count: Some(2),
        ..serde_json::from_value(json!({"name": name, "status": status})).unwrap()
    };
    Heartbeat {
        at: at(sequence as i64 * 5),
        overall: Overall {
            status: if fails { OverallStatus::Critical } else { OverallStatus::Healthy },
            reasons: if fails { vec!["relayCore is failed".to_owned()] } else { Vec::new() },
        },
        daemons: vec![daemon("relayCore", status), daemon("a-daemon-with-\u{1b}[2Ja-very-long-name", "paused")],
        ..serde_json::from_value(json!({
            "sequence": sequence, "at": at(0), "boottime_ns": sequence * 5_000_000_000, "boot_id": "boot", "interval_ms": 5000,
            "overall": {"status": "healthy", "reasons": []}, "daemons": [], "clock_status": "synced",
            "clock_offset_seconds": -0.000123, "uptime_seconds": 100.0, "missed": 0,
        }))
        .unwrap()
    }
}

fn event(seconds: i64, event_type: EventKind, severity: EventSeverity, message: &str) -> Event {
    Event { timestamp: at(seconds), event_type, severity, message: message.to_owned(), data: serde_json::Value::Null }
}

fn page() -> Page {
    let finding: Finding = serde_json::from_value(json!({
        "fingerprint": "f", "severity": "high", "title": "disk full \u{1b}]0;owned\u{7}", "count": 12, "resolved": false, "last_seen": at(3),
    }))
    .unwrap();
    assert_eq!(finding.severity, Severity::High);
    Page {
        at: Some(at(20)),
        beats: vec![beat(1, "running"), beat(2, "restarted"), beat(3, "running"), beat(4, "failed")],
        events: vec![
            NumberedEvent { id: 1, event: event(1, EventKind::SystemStartup, EventSeverity::Info, "ghostd started") },
            NumberedEvent {
                id: 2,
                event: event(18, EventKind::DaemonCheck, EventSeverity::Error, "daemon relayCore is failed"),
            },
        ],
        findings: vec![finding],
        metric: json!({
            "cpu": {"usage_percent": 37.5, "load_average": [1.0, 0.5, 0.25]},
            "memory": {"used_bytes": 4_000_000_000u64, "total_bytes": 16_000_000_000u64, "usage_percent": 25.0},
        }),
        processes: json!({"top_cpu": [{
            "pid": 7, "cpu_percent": 99.5, "resident_bytes": 1_500_000, "name": "busy", "command_line": "busy --loop",
        }]}),
        ..Page::default()
    }
}

fn screen(app: &App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows: Vec<String> = (0..height)
        .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned())
        .collect();
    rows.join("\n")
}

fn app(mode: Mode) -> App {
    let mut app = App::new(mode, false);
    app.page = page();
    app.now = at(26);
    app
}

/// Times are shown as the machine's own; goldens must not depend on where they are made.
fn without_times(screen: &str) -> String {
    regex::Regex::new(r"\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d").unwrap().replace_all(screen, "<t>").into_owned()
}

#[test]
fn eighty_columns_and_twenty_four_rows_are_enough() {
    let screen = without_times(&screen(&app(Mode::Live), 80, 24));
    insta::assert_snapshot!("watch_80x24", screen);
    assert!(!screen.contains('\u{1b}'));
}

#[test]
fn the_past_is_shown_with_its_age_and_its_keys() {
    insta::assert_snapshot!("replay_100x30", without_times(&screen(&app(Mode::At(at(20))), 100, 30)));
}

#[test]
fn every_list_and_the_help_are_drawn_on_any_size() {
    let mut shown = app(Mode::At(at(20)));
    for list in List::ALL {
        shown.list = list;
        for (width, height) in [(80, 24), (200, 60), (20, 5), (1, 1)] {
            let _ = screen(&shown, width, height);
        }
        insta::assert_snapshot!(format!("list_{}", list.title()), without_times(&screen(&shown, 80, 24)));
    }
    shown.help = true;
    insta::assert_snapshot!("help_80x24", without_times(&screen(&shown, 80, 24)));
}

#[test]
fn a_feed_that_stopped_is_said_loudly() {
    let mut shown = app(Mode::Live);
    shown.now = at(20 + 16);
    assert!(screen(&shown, 80, 24).contains("NO HEARTBEAT FOR 16s"));
    shown.now = at(20 + 14);
    assert!(screen(&shown, 80, 24).contains("last heartbeat 14s ago"));
}

/// A store with ten beats and three events.
fn store() -> (tempfile::TempDir, Reader) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let now = Moment { wall: at(0), boottime_ns: 1, boot_id: "boot".into() };
    let (mut store, _) = ExclusiveStore::open(&path, &now).unwrap();
    let heartbeats = (1..=10).map(|number| beat(number, if number == 6 { "failed" } else { "running" })).collect();
    let events = vec![
        event(1, EventKind::SystemStartup, EventSeverity::Info, "ghostd started"),
        event(30, EventKind::DaemonCheck, EventSeverity::Error, "daemon relayCore is failed"),
        event(42, EventKind::Anomaly, EventSeverity::Warning, "new: disk full"),
    ];
    store.record(&Batch { heartbeats, events, ..Batch::default() }).unwrap();
    drop(store);
    let reader = Reader::open(&path).unwrap();
    (directory, reader)
}

#[test]
fn keys_step_through_the_past() {
    let (_directory, reader) = store();
    let now = at(60);
    let mut app = App::new(Mode::At(at(50)), false);
    let mut press = |code: KeyCode| {
        assert!(!app.press(KeyEvent::new(code, KeyModifiers::NONE), &reader, now).unwrap());
        app.refresh(&reader, now).unwrap();
        ((app.instant().0 - T0) / SECOND, app.message.clone())
    };
    assert_eq!(press(KeyCode::Left), (45, None));
    assert_eq!(press(KeyCode::Left), (40, None));
    assert_eq!(press(KeyCode::Right), (45, None));
    assert_eq!(press(KeyCode::Char('T')), (30, None));
    assert_eq!(press(KeyCode::Char('f')), (42, None));
    assert_eq!(press(KeyCode::Char('f')), (42, Some("there is no later finding".to_owned())));
    assert_eq!(press(KeyCode::PageUp), (42, Some("there is no earlier snapshot".to_owned())));
    assert_eq!(press(KeyCode::Home), (5, None));
    assert_eq!(press(KeyCode::End), (50, None));
    // A search goes to the last event that says so; a time is gone to.
    for code in [KeyCode::Char('/'), KeyCode::Char('R'), KeyCode::Char('e'), KeyCode::Char('l'), KeyCode::Enter] {
        press(code);
    }
    assert_eq!(press(KeyCode::Char('n')).1, Some("there is no later event with that".to_owned()));
    assert_eq!(app.instant(), at(30));
    for code in [KeyCode::Char('g'), KeyCode::Char('-'), KeyCode::Char('2'), KeyCode::Char('0'), KeyCode::Char('s')] {
        app.press(KeyEvent::new(code, KeyModifiers::NONE), &reader, now).unwrap();
    }
    app.press(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), &reader, now).unwrap();
    assert_eq!(app.instant(), at(40));
    assert!(app.press(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE), &reader, now).unwrap());
}

#[test]
fn now_cannot_be_stepped_away_from() {
    let (_directory, reader) = store();
    let mut app = App::new(Mode::Live, false);
    app.refresh(&reader, at(60)).unwrap();
    app.press(KeyEvent::new(KeyCode::Left, KeyModifiers::NONE), &reader, at(60)).unwrap();
    assert_eq!((app.mode, app.page.beats.len(), app.instant()), (Mode::Live, 10, at(60)));
}
