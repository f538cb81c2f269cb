//! A line over time, drawn with braille: two dots across and four down in each character.
//!
//! Owns: the drawing. Must not know: what is drawn.

use std::fmt::Write as _;

use crate::model::Wall;

/// Rows of characters of one plot.
const HEIGHT: usize = 8;
/// The width where standard output is no terminal, in characters.
const DEFAULT_WIDTH: usize = 100;
/// The narrowest and the widest plot, in characters: beyond it there is nothing to see, or more than memory is for.
const WIDTHS: std::ops::RangeInclusive<usize> = 20..=400;
/// The dots of one character, by column and row, as U+2800 counts them.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Points between which nothing is known: a gap is not drawn over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Oldest first.
    pub points: Vec<(Wall, f64)>,
    /// From when on the axis goes.
    pub since: Wall,
    /// Until when.
    pub until: Wall,
}

/// How wide the terminal is.
pub(crate) fn terminal_width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let told = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    asked.or_else(told).filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH)
}

/// Draws a line in `width` characters: the axis of values at the left, the axis of time below. `label` writes a value
/// for the axis, `time` an instant.
pub(crate) fn draw(
    line: &Line,
    width: usize,
    label: impl Fn(f64) -> String,
    time: impl Fn(Wall) -> String,
) -> Vec<String> {
    let Some((low, high)) = bounds(&line.points) else { return vec!["no points".to_owned()] };
    let labels = [label(high), label(f64::midpoint(low, high)), label(low)];
    let margin = labels.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let columns = width.saturating_sub(margin + 2).clamp(*WIDTHS.start(), *WIDTHS.end());
    let canvas = canvas(line, columns, low, high);
    let mut rows: Vec<String> = canvas
        .iter()
        .enumerate()
        .map(|(row, cells)| {
            let text = match row {
                0 => labels[0].as_str(),
                row if row == HEIGHT / 2 => &labels[1],
                row if row == HEIGHT - 1 => &labels[2],
                _ => "",
            };
            let edge = if text.is_empty() { '│' } else { '┤' };
            let drawn: String =
                cells.iter().map(|dots| char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ')).collect();
            format!("{text:>margin$} {edge}{}", drawn.trim_end_matches('\u{2800}'))
        })
        .collect();
    rows.push(format!("{:margin$} └{}", "", "─".repeat(columns)));
    let (from, to) = (time(line.since), time(line.until));
    let mut below = format!("{:margin$}  {from}", "");
    let between = columns.saturating_sub(from.chars().count() + to.chars().count());
    let _ = write!(below, "{:between$}{to}", "");
    rows.push(below);
    rows
}

/// The lowest and the highest value; apart in any case, so that a constant is drawn in the middle.
fn bounds(points: &[(Wall, f64)]) -> Option<(f64, f64)> {
    let finite = || points.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
    let (low, high) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
    if high > low {
        return Some((low, high));
    }
    let apart = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
    Some((low - apart, low + apart))
}

fn canvas(line: &Line, columns: usize, low: f64, high: f64) -> Vec<Vec<u8>> {
    let mut cells = vec![vec![0_u8; columns]; HEIGHT];
    let (across, down) = (columns * 2, HEIGHT * 4);
    let span = (line.until.0.saturating_sub(line.since.0)).max(1) as f64;
    let place = |at: Wall, value: f64| {
        let x = (at.0.saturating_sub(line.since.0)) as f64 / span * (across - 1) as f64;
        let y = (high - value) / (high - low) * (down - 1) as f64;
        (x.round().clamp(0.0, (across - 1) as f64) as usize, y.round().clamp(0.0, (down - 1) as f64) as usize)
    };
    let mut set = |x: usize, y: usize| cells[y / 4][x / 2] |= DOTS[x % 2][y % 4];
    let gap = usual_gap(&line.points).map(|usual| usual.saturating_mul(3));
    let mut before: Option<(Wall, usize, usize)> = None;
    for (at, value) in line.points.iter().filter(|(_, value)| value.is_finite()) {
        let (x, y) = place(*at, *value);
        set(x, y);
        if let Some((earlier, x0, y0)) = before
            && gap.is_none_or(|gap| at.0.saturating_sub(earlier.0) <= gap)
        {
            // Every column between two points, so that the line is whole; and every row where it is steep.
            let steps = x.abs_diff(x0).max(y.abs_diff(y0));
            for step in 1..steps {
                let part = |from: usize, to: usize| {
                    (from as f64 + (to as f64 - from as f64) * step as f64 / steps as f64).round() as usize
                };
                set(part(x0, x), part(y0, y));
            }
        }
        before = Some((*at, x, y));
    }
    cells
}

/// The median of the times between points.
fn usual_gap(points: &[(Wall, f64)]) -> Option<i64> {
    let mut gaps: Vec<i64> = points.windows(2).map(|pair| pair[1].0.0.saturating_sub(pair[0].0.0)).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(i64, f64)], until: i64) -> Vec<String> {
        let line = Line {
            points: points.iter().map(|(at, value)| (Wall(*at), *value)).collect(),
            since: Wall(0),
            until: Wall(until),
        };
        draw(&line, 44, |value| format!("{value}"), |at| at.0.to_string())
    }

    #[test]
    fn a_rising_line_goes_from_the_lower_left_to_the_upper_right() {
        let rows = drawn(&[(0, 0.0), (50, 50.0), (100, 100.0)], 100);
        assert_eq!(rows.len(), HEIGHT + 2);
        assert!(rows[0].starts_with("100 ┤\u{2800}") && rows[HEIGHT - 1].starts_with("  0 ┤"), "{rows:#?}");
        assert_eq!(rows[0].chars().count(), 5 + 39, "the last column is reached: {rows:#?}");
        let first_drawn = |row: &str| row.chars().skip(5).position(|c| c != '\u{2800}');
        let starts: Vec<_> = rows[..HEIGHT].iter().map(|row| first_drawn(row).unwrap()).collect();
        assert!(starts.windows(2).all(|pair| pair[0] > pair[1]), "no row is left out: {starts:?}");
        assert!(rows[HEIGHT + 1].ends_with("100") && rows[HEIGHT + 1].contains("  0 "), "{rows:#?}");
    }

    #[test]
    fn a_gap_is_not_drawn_over() {
        let row_of = |points: &[(i64, f64)]| drawn(points, 100)[HEIGHT / 2].chars().skip(5).collect::<String>();
        let close: Vec<(i64, f64)> = (0..=10).map(|i| (i * 10, 5.0)).collect();
        let mut holed = close.clone();
        holed.retain(|(at, _)| !(20..80).contains(at));
        assert!(!row_of(&close).contains('\u{2800}'), "{}", row_of(&close));
        assert!(row_of(&holed).contains("\u{2800}\u{2800}\u{2800}"), "{}", row_of(&holed));
    }

    #[test]
    fn nothing_and_what_is_no_number_is_said_and_not_drawn() {
        assert_eq!(drawn(&[], 100), ["no points"]);
        assert_eq!(drawn(&[(0, f64::NAN)], 100), ["no points"]);
        let rows = drawn(&[(0, 1.0), (50, f64::INFINITY), (100, 2.0)], 100);
        assert!(rows[0].starts_with("  2 ┤"), "{rows:#?}");
    }
}
