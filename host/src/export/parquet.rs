//! Tables in Apache Parquet, for whatever reads columns.
//!
//! Times are microseconds since the Unix epoch, in UTC. What has no fixed columns (a snapshot's body, an event's data,
//! labels) is a column of JSON texts.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::Serialize;

use super::records::{Kind, Measured, Record, Value, labels_text};
use crate::model::{Reading, Wall};

/// Rows that are held before they are written.
const ROWS_HELD: usize = 50_000;
/// Bytes of text that are held before they are written.
const BYTES_HELD: usize = 32 << 20;

/// The columns of a kind.
fn schema(kind: Kind) -> &'static str {
    match kind {
        Kind::Snapshots => {
            "message snapshots {
                required binary id (STRING); required int64 sequence; required int64 time (TIMESTAMP(MICROS,true));
                required binary trigger (STRING); optional binary reason (STRING); required boolean important;
                optional binary marked_by (STRING); optional binary marked_why (STRING);
                required binary sha256 (STRING); required int64 size_bytes; required int64 open_findings;
                optional binary worst_severity (STRING); required binary boot_id (STRING); required binary body (JSON);
            }"
        }
        Kind::Heartbeats => {
            "message heartbeats {
                required int64 sequence; required int64 time (TIMESTAMP(MICROS,true)); required binary status (STRING);
                required binary reasons (JSON); required binary clock_status (STRING);
                optional double clock_offset_seconds; required double uptime_seconds; required int64 missed;
                required int64 interval_ms; required binary boot_id (STRING); required binary daemons (JSON);
            }"
        }
        Kind::Events => {
            "message events {
                required int64 id; required int64 time (TIMESTAMP(MICROS,true)); required binary type (STRING);
                required binary severity (STRING); required binary message (STRING); optional binary data (JSON);
            }"
        }
        Kind::Metrics => {
            "message metrics {
                required int64 time (TIMESTAMP(MICROS,true)); required int64 seconds; required binary collector (STRING);
                required binary metric (STRING); required binary unit (STRING); required binary labels (JSON);
                required binary kind (STRING); optional double value; optional double min; optional double max;
                optional double last; optional int64 count; optional binary buckets (JSON);
            }"
        }
        Kind::Findings => {
            "message findings {
                required binary collector (STRING); required binary fingerprint (STRING);
                required binary severity (STRING); required binary title (STRING);
                required int64 opened_at (TIMESTAMP(MICROS,true));
                optional int64 resolved_at (TIMESTAMP(MICROS,true)); required boolean resolved_by_hand;
                required int64 count; required binary finding (JSON);
            }"
        }
    }
}

/// A value of a column.
enum Cell {
    Text(String),
    Number(i64),
    Real(f64),
    Flag(bool),
    /// None, in a column that may have none.
    Absent,
}

/// A column of rows that are held.
#[derive(Debug)]
enum Column {
    Text(Vec<ByteArray>),
    Number(Vec<i64>),
    Real(Vec<f64>),
    Flag(Vec<bool>),
}

#[derive(Debug)]
struct Held {
    column: Column,
    /// 1 for each row that has a value; none where each must have one.
    levels: Option<Vec<i16>>,
}

/// A table that is being written.
pub struct Table<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Held>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> std::fmt::Debug for Table<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<W: Write + Send> Table<W> {
    /// Begins a table of a kind.
    pub fn begin(kind: Kind, out: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(schema(kind))?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("ghostd ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let columns = schema.get_fields().iter().map(|field| {
            let column = match field.get_physical_type() {
                parquet::basic::Type::INT64 => Column::Number(Vec::new()),
                parquet::basic::Type::DOUBLE => Column::Real(Vec::new()),
                parquet::basic::Type::BOOLEAN => Column::Flag(Vec::new()),
                _ => Column::Text(Vec::new()),
            };
            Held { column, levels: field.is_optional().then(Vec::new) }
        });
        let columns = columns.collect();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
        Ok(Self { writer, columns, rows: 0, bytes: 0 })
    }

    /// Adds a record, which must be of the table's kind.
    pub fn add(&mut self, record: &Record) -> Result<(), ParquetError> {
        let cells = cells(record);
        if cells.len() != self.columns.len() {
            return Err(ParquetError::General("a record of another kind".to_owned()));
        }
        for (held, cell) in self.columns.iter_mut().zip(cells) {
            if let Some(levels) = &mut held.levels {
                levels.push(i16::from(!matches!(cell, Cell::Absent)));
            }
            match (&mut held.column, cell) {
                (Column::Text(all), Cell::Text(text)) => {
                    self.bytes += text.len();
                    all.push(text.into_bytes().into());
                }
                (Column::Number(all), Cell::Number(number)) => all.push(number),
                (Column::Real(all), Cell::Real(real)) => all.push(real),
                (Column::Flag(all), Cell::Flag(flag)) => all.push(flag),
                (_, Cell::Absent) if held.levels.is_some() => {}
                _ => return Err(ParquetError::General("a value of another type".to_owned())),
            }
        }
        self.rows += 1;
        if self.rows >= ROWS_HELD || self.bytes >= BYTES_HELD {
            self.write_held()?;
        }
        Ok(())
    }

    /// Ends it. Without this a file is none.
    pub fn end(mut self) -> Result<(), ParquetError> {
        self.write_held()?;
        self.writer.close().map(drop)
    }

    fn write_held(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for held in &mut self.columns {
            held.write(&mut group)?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Held {
    fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
        let Some(mut writer) = group.next_column()? else { return Ok(()) };
        let levels = self.levels.as_mut().map(std::mem::take);
        let levels = levels.as_deref();
        match &mut self.column {
            Column::Text(all) => writer.typed::<ByteArrayType>().write_batch(&std::mem::take(all), levels, None)?,
            Column::Number(all) => writer.typed::<Int64Type>().write_batch(&std::mem::take(all), levels, None)?,
            Column::Real(all) => writer.typed::<DoubleType>().write_batch(&std::mem::take(all), levels, None)?,
            Column::Flag(all) => writer.typed::<BoolType>().write_batch(&std::mem::take(all), levels, None)?,
        };
        writer.close()
    }
}

fn cells(record: &Record) -> Vec<Cell> {
    match record {
        Record::Snapshot(entry, body) => vec![
            Cell::Text(entry.id.to_string()),
            number(entry.sequence),
            time(entry.captured_at),
            Cell::Text(entry.trigger.as_str().to_owned()),
            given(entry.reason.clone(), Cell::Text),
            Cell::Flag(entry.is_important()),
            given(entry.mark.as_ref().map(|mark| mark.by.clone()), Cell::Text),
            given(entry.mark.as_ref().and_then(|mark| mark.why.clone()), Cell::Text),
            Cell::Text(entry.sha256.to_string()),
            number(entry.size_bytes),
            number(entry.open_findings.into()),
            given(entry.worst_severity.as_ref().map(word), Cell::Text),
            Cell::Text(entry.boot_id.clone()),
            Cell::Text(body.clone()),
        ],
        Record::Heartbeat(beat) => vec![
            number(beat.sequence),
            time(beat.at),
            Cell::Text(word(&beat.overall.status)),
            json(&beat.overall.reasons),
            Cell::Text(beat.clock_status.clone()),
            given(beat.clock_offset_seconds, Cell::Real),
            Cell::Real(beat.uptime_seconds),
            number(beat.missed),
            number(beat.interval_ms),
            Cell::Text(beat.boot_id.clone()),
            json(&beat.daemons),
        ],
        Record::Event(event) => vec![
            number(event.id),
            time(event.event.timestamp),
            Cell::Text(word(&event.event.event_type)),
            Cell::Text(word(&event.event.severity)),
            Cell::Text(event.event.message.clone()),
            if event.event.data.is_null() { Cell::Absent } else { json(&event.event.data) },
        ],
        Record::Metric(measured) => metric_cells(measured),
        Record::Finding(stored) => vec![
            Cell::Text(stored.collector.clone()),
            Cell::Text(stored.finding.fingerprint.clone()),
            Cell::Text(word(&stored.finding.severity)),
            Cell::Text(stored.finding.title.clone()),
            time(stored.opened_at),
            given(stored.resolved_at, time),
            Cell::Flag(stored.by_hand.is_some()),
            number(stored.finding.count),
            json(&stored.finding),
        ],
    }
}

fn metric_cells(measured: &Measured) -> Vec<Cell> {
    let Measured { at, series, value } = measured;
    let seconds = match value {
        Value::Reading(_) => 0,
        Value::Stretch(seconds, _) => i64::from(*seconds),
    };
    let mut cells = vec![
        time(*at),
        Cell::Number(seconds),
        Cell::Text(series.collector.clone()),
        Cell::Text(series.name.clone()),
        Cell::Text(series.unit.clone()),
        Cell::Text(labels_text(&series.labels)),
    ];
    let none = || Cell::Absent;
    cells.extend(match value {
        Value::Reading(Reading::Gauge(value)) => {
            [Cell::Text("gauge".to_owned()), Cell::Real(*value), none(), none(), none(), none(), none()]
        }
        Value::Reading(Reading::Counter(total)) => {
            [Cell::Text("counter".to_owned()), Cell::Real(*total as f64), none(), none(), none(), none(), none()]
        }
        Value::Reading(Reading::Histogram(histogram)) => [
            Cell::Text("histogram".to_owned()),
            Cell::Real(histogram.sum),
            none(),
            none(),
            none(),
            number(histogram.count),
            json(&histogram.buckets),
        ],
        Value::Stretch(_, summary) => [
            Cell::Text("stretch".to_owned()),
            Cell::Real(summary.mean),
            Cell::Real(summary.min),
            Cell::Real(summary.max),
            Cell::Real(summary.last),
            number(summary.count),
            none(),
        ],
    });
    cells
}

fn number(number: u64) -> Cell {
    Cell::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(at: Wall) -> Cell {
    Cell::Number(at.0.div_euclid(1_000))
}

fn given<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
    value.map_or(Cell::Absent, cell)
}

fn json(value: &impl Serialize) -> Cell {
    Cell::Text(serde_json::to_string(value).unwrap_or_default())
}

/// The word that an enumeration is written as.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
