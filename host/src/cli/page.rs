//! A section of a snapshot as somebody would want to read it.
//!
//! The sections of the built-in collectors are told by what they mean; every other as an outline, lists of objects as
//! tables. Nothing is left out of `--section KEY` or `--json`.

use serde_json::{Map, Value as Json};

use super::output;

/// The longest list that is shown whole.
const SHOWN: usize = 20;
/// The most columns of a table of what nobody knows the meaning of.
const MAX_COLUMNS: usize = 8;
/// The longest text in such a table.
const MAX_CELL: usize = 60;

/// Prints a section by what it means where that is known, and as an outline otherwise.
pub(crate) fn section(schema: &str, body: &Json) {
    let family = schema.split('/').next().unwrap_or_default();
    let rows = match family {
        "ghost.daemon" => daemons(body),
        "ghost.metric" => machine(body),
        "ghost.processes" => processes(body),
        "ghost.clock" => clock(body),
        "ghost.patch" => patches(body),
        "ghost.telemetry" => telemetry(body),
        _ => None,
    };
    match rows {
        Some(rows) => rows.into_iter().for_each(|row| output::line(format!("  {row}").trim_end())),
        None => outline(body, 1),
    }
}

fn daemons(body: &Json) -> Option<Vec<String>> {
    let daemons = body["daemons"].as_array()?;
    if daemons.is_empty() {
        return Some(vec!["none is watched".to_owned()]);
    }
    let mut table = output::Table::new(&["NAME", "STATUS", "PID", "UP FOR", "CPU", "MEMORY", "RESTARTS", "REASON"]);
    for daemon in daemons {
        table.row([
            text(&daemon["name"]),
            text(&daemon["status"]),
            text(&daemon["pid"]),
            seconds(&daemon["uptime_seconds"]),
            percent(&daemon["cpu_percent"]),
            size(&daemon["memory_bytes"]),
            text(&daemon["restart_count"]),
            if daemon["reason"].is_null() { String::new() } else { text(&daemon["reason"]) },
        ]);
    }
    Some(table.lines())
}

fn machine(body: &Json) -> Option<Vec<String>> {
    let (cpu, memory) = (body.get("cpu")?, body.get("memory")?);
    let mut rows = Vec::new();
    let load: Vec<String> =
        list(&cpu["load_average"]).filter_map(Json::as_f64).map(|load| format!("{load:.2}")).collect();
    rows.push(format!(
        "cpu        {} of {} cores, load {}",
        percent(&cpu["usage_percent"]),
        text(&cpu["count"]),
        load.join(" ")
    ));
    rows.push(format!(
        "memory     {} of {} used ({}), {} available",
        size(&memory["used_bytes"]),
        size(&memory["total_bytes"]),
        percent(&memory["usage_percent"]),
        size(&memory["available_bytes"])
    ));
    if memory["swap_total_bytes"].as_u64().is_some_and(|total| total > 0) {
        let (used, total) = (size(&memory["swap_used_bytes"]), size(&memory["swap_total_bytes"]));
        rows.push(format!("swap       {used} of {total} used"));
    }
    if let Some(pressure) = body["pressure"].as_object().filter(|pressure| !pressure.is_empty()) {
        let some = pressure.iter().map(|(name, value)| format!("{name} {}", inline(value)));
        rows.push(format!("pressure   {}", some.collect::<Vec<_>>().join("; ")));
    }
    if let Some(files) = body.get("open_files").filter(|files| !files.is_null()) {
        rows.push(format!("open files {}", inline(files)));
    }
    if let Some(connections) = body.get("connections").filter(|connections| !connections.is_null()) {
        rows.push(format!(
            "sockets    {} tcp, {} udp, {} unix",
            text(&connections["tcp_total"]),
            text(&connections["udp"]),
            text(&connections["unix"])
        ));
    }
    let mut filesystems = output::Table::new(&["MOUNT", "USED", "OF", "", "AVAILABLE", "DEVICE"]);
    for one in list(&body["filesystems"]).take(SHOWN) {
        filesystems.row([
            text(&one["mount"]),
            size(&one["used_bytes"]),
            size(&one["total_bytes"]),
            percent(&one["usage_percent"]),
            if one["error"].is_null() { size(&one["available_bytes"]) } else { text(&one["error"]) },
            text(&one["device"]),
        ]);
    }
    let mut interfaces = output::Table::new(&["INTERFACE", "STATE", "RECEIVED", "/s", "SENT", "/s"]);
    for one in list(&body["interfaces"]).take(SHOWN) {
        interfaces.row([
            text(&one["name"]),
            text(&one["state"]),
            size(&one["received_bytes"]),
            size(&one["received_bytes_per_second"]),
            size(&one["sent_bytes"]),
            size(&one["sent_bytes_per_second"]),
        ]);
    }
    for table in [filesystems, interfaces].into_iter().filter(|table| !table.is_empty()) {
        rows.extend(table.lines());
    }
    Some(rows)
}

fn processes(body: &Json) -> Option<Vec<String>> {
    let total = body.get("total")?;
    let mut rows = vec![format!("{} processes, {} threads", text(total), text(&body["threads"]))];
    let mut seen = Vec::new();
    let mut table = output::Table::new(&["PID", "NAME", "CPU", "MEMORY", "", "COMMAND"]);
    // The same process may be among the busiest and among the largest.
    for one in list(&body["top_cpu"]).take(5).chain(list(&body["top_memory"]).take(5)) {
        if seen.contains(&&one["pid"]) {
            continue;
        }
        seen.push(&one["pid"]);
        table.row([
            text(&one["pid"]),
            text(&one["name"]),
            percent(&one["cpu_percent"]),
            size(&one["resident_bytes"]),
            percent(&one["memory_percent"]),
            short(&text(&one["command_line"])),
        ]);
    }
    rows.extend(table.lines());
    Some(rows)
}

fn clock(body: &Json) -> Option<Vec<String>> {
    let status = body.get("status")?;
    let mut rows = vec![format!("{}: {}", text(status), text(&body["reason"]))];
    if let Some(offset) = body["offset_seconds"].as_f64() {
        let bound = body["offset_bound_seconds"].as_f64().map(|bound| format!(" ± {:.3} ms", bound * 1e3));
        rows.push(format!("offset {:+.3} ms{}, by {}", offset * 1e3, bound.unwrap_or_default(), text(&body["source"])));
    }
    if let Some(rate) = body["drift"]["rate_ppm"].as_f64() {
        rows.push(format!("drift {rate:+.3} ppm over {}", seconds(&body["drift"]["span_seconds"])));
    }
    if body["steps"]["count"].as_u64().is_some_and(|count| count > 0) {
        rows.push(format!("stepped {}", inline(&body["steps"])));
    }
    Some(rows)
}

fn patches(body: &Json) -> Option<Vec<String>> {
    if body.get("configured")? == false {
        return Some(vec!["no queue is lent to it".to_owned()]);
    }
    let queue = body["queue"].as_object()?;
    let counts: Vec<String> = queue.iter().map(|(state, count)| format!("{} {state}", text(count))).collect();
    let mut rows = vec![counts.join(", ")];
    let shown = |patch: &Json| format!("{} {} ({})", text(&patch["id"]), text(&patch["version"]), text(&patch["time"]));
    if !body["last_completed"].is_null() {
        rows.push(format!("last completed  {}", shown(&body["last_completed"])));
    }
    for running in list(&body["executing"]).take(SHOWN) {
        let stuck = if running["stuck"] == true { ", stuck" } else { "" };
        rows.push(format!("executing       {} for {}{stuck}", text(&running["id"]), seconds(&running["seconds"])));
    }
    for (what, named) in [("malformed", &body["malformed"]), ("no patches", &body["not_patches"])] {
        if named["count"].as_u64().is_some_and(|count| count > 0) {
            rows.push(format!("{what:<15} {}", inline(named)));
        }
    }
    Some(rows)
}

fn telemetry(body: &Json) -> Option<Vec<String>> {
    if body.get("configured")? == false {
        return Some(vec!["no files are lent to it".to_owned()]);
    }
    let mut table = output::Table::new(&["NAME", "STATUS", "AGE", "SIZE", "PATH", "ERROR"]);
    for file in list(&body["files"]) {
        table.row([
            text(&file["name"]),
            text(&file["status"]),
            seconds(&file["age_seconds"]),
            size(&file["size_bytes"]),
            text(&file["path"]),
            if file["error"].is_null() { String::new() } else { text(&file["error"]) },
        ]);
    }
    Some(table.lines())
}

/// Any JSON as an indented outline.
pub(crate) fn outline(value: &Json, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Json::Object(object) => {
            for (key, value) in object {
                match scalar(value) {
                    Some(text) => output::line(format!("{indent}{}: {text}", output::escaped(key))),
                    None => {
                        output::line(format!("{indent}{}:", output::escaped(key)));
                        outline(value, depth + 1);
                    }
                }
            }
        }
        Json::Array(items) => {
            let shown = &items[..items.len().min(SHOWN)];
            let objects: Vec<&Map<String, Json>> = shown.iter().filter_map(Json::as_object).collect();
            if objects.len() == shown.len() {
                table(&objects, &indent);
            } else {
                for item in shown {
                    output::line(format!("{indent}- {}", inline(item)));
                }
            }
            if items.len() > SHOWN {
                output::line(format!("{indent}… {} more (see --json)", items.len() - SHOWN));
            }
        }
        other => output::line(format!("{indent}{}", scalar(other).unwrap_or_default())),
    }
}

/// Objects as a table; with more keys than there is room for, each as one line.
fn table(objects: &[&Map<String, Json>], indent: &str) {
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in objects.iter().flat_map(|object| object.iter()).filter(|(_, value)| !value.is_null()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.len() > MAX_COLUMNS {
        for object in objects {
            let fields = object.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<String> =
                fields.map(|(key, value)| format!("{}={}", output::escaped(key), inline(value))).collect();
            output::line(format!("{indent}- {}", fields.join(" ")));
        }
        return;
    }
    let head: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let mut table = output::Table::new(&head);
    for object in objects {
        table.row(keys.iter().map(|key| object.get(*key).map_or_else(String::new, |value| short(&inline(value)))));
    }
    for row in table.lines() {
        output::line(format!("{indent}{row}"));
    }
}

/// Anything in one line.
fn inline(value: &Json) -> String {
    match value {
        Json::Object(object) if !object.is_empty() => {
            let fields = object.iter().filter(|(_, value)| !value.is_null());
            fields
                .map(|(key, value)| format!("{} {}", output::escaped(key), inline(value)))
                .collect::<Vec<_>>()
                .join(", ")
        }
        Json::Array(items) if !items.is_empty() => items.iter().map(inline).collect::<Vec<_>>().join(" "),
        other => scalar(other).unwrap_or_default(),
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::Null => Some("-".to_owned()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(value) => Some(value.to_string()),
        Json::String(text) => Some(output::escaped(text)),
        Json::Array(items) if items.is_empty() => Some("none".to_owned()),
        Json::Object(object) if object.is_empty() => Some("none".to_owned()),
        Json::Array(_) | Json::Object(_) => None,
    }
}

fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Json) -> String {
    scalar(value).unwrap_or_else(|| inline(value))
}

fn short(text: &str) -> String {
    if text.chars().count() <= MAX_CELL {
        return text.to_owned();
    }
    text.chars().take(MAX_CELL - 1).chain(['…']).collect()
}

fn size(value: &Json) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |bytes| output::bytes(bytes.max(0.0) as u64))
}

fn percent(value: &Json) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1} %"))
}

fn seconds(value: &Json) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), output::duration)
}
