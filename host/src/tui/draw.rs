//! How a page is drawn. 80 columns and 24 rows are enough; what does not fit is cut, never wrapped into the next row.
//!
//! No state is told by colour alone: each has a letter, and colours are left out where NO_COLOR asks for it.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};
use serde_json::Value as Json;

use super::keys::{App, List, Mode, Prompt};
use super::page::Page;
use crate::human::{bytes, escaped, local};
use crate::model::{EventSeverity, Finding, Heartbeat, OverallStatus, Severity, Wall};

/// A heartbeat that is older than this many of its intervals is late.
const LATE_INTERVALS: u64 = 3;

const HELP: [&str; 20] = [
    "1 to 5, Tab     events, findings, processes, snapshots, changes",
    "up, down        scroll the list",
    "/               search the events (n later, N earlier)",
    "q, Esc          leave",
    "",
    "In `ghostd replay`:",
    "right, left     to the next heartbeat, to the one before",
    "PgDn, PgUp      to the next snapshot, to the one before",
    "t, T            to the next transition, to the one before",
    "f, F            to the next finding, to the one before",
    "g               go to a time: 2026-11-21T03:12, -2h",
    "Home, End       to the beginning, to the end",
    "",
    "A daemon's strip is its last heartbeats, the newest at the right:",
    "=  running      F  failed       r  restarted     p  paused",
    "m  maintenance  ?  never seen   .  no data",
    "",
    "`changes` compares the snapshot of the instant with the one before.",
    "",
    "Any key goes back.",
];

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App) {
    let area = frame.area();
    let daemons = app.page.beat().map_or(0, |beat| beat.daemons.len());
    // The list keeps at least five rows of a small terminal.
    let most = usize::from(area.height.saturating_sub(11));
    let rows = u16::try_from(daemons.min(most)).unwrap_or(u16::MAX);
    let [title, verdict, head, table, machine, tabs, list, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(rows),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    let paint = Paint { colour: app.colour };
    frame.render_widget(self::title(app, paint), title);
    frame.render_widget(Paragraph::new(self::verdict(app, paint)), verdict);
    if let Some(beat) = app.page.beat() {
        frame.render_widget(row_head(head.width).style(paint.bold()), head);
        let lines: Vec<Line<'_>> =
            beat.daemons.iter().take(usize::from(rows)).map(|one| row(app, &one.name, table.width, paint)).collect();
        frame.render_widget(Paragraph::new(lines), table);
    }
    frame.render_widget(Paragraph::new(self::machine(&app.page)), machine);
    frame.render_widget(self::tabs(app, paint), tabs);
    frame.render_widget(Paragraph::new(self::list(app, list, paint)), list);
    frame.render_widget(self::footer(app, paint), footer);
    if app.help {
        help(frame, area);
    }
}

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn loud(self, severity: EventSeverity) -> Style {
        match severity {
            EventSeverity::Info => Style::new(),
            EventSeverity::Warning => self.of(Color::Yellow),
            EventSeverity::Error => self.of(Color::Red),
            EventSeverity::Critical => self.of(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

fn title(app: &App, paint: Paint) -> Line<'static> {
    let instant = local(app.instant());
    let text = match app.mode {
        Mode::Live => format!("ghostd  {instant}  {}", freshness(&app.page, app.now)),
        Mode::At(at) => format!("ghostd  {instant}  {} ago", span(seconds(at, app.now))),
    };
    Line::from(Span::styled(text, paint.bold()))
}

/// How old the last heartbeat is; what is late is said loudly, because everything below is then old too.
fn freshness(page: &Page, now: Wall) -> String {
    let Some(beat) = page.beat() else { return "no heartbeat was recorded yet".to_owned() };
    let age = seconds(beat.at, now);
    let late = beat.interval_ms.saturating_mul(LATE_INTERVALS) as f64 / 1000.0;
    if age > late {
        format!("NO HEARTBEAT FOR {}: does ghostd run?", span(age))
    } else {
        format!("last heartbeat {} ago", span(age))
    }
}

fn verdict(app: &App, paint: Paint) -> Vec<Line<'static>> {
    let Some(beat) = app.page.beat() else { return vec![Line::from("no heartbeat of then or before is kept")] };
    let (word, colour) = match beat.overall.status {
        OverallStatus::Healthy => ("HEALTHY", Color::Green),
        OverallStatus::Degraded => ("DEGRADED", Color::Yellow),
        OverallStatus::Unhealthy => ("UNHEALTHY", Color::Red),
        OverallStatus::Critical => ("CRITICAL", Color::Red),
    };
    let style = paint.of(colour).add_modifier(Modifier::BOLD);
    let reasons: Vec<String> = beat.overall.reasons.iter().map(|reason| escaped(reason)).collect();
    let offset = beat.clock_offset_seconds.map(|offset| format!(", offset {offset:+.6} s")).unwrap_or_default();
    vec![
        Line::from(vec![Span::styled(word, style), Span::raw("  "), Span::raw(reasons.join("; "))]),
        Line::from(format!("clock {}{offset}", escaped(&beat.clock_status))),
    ]
}

/// The columns before the strip, without the name.
const FIGURES: usize = 47;

fn name_width(width: u16) -> usize {
    usize::from(width).saturating_sub(FIGURES + 30).clamp(16, 24)
}

fn row_head(width: u16) -> Paragraph<'static> {
    let name = name_width(width);
    Paragraph::new(format!(
        "{:<name$} {:<10} {:>7} {:>8} {:>6} {:>9} {:>2} ",
        "DAEMON", "STATUS", "PID", "UP", "CPU %", "MEMORY", "RE"
    ))
}

fn row(app: &App, name: &str, width: u16, paint: Paint) -> Line<'static> {
    let Some(one) = app.page.beat().and_then(|beat| beat.daemons.iter().find(|one| one.name == name)) else {
        return Line::default();
    };
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let width_of_name = name_width(width);
    let figures = format!(
        "{:<width_of_name$} {:<10} {:>7} {:>8} {:>6} {:>9} {:>2} ",
        cut(&escaped(&one.name), width_of_name),
        cut(&one.status, 10),
        dash(one.pid.map(|pid| pid.to_string())),
        dash(one.uptime_seconds.map(span)),
        dash(one.cpu_percent.map(|percent| format!("{percent:.1}"))),
        dash(one.memory_bytes.map(bytes)),
        dash(one.restart_count.map(|count| count.min(99).to_string())),
    );
    let room = usize::from(width).saturating_sub(figures.chars().count());
    let mut spans = vec![Span::styled(figures, paint.of(colour_of(&one.status)))];
    let skipped = app.page.beats.len().saturating_sub(room);
    spans.extend(app.page.beats.iter().skip(skipped).map(|beat| {
        let (letter, colour) = cell(beat, name);
        Span::styled(letter, paint.of(colour))
    }));
    Line::from(spans)
}

fn colour_of(status: &str) -> Color {
    match status {
        "running" => Color::Green,
        "failed" => Color::Red,
        "restarted" | "paused" => Color::Yellow,
        _ => Color::Gray,
    }
}

fn cell(beat: &Heartbeat, name: &str) -> (&'static str, Color) {
    let Some(one) = beat.daemons.iter().find(|one| one.name == name) else { return (" ", Color::Gray) };
    let letter = match &*one.status {
        _ if one.maintenance => "m",
        "running" => "=",
        "failed" => "F",
        "restarted" => "r",
        "paused" => "p",
        "no_data" => ".",
        _ => "?",
    };
    (letter, colour_of(&one.status))
}

fn machine(page: &Page) -> Vec<Line<'static>> {
    let figure = |pointer: &str| page.metric.pointer(pointer).and_then(Json::as_f64);
    let percent = |pointer: &str| figure(pointer).map_or_else(|| "-".to_owned(), |value| format!("{value:.1} %"));
    let load: Vec<String> =
        (0..3).filter_map(|i| figure(&format!("/cpu/load_average/{i}"))).map(|load| format!("{load:.2}")).collect();
    let used = figure("/memory/used_bytes").map(|value| bytes(value as u64)).unwrap_or_default();
    let total = figure("/memory/total_bytes").map(|value| bytes(value as u64)).unwrap_or_default();
    let usage = if page.metric.pointer("/cpu/usage_percent").is_some() { "/cpu/usage_percent" } else { "/cpu/usage" };
    let mut lines = vec![Line::from(format!(
        "cpu {}  load {}  memory {} ({used} of {total})  swap {}",
        percent(usage),
        if load.is_empty() { "-".to_owned() } else { load.join(" ") },
        percent("/memory/usage_percent"),
        percent("/memory/swap_usage_percent"),
    ))];
    if let Some(trouble) = &page.trouble {
        lines.push(Line::from(format!("the snapshot cannot be read: {}", escaped(trouble))));
    } else if let Some(newest) = page.snapshots.first() {
        lines.push(Line::from(format!("snapshot {} of {}", newest.id, local(newest.captured_at))));
    }
    lines
}

fn tabs(app: &App, paint: Paint) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, list) in List::ALL.into_iter().enumerate() {
        let count = match list {
            List::Findings => format!(" {}", app.page.findings.len()),
            _ => String::new(),
        };
        let text = format!(" {} {}{count} ", number + 1, list.title());
        let style = if list == app.list { paint.bold().add_modifier(Modifier::REVERSED) } else { Style::new() };
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

fn list(app: &App, area: Rect, paint: Paint) -> Vec<Line<'static>> {
    let height = usize::from(area.height);
    let page = &app.page;
    let lines: Vec<Line<'static>> = match app.list {
        List::Events => page
            .events
            .iter()
            .rev()
            .filter(|event| app.search.is_empty() || event.event.message.to_lowercase().contains(&app.search))
            .map(|event| {
                let event = &event.event;
                let word = match event.severity {
                    EventSeverity::Info => "       ",
                    EventSeverity::Warning => "warning",
                    EventSeverity::Error => "error  ",
                    EventSeverity::Critical => "CRIT   ",
                };
                let text = format!("{} {word} {}", clock(event.timestamp), escaped(&event.message));
                Line::from(Span::styled(text, paint.loud(event.severity)))
            })
            .collect(),
        List::Findings => page.findings.iter().map(|one| finding(one, paint)).collect(),
        List::Processes => processes(&page.processes),
        List::Snapshots => page
            .snapshots
            .iter()
            .map(|entry| {
                let mark = if entry.is_important() { "kept" } else { "    " };
                let trigger = format!("{:?}", entry.trigger).to_lowercase();
                Line::from(format!(
                    "{}  {:<10} {mark}  {:>3} findings  {:>9}  {}",
                    local(entry.captured_at),
                    trigger,
                    entry.open_findings,
                    bytes(entry.size_bytes),
                    entry.id
                ))
            })
            .collect(),
        List::Changes => match &app.changes {
            None => vec![Line::from("there is no snapshot before")],
            Some((_, lines)) if lines.is_empty() => vec![Line::from("nothing changed since the snapshot before")],
            Some((_, lines)) => lines.iter().map(|line| Line::from(escaped(line))).collect(),
        },
    };
    if lines.is_empty() {
        return vec![Line::from("none")];
    }
    let skip = app.scroll.min(lines.len().saturating_sub(height.max(1)));
    lines.into_iter().skip(skip).take(height).collect()
}

fn finding(one: &Finding, paint: Paint) -> Line<'static> {
    let (word, severity) = match one.severity {
        Severity::Low => ("low     ", EventSeverity::Info),
        Severity::Medium => ("medium  ", EventSeverity::Warning),
        Severity::High => ("high    ", EventSeverity::Error),
        Severity::Critical => ("CRITICAL", EventSeverity::Critical),
    };
    let last = one.last_seen.map(clock).unwrap_or_default();
    let text = format!("{word} {:>6} x  {last:<8}  {}", one.count, escaped(&one.title));
    Line::from(Span::styled(text, paint.loud(severity)))
}

fn processes(body: &Json) -> Vec<Line<'static>> {
    let rows = body.get("top_cpu").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut lines = Vec::new();
    if !rows.is_empty() {
        lines.push(Line::from(format!("{:>7} {:>6} {:>9} {:<16} {}", "PID", "CPU %", "MEMORY", "NAME", "COMMAND")));
    }
    for row in rows {
        let text = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or_default();
        let figure = |key: &str| row.get(key).and_then(Json::as_f64);
        lines.push(Line::from(format!(
            "{:>7} {:>6} {:>9} {:<16} {}",
            row.get("pid").and_then(Json::as_u64).unwrap_or(0),
            figure("cpu_percent").map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1}")),
            figure("resident_bytes").map_or_else(|| "-".to_owned(), |value| bytes(value as u64)),
            cut(&escaped(text("name")), 16),
            escaped(text("command_line")),
        )));
    }
    lines
}

fn footer(app: &App, paint: Paint) -> Line<'static> {
    match (&app.prompt, &app.message) {
        (Some(Prompt::Time(text)), _) => Line::from(format!("go to: {}_", escaped(text))),
        (Some(Prompt::Search(text)), _) => Line::from(format!("search: {}_", escaped(text))),
        (None, Some(message)) => Line::from(Span::styled(escaped(message), paint.of(Color::Yellow))),
        (None, None) if app.can_leave_now => {
            Line::from("left/right beat  PgUp/PgDn snapshot  t/f transition, finding  g time  ? help")
        }
        (None, None) => Line::from("1-5 list  up/down scroll  / search  ? help  q leave"),
    }
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let height = u16::try_from(HELP.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let width = 72.min(area.width);
    let inside = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, inside);
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(*line)).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), inside);
}

fn seconds(from: Wall, to: Wall) -> f64 {
    (to.0.saturating_sub(from.0)).max(0) as f64 / 1e9
}

/// The largest unit or two of a span, short enough for a column.
fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

fn clock(at: Wall) -> String {
    at.to_utc().with_timezone(&chrono::Local).format("%H:%M:%S").to_string()
}

fn cut(text: &str, width: usize) -> Cow<'_, str> {
    match text.char_indices().nth(width) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(text[..end].to_owned()),
    }
}
