//! Comparing two JSON bodies by their form alone.
//!
//! Owns: the walk, and what counts as noise. Must not know: what a body means.
//!
//! A path is written as `filesystems[/home].read_only`: members of an array that have a name are matched by it, so
//! that one more of them is one change and not a change of all that follow.

use serde_json::{Map, Value as Json};

use super::{Adder, Mood};
use crate::model::Wall;

/// Keys by which members of an array are matched, the first that all have.
const NAMES: [&str; 6] = ["name", "id", "key", "mount", "path", "pid"];
/// How deep the walk goes; what differs below is one change.
const MAX_DEPTH: usize = 32;
/// The longest value that is shown in a line.
const MAX_SHOWN: usize = 60;

/// Adds what differs. Without `everything`, numbers and times are noise: they differ always and mean nothing here.
pub(super) fn compare(changes: &mut Adder<'_>, from: &Json, to: &Json, everything: bool) {
    walk(changes, &mut String::new(), from, to, everything, 0);
}

fn walk(changes: &mut Adder<'_>, path: &mut String, from: &Json, to: &Json, everything: bool, depth: usize) {
    if from == to {
        return;
    }
    match (from, to) {
        (Json::Object(before), Json::Object(after)) if depth < MAX_DEPTH => {
            walk_members(changes, path, before, after, everything, depth);
        }
        (Json::Array(before), Json::Array(after)) if depth < MAX_DEPTH => {
            match NAMES.iter().find(|name| all_have(before, name) && all_have(after, name)) {
                Some(name) => walk_named(changes, path, name, (before, after), everything, depth),
                None => walk_places(changes, path, before, after, everything, depth),
            }
        }
        _ if !everything && is_noise(from) && is_noise(to) => {}
        _ => {
            let text = format!("{path}: {} → {}", shown(from), shown(to));
            changes.add("changed", path, Mood::Neutral, text, from.clone(), to.clone());
        }
    }
}

fn walk_members(
    changes: &mut Adder<'_>,
    path: &mut String,
    before: &Map<String, Json>,
    after: &Map<String, Json>,
    everything: bool,
    depth: usize,
) {
    for (key, was) in before {
        at(path, &format!(".{key}"), |path| match after.get(key) {
            Some(is) => walk(changes, path, was, is, everything, depth + 1),
            None => gone(changes, path, was, everything),
        });
    }
    for (key, is) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        at(path, &format!(".{key}"), |path| new(changes, path, is, everything));
    }
}

fn walk_named(
    changes: &mut Adder<'_>,
    path: &mut String,
    name: &str,
    (before, after): (&[Json], &[Json]),
    everything: bool,
    depth: usize,
) {
    for was in before {
        let is = after.iter().find(|is| is[name] == was[name]);
        at(path, &format!("[{}]", plain(&was[name])), |path| match is {
            Some(is) => walk(changes, path, was, is, everything, depth + 1),
            // Processes come and go by their numbers.
            None if name == "pid" && !everything => {}
            None => gone(changes, path, was, true),
        });
    }
    for is in after.iter().filter(|is| !before.iter().any(|was| was[name] == is[name])) {
        if name != "pid" || everything {
            at(path, &format!("[{}]", plain(&is[name])), |path| new(changes, path, is, true));
        }
    }
}

fn walk_places(
    changes: &mut Adder<'_>,
    path: &mut String,
    before: &[Json],
    after: &[Json],
    everything: bool,
    depth: usize,
) {
    for place in 0..before.len().max(after.len()) {
        at(path, &format!("[{place}]"), |path| match (before.get(place), after.get(place)) {
            (Some(was), Some(is)) => walk(changes, path, was, is, everything, depth + 1),
            (Some(was), None) => gone(changes, path, was, everything),
            (None, Some(is)) => new(changes, path, is, everything),
            (None, None) => {}
        });
    }
}

fn gone(changes: &mut Adder<'_>, path: &str, was: &Json, everything: bool) {
    if everything || !is_noise(was) {
        changes.add("gone", path, Mood::Neutral, format!("{path}: gone"), was.clone(), Json::Null);
    }
}

fn new(changes: &mut Adder<'_>, path: &str, is: &Json, everything: bool) {
    if everything || !is_noise(is) {
        changes.add("new", path, Mood::Neutral, format!("{path}: new, {}", shown(is)), Json::Null, is.clone());
    }
}

fn at(path: &mut String, part: &str, go: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(if length == 0 { part.trim_start_matches('.') } else { part });
    go(path);
    path.truncate(length);
}

fn all_have(members: &[Json], name: &str) -> bool {
    members.iter().all(|member| matches!(member.get(name), Some(Json::String(_) | Json::Number(_))))
}

fn is_noise(value: &Json) -> bool {
    match value {
        Json::Number(_) | Json::Null => true,
        Json::String(text) => Wall::parse_rfc3339(text).is_some(),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => false,
    }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Json) -> String {
    let text = plain(value);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
