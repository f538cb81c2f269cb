//! One patch: what its name and its content say of it, brought together.
//!
//! Owns which source wins and the order of patches. Knows nothing of files.

use std::cmp::Ordering;

use serde::Serialize;

use crate::config::State;
use crate::facts::{Content, Facts};
use crate::name;
use crate::time;
use crate::version::{Phase, Version};

/// A file of the queue that is a patch, or may be one.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The folder that it lies in; `.` is the queue directory itself.
    pub folder: String,
    /// The name of the file.
    pub file: String,
    /// What the folder says of it.
    pub state: State,
    /// Its own id, else the name of the file without `.json`.
    pub id: String,
    /// See [`version_of`].
    pub version: Option<Version>,
    /// Its own phase, else that of its id or name.
    pub phase: Option<Phase>,
    /// Its own time, else that of the file; milliseconds since the epoch.
    pub time_ms: i64,
    /// Where the time comes from.
    pub time_from: TimeFrom,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// When the file was last written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// What the content is; none where it was not read.
    pub content: Option<Content>,
}

/// Whose word a time is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFrom {
    /// It stands in the patch.
    Patch,
    /// The file's last change. A move from folder to folder leaves it as it is.
    File,
}

impl Patch {
    /// Brings together what is known of a file. `facts` are none where its content was not read.
    #[must_use]
    pub fn new(
        folder: &str,
        file: &str,
        state: State,
        size_bytes: u64,
        modified_ms: i64,
        facts: Option<&Facts>,
    ) -> Self {
        let nothing = Facts::default();
        let facts = facts.unwrap_or(&nothing);
        let own_time = facts.time.as_deref().and_then(time::parse);
        let (time_ms, time_from) = own_time.map_or((modified_ms, TimeFrom::File), |ms| (ms, TimeFrom::Patch));
        let counted = Self::counted(folder, file, state, size_bytes, modified_ms);
        Self {
            id: facts.id.clone().unwrap_or_else(|| counted.id.clone()),
            version: version_of(facts, file),
            phase: phase_of(facts, file),
            time_ms,
            time_from,
            ..counted
        }
    }

    /// A file that is counted and not looked at: neither its content nor its name is read.
    #[must_use]
    pub fn counted(folder: &str, file: &str, state: State, size_bytes: u64, modified_ms: i64) -> Self {
        Self {
            folder: folder.to_owned(),
            file: file.to_owned(),
            state,
            id: name::stem(file).to_owned(),
            version: None,
            phase: None,
            time_ms: modified_ms,
            time_from: TimeFrom::File,
            size_bytes,
            modified_ms,
            content: None,
        }
    }

    /// Whether it counts as a patch: unread files are given the benefit of the doubt.
    #[must_use]
    pub fn is_patch(&self) -> bool {
        matches!(self.content, None | Some(Content::Patch | Content::Cut))
    }

    /// Its path below the root.
    #[must_use]
    pub fn path(&self) -> String {
        path(&self.folder, &self.file)
    }
}

/// The path of a file in a folder below the root.
#[must_use]
pub fn path(folder: &str, file: &str) -> String {
    if folder == "." { file.to_owned() } else { format!("{folder}/{file}") }
}

/// By version, then by phase, then by time: the later patch is the greater. Those without a version come
/// first, whatever their time. The path decides between what is otherwise equal, so that the order is
/// the same every time.
#[must_use]
pub fn order(a: &Patch, b: &Patch) -> Ordering {
    (a.version.as_ref().cmp(&b.version.as_ref()))
        .then_with(|| a.phase.as_ref().cmp(&b.phase.as_ref()))
        .then_with(|| a.time_ms.cmp(&b.time_ms))
        .then_with(|| (&a.folder, &a.file).cmp(&(&b.folder, &b.file)))
}

/// The version that an id or a name tells (`patch-v3.3.19(...)`) wins over a bare `version`: in patches
/// whose id has one, `version` is often that of the patch format, `1.0.0` in all of them.
fn version_of(facts: &Facts, file: &str) -> Option<Version> {
    let labels = [facts.version.as_deref(), facts.id.as_deref(), Some(file)];
    let in_a_label = labels.into_iter().flatten().filter(|text| Version::parse(text).is_none());
    in_a_label
        .filter_map(|text| name::parse(text).version)
        .next()
        .or_else(|| facts.version.as_deref().and_then(Version::parse))
}

fn phase_of(facts: &Facts, file: &str) -> Option<Phase> {
    let own = facts.phase.as_deref().and_then(Phase::parse);
    let labels = [facts.phase.as_deref(), facts.version.as_deref(), facts.id.as_deref(), Some(file)];
    own.or_else(|| labels.into_iter().flatten().find_map(|text| name::parse(text).phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(file: &str, content: &str, modified_ms: i64) -> Patch {
        let (facts, _) = crate::facts::read(content.as_bytes(), true);
        Patch::new(".completed", file, State::Completed, content.len() as u64, modified_ms, Some(&facts))
    }

    fn version(patch: &Patch) -> Option<&str> {
        patch.version.as_ref().map(Version::text)
    }

    fn phase(patch: &Patch) -> Option<&str> {
        patch.phase.as_ref().map(Phase::text)
    }

    #[test]
    fn the_version_of_the_id_wins_over_that_of_the_format() {
        let id = "patch-v3.3.19(P11.12.06)_some-slug";
        for content in [
            format!(r#"{{"id":"{id}","version":"1.0.0"}}"#),
            format!(r#"{{"blockId":"{id}","version":"v3.3.19"}}"#),
            format!(r#"{{"version":"{id}"}}"#),
            r#"{"version":"v3.3.19","phase":"P11.12.06"}"#.to_owned(),
        ] {
            let patch = patch("patch-some.json", &content, 0);
            assert_eq!((version(&patch), phase(&patch)), (Some("3.3.19"), Some("P11.12.06")), "{content}");
        }
        let named = patch(&format!("{id}.json"), r#"{"version":"1.0.0"}"#, 0);
        assert_eq!((version(&named), phase(&named), named.id.as_str()), (Some("3.3.19"), Some("P11.12.06"), id));
    }

    #[test]
    fn what_only_the_content_tells_is_taken_from_it() {
        let patch = patch("patch-bare.json", r#"{"version":"1.0.0","phase":"6.01.01","timestamp":1753099200}"#, 5);
        assert_eq!((version(&patch), phase(&patch)), (Some("1.0.0"), Some("P6.01.01")));
        assert_eq!((patch.time_ms, patch.time_from), (1_753_099_200_000, TimeFrom::Patch));
    }

    #[test]
    fn a_time_that_is_none_gives_way_to_the_files() {
        let patch = patch("patch-a.json", r#"{"id":"a","timestamp":"last tuesday"}"#, 42);
        assert_eq!((patch.time_ms, patch.time_from), (42, TimeFrom::File));
    }

    #[test]
    fn order_goes_by_version_then_phase_then_time_and_never_by_name() {
        let ordered = [
            patch("zzz-no-version.json", r#"{"id":"z","timestamp":"2026-01-01"}"#, 0),
            patch("patch-v1.0.0(P9.1)_z.json", "{}", 9),
            patch("patch-v3.3.9(P8.9.01)_z.json", "{}", 8),
            patch("patch-v3.3.9(P8.10.03)_a.json", "{}", 7),
            patch("patch-v3.3.19(P1.1)_b.json", r#"{"id":"b","timestamp":"2025-01-01"}"#, 6),
            patch("patch-v3.3.19(P1.1)_a.json", r#"{"id":"a","timestamp":"2025-01-02"}"#, 5),
        ];
        for pair in ordered.windows(2) {
            assert_eq!(order(&pair[0], &pair[1]), Ordering::Less, "{} < {}", pair[0].file, pair[1].file);
        }
    }
}
