//! What `[heartbeat]` says: sections, the directory of signs of life, thresholds, the dead man's switch.

use std::path::PathBuf;

use super::super::check::shorten;
use super::super::raw;
use super::super::settings::{DeadMan, Heartbeat, SecretRef, Thresholds};
use super::name::NameRule;
use super::{At, Judge};

impl Judge<'_> {
    /// The settings, and the directory in which daemons leave signs of life.
    pub(super) fn heartbeat(&mut self, raw: raw::Heartbeat, at: &At<'_>) -> (Heartbeat, Option<PathBuf>) {
        let sections_at = at.key("sections");
        for (index, section) in raw.sections.iter().enumerate() {
            let at = sections_at.item(index);
            self.name(section, &at, NameRule::SECTION);
            if raw.sections[..index].contains(section) {
                self.fault(&at, format!("`{}` is there twice", shorten(section)));
            }
        }
        let dir = raw.dir.as_ref().map(|dir| self.path(dir, &at.key("dir")));
        let own_file = raw.own_file.as_ref().and_then(|name| {
            let at = at.key("own_file");
            if name.contains('/') || name == "." || name == ".." {
                self.fault_with(&at, "must be a name, not a path", "it stands in `dir`");
            }
            if dir.is_none() {
                self.fault_with(&at, "has no directory to stand in", "set `heartbeat.dir`");
            }
            dir.as_ref().map(|dir| dir.join(name))
        });
        let thresholds = Thresholds {
            unhealthy_below_percent: raw.thresholds.unhealthy_below_percent,
            critical_below_percent: raw.thresholds.critical_below_percent,
        };
        if thresholds.critical_below_percent > thresholds.unhealthy_below_percent {
            let problem = "is above `unhealthy_below_percent`: what is critical would not be unhealthy";
            self.fault(&at.key("thresholds").key("critical_below_percent"), problem);
        }
        let url = match (&raw.dead_man_url_file, &raw.dead_man_url_env) {
            (Some(_), Some(_)) => {
                let problem = "is there beside `dead_man_url_file`";
                self.fault_with(&at.key("dead_man_url_env"), problem, "name one of them");
                None
            }
            (Some(file), None) => Some(SecretRef::File(self.path(file, &at.key("dead_man_url_file")))),
            (None, Some(variable)) => Some(SecretRef::Env(variable.clone())),
            (None, None) => None,
        };
        let dead_man = url.map(|url| DeadMan { url, every: raw.dead_man_every.0, up_to: raw.dead_man_up_to });
        let heartbeat = Heartbeat {
            every: raw.every.0,
            sections: raw.sections,
            keep_raw: raw.keep_raw.0,
            own_file,
            thresholds,
            dead_man,
        };
        (heartbeat, dir)
    }
}
