//! One line of a package manager's log. Lines that tell of nothing that changed (states, triggers, downloads) are none.

use serde::{Deserialize, Serialize};

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `2026-11-21 10:00:00 upgrade nginx:amd64 1.0 1.1` (dpkg(1)).
    Dpkg,
    /// `2026-11-21T10:00:00+0000 SUBDEBUG Upgrade: nginx-1.1-1.x86_64`.
    Rpm,
    /// `2026-11-21 10:00:00|install|nginx|1.1-1|x86_64|root@host|...`.
    Zypp,
    /// `[2026-11-21T10:00:00+0000] [ALPM] upgraded nginx (1.0-1 -> 1.1-1)`.
    Pacman,
}

/// What happened to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Installed,
    Upgraded,
    Downgraded,
    Removed,
    Reinstalled,
}

impl Action {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Removed => "removed",
            Self::Reinstalled => "reinstalled",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// As the log has it: dpkg and zypper write local time.
    pub(crate) at: String,
    pub(crate) action: Action,
    pub(crate) package: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
}

/// What a line tells.
pub(crate) fn line(format: Format, line: &str) -> Option<Change> {
    match format {
        Format::Dpkg => dpkg(line),
        Format::Rpm => rpm(line),
        Format::Zypp => zypp(line),
        Format::Pacman => pacman(line),
    }
}

fn change(at: String, action: Action, package: &str, from: Option<&str>, to: Option<&str>) -> Option<Change> {
    let owned = |text: &str| text.chars().take(256).collect::<String>();
    (!package.is_empty()).then(|| Change {
        at,
        action,
        package: owned(package),
        from: from.map(owned),
        to: to.map(owned),
    })
}

fn dpkg(line: &str) -> Option<Change> {
    let words: Vec<&str> = line.split(' ').collect();
    let [date, time, action, package, from, to, ..] = words.as_slice() else { return None };
    let version = |text: &'_ str| text != "<none>";
    let (from, to) = (Some(*from).filter(|from| version(from)), Some(*to).filter(|to| version(to)));
    let (action, from, to) = match *action {
        "install" => (Action::Installed, None, to),
        "upgrade" => (Action::Upgraded, from, to),
        // Purging what was removed before changes nothing that runs.
        "remove" => (Action::Removed, from, None),
        _ => return None,
    };
    change(format!("{date}T{time}"), action, package, from, to)
}

fn rpm(line: &str) -> Option<Change> {
    let (at, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once(' ')?;
    let (action, package) = rest.trim_start().split_once(": ")?;
    let action = match action {
        "Installed" => Action::Installed,
        // `Upgrade` names the new one, `Upgraded` the old one that it takes the place of.
        "Upgrade" => Action::Upgraded,
        "Downgrade" => Action::Downgraded,
        "Erase" | "Removed" => Action::Removed,
        "Reinstall" => Action::Reinstalled,
        _ => return None,
    };
    // name-version-release.arch
    let package = package.trim();
    let mut parts = package.rsplitn(3, '-');
    let (release, version, name) = (parts.next()?, parts.next(), parts.next());
    match (version, name) {
        (Some(version), Some(name)) => {
            let version = format!("{version}-{release}");
            match action {
                Action::Removed => change(at.to_owned(), action, name, Some(&version), None),
                _ => change(at.to_owned(), action, name, None, Some(&version)),
            }
        }
        _ => change(at.to_owned(), action, package, None, None),
    }
}

fn zypp(line: &str) -> Option<Change> {
    let mut fields = line.split('|').map(str::trim);
    let at = fields.next().filter(|at| !at.starts_with('#'))?.replacen(' ', "T", 1);
    let (action, package, version) = (fields.next()?, fields.next()?, fields.next()?);
    match action {
        "install" => change(at, Action::Installed, package, None, Some(version)),
        "remove" => change(at, Action::Removed, package, Some(version), None),
        _ => None,
    }
}

fn pacman(line: &str) -> Option<Change> {
    let (at, rest) = line.strip_prefix('[')?.split_once("] [ALPM] ")?;
    let (action, rest) = rest.split_once(' ')?;
    let (package, versions) = rest.split_once(" (")?;
    let versions = versions.strip_suffix(')')?;
    let (from, to) = versions.split_once(" -> ").unzip();
    match action {
        "installed" => change(at.to_owned(), Action::Installed, package, None, Some(versions)),
        "upgraded" => change(at.to_owned(), Action::Upgraded, package, from, to),
        "downgraded" => change(at.to_owned(), Action::Downgraded, package, from, to),
        "removed" => change(at.to_owned(), Action::Removed, package, Some(versions), None),
        "reinstalled" => change(at.to_owned(), Action::Reinstalled, package, None, Some(versions)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Action, package, from and to, with dashes for none.
    fn told(format: Format, text: &str) -> String {
        match line(format, text) {
            None => "nothing".to_owned(),
            Some(change) => format!(
                "{} {} {} {} {}",
                change.at,
                change.action.word(),
                change.package,
                change.from.as_deref().unwrap_or("-"),
                change.to.as_deref().unwrap_or("-")
            ),
        }
    }

    #[test]
    fn lines_of_real_logs() {
        for (format, text, wanted) in [
            (
                Format::Dpkg,
                "2026-11-21 10:00:00 upgrade libc6:amd64 2.36-9 2.36-10",
                "2026-11-21T10:00:00 upgraded libc6:amd64 2.36-9 2.36-10",
            ),
            (
                Format::Dpkg,
                "2026-11-21 10:00:00 install curl:amd64 <none> 8.1",
                "2026-11-21T10:00:00 installed curl:amd64 - 8.1",
            ),
            (
                Format::Dpkg,
                "2026-11-21 10:00:00 remove curl:amd64 8.1 <none>",
                "2026-11-21T10:00:00 removed curl:amd64 8.1 -",
            ),
            (Format::Dpkg, "2026-11-21 10:00:00 status half-installed curl:amd64 8.1", "nothing"),
            (Format::Dpkg, "2026-11-21 10:00:00 startup archives unpack", "nothing"),
            (
                Format::Rpm,
                "2026-11-21T10:00:00+0000 SUBDEBUG Installed: vim-enhanced-2:9.1.1-3.fc40.x86_64",
                "2026-11-21T10:00:00+0000 installed vim-enhanced - 2:9.1.1-3.fc40.x86_64",
            ),
            (
                Format::Rpm,
                "2026-11-21T10:00:00+0000 SUBDEBUG Erase: telnet-0.17-90.fc40.x86_64",
                "2026-11-21T10:00:00+0000 removed telnet 0.17-90.fc40.x86_64 -",
            ),
            (Format::Rpm, "2026-11-21T10:00:00+0000 SUBDEBUG Upgraded: old-1-1.x86_64", "nothing"),
            (Format::Rpm, "2026-11-21T10:00:00+0000 INFO --- logging initialized ---", "nothing"),
            (
                Format::Zypp,
                "2026-11-21 10:00:00|install|nginx|1.21-1|x86_64||repo|abc|",
                "2026-11-21T10:00:00 installed nginx - 1.21-1",
            ),
            (Format::Zypp, "# 2026-11-21 10:00:00 Additional rpm output:", "nothing"),
            (
                Format::Pacman,
                "[2026-11-21T10:00:00+0000] [ALPM] upgraded linux (6.1-1 -> 6.2-1)",
                "2026-11-21T10:00:00+0000 upgraded linux 6.1-1 6.2-1",
            ),
            (Format::Pacman, "[2026-11-21T10:00:00+0000] [PACMAN] Running 'pacman -Syu'", "nothing"),
        ] {
            assert_eq!(told(format, text), wanted, "{text}");
        }
    }
}
