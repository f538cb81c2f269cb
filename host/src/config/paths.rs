//! Where things are: the configuration file, the data directory, the runtime directory. Owns the rules by
//! which they are chosen; creates nothing and looks at no file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that names the configuration file.
pub const CONFIG_VARIABLE: &str = "GHOSTD_CONFIG";
/// The variable that names the data directory.
pub const DATA_DIR_VARIABLE: &str = "GHOSTD_DATA_DIR";

/// What the choice depends on.
pub struct Surroundings<'a> {
    /// Whether this process runs as root.
    pub root: bool,
    /// Whether this is macOS, where there is no `/run` and daemons keep their data in `/var/db`.
    pub macos: bool,
    /// The working directory, for relative arguments.
    pub working_directory: PathBuf,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

/// The places that were chosen, all absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The configuration file; it need not exist unless it was named.
    pub config_file: PathBuf,
    /// Who named it; none where it is the usual one.
    pub config_named_by: Option<&'static str>,
    /// Snapshots, database, audit log.
    pub data_dir: PathBuf,
    /// Who named it; none where it is the usual one.
    pub data_dir_named_by: Option<&'static str>,
    /// Sockets; gone after a reboot.
    pub runtime_dir: PathBuf,
    /// The control socket, unless the configuration names another. Each data directory has one of its own, since two
    /// daemons of one user may run side by side.
    pub control_socket: PathBuf,
}

/// Why no place can be chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathsError {
    /// Nothing says where this user's files are.
    #[error(
        "cannot tell where to keep {what}: neither `{variable}` nor `HOME` is set to an absolute path (name it by `{argument}`)"
    )]
    NoHome {
        /// The configuration or the data.
        what: &'static str,
        /// The XDG variable.
        variable: &'static str,
        /// The argument that helps.
        argument: &'static str,
    },
    /// An argument or variable is there and empty.
    #[error("`{named_by}` is empty (name a path, or leave it out)")]
    Empty {
        /// The argument or variable.
        named_by: &'static str,
    },
}

impl Paths {
    /// Arguments go before `GHOSTD_*` variables, these before the usual places: `/etc/ghostd`, `/var/lib/ghostd` and
    /// `/run/ghostd` for root, the XDG directories for everybody else (on macOS too, as command-line tools have it
    /// there; root's data is in `/var/db/ghostd` and its sockets in `/var/run/ghostd`).
    ///
    /// # Errors
    /// Something is named by an empty text, or there is no home to derive a place from.
    pub fn choose(arguments: &Arguments, around: &Surroundings<'_>) -> Result<Self, PathsError> {
        let named = |argument: &Option<PathBuf>, flag, variable| {
            let by_variable = || (around.variable)(variable).map(|path| (PathBuf::from(path), variable));
            match argument.clone().map(|path| (path, flag)).or_else(by_variable) {
                Some((path, named_by)) if path.as_os_str().is_empty() => Err(PathsError::Empty { named_by }),
                Some((path, named_by)) => Ok(Some((around.working_directory.join(path), named_by))),
                None => Ok(None),
            }
        };
        let usual = Usual { around };
        let (config_file, config_named_by) = match named(&arguments.config, "--config", CONFIG_VARIABLE)? {
            Some((path, by)) => (path, Some(by)),
            None => (usual.config_file()?, None),
        };
        let (data_dir, data_dir_named_by) = match named(&arguments.data_dir, "--data-dir", DATA_DIR_VARIABLE)? {
            Some((path, by)) => (path, Some(by)),
            None => (usual.data_dir()?, None),
        };
        let runtime_dir = usual.runtime_dir(&data_dir);
        let control_socket = if usual.data_dir().as_ref() == Ok(&data_dir) {
            runtime_dir.join("control.sock")
        } else {
            let digest = fnv1a(data_dir.as_os_str().as_encoded_bytes());
            runtime_dir.join(format!("control-{digest:016x}.sock"))
        };
        Ok(Self { config_file, config_named_by, data_dir, data_dir_named_by, runtime_dir, control_socket })
    }

    /// The directory that relative paths of the configuration start from.
    pub fn config_dir(&self) -> PathBuf {
        self.config_file.parent().unwrap_or(Path::new("/")).to_owned()
    }
}

/// The places where nothing is named.
struct Usual<'a> {
    around: &'a Surroundings<'a>,
}

impl Usual<'_> {
    /// A directory from a variable; a relative one does not count (XDG Base Directory Specification).
    fn directory(&self, variable: &str) -> Option<PathBuf> {
        (self.around.variable)(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    fn below_home(
        &self,
        variable: &'static str,
        below: &str,
        what: &'static str,
        argument: &'static str,
    ) -> Result<PathBuf, PathsError> {
        let home = || self.directory("HOME").map(|home| home.join(below));
        self.directory(variable).or_else(home).map(|directory| directory.join("ghostd")).ok_or(PathsError::NoHome {
            what,
            variable,
            argument,
        })
    }

    fn config_file(&self) -> Result<PathBuf, PathsError> {
        if self.around.root {
            return Ok("/etc/ghostd/config.toml".into());
        }
        let directory = self.below_home("XDG_CONFIG_HOME", ".config", "the configuration", "--config")?;
        Ok(directory.join("config.toml"))
    }

    fn data_dir(&self) -> Result<PathBuf, PathsError> {
        match (self.around.root, self.around.macos) {
            (true, false) => Ok("/var/lib/ghostd".into()),
            (true, true) => Ok("/var/db/ghostd".into()),
            (false, _) => self.below_home("XDG_DATA_HOME", ".local/share", "the data", "--data-dir"),
        }
    }

    /// Where there is no runtime directory (no login session), a directory of the data's own.
    fn runtime_dir(&self, data_dir: &Path) -> PathBuf {
        match (self.around.root, self.around.macos) {
            (true, false) => "/run/ghostd".into(),
            (true, true) => "/var/run/ghostd".into(),
            (false, _) => match self.directory("XDG_RUNTIME_DIR") {
                Some(directory) => directory.join("ghostd"),
                None => data_dir.join("run"),
            },
        }
    }
}

/// FNV-1a, 64 bits: tells directories apart in a file name, nothing more.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(root: bool, arguments: &Arguments, variables: &[(&str, &str)]) -> Result<Paths, PathsError> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let around = Surroundings { root, macos: false, working_directory: "/work".into(), variable: &variable };
        Paths::choose(arguments, &around)
    }

    #[test]
    fn root_uses_the_systems_directories_whatever_its_home_is() {
        let paths = choose(true, &Arguments::default(), &[("HOME", "/root"), ("XDG_DATA_HOME", "/x")]).unwrap();
        assert_eq!(paths.config_file, Path::new("/etc/ghostd/config.toml"));
        assert_eq!(paths.data_dir, Path::new("/var/lib/ghostd"));
        assert_eq!(paths.control_socket, Path::new("/run/ghostd/control.sock"));
        assert_eq!(paths.config_named_by, None);
    }

    #[test]
    fn everybody_else_uses_the_xdg_directories() {
        let paths = choose(false, &Arguments::default(), &[("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/7")]);
        let paths = paths.unwrap();
        assert_eq!(paths.config_file, Path::new("/home/u/.config/ghostd/config.toml"));
        assert_eq!(paths.data_dir, Path::new("/home/u/.local/share/ghostd"));
        assert_eq!(paths.runtime_dir, Path::new("/run/user/7/ghostd"));
        let variables = [("HOME", "/home/u"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "relative")];
        let paths = choose(false, &Arguments::default(), &variables).unwrap();
        assert_eq!(paths.config_file, Path::new("/c/ghostd/config.toml"));
        assert_eq!(paths.data_dir, Path::new("/home/u/.local/share/ghostd"), "a relative variable does not count");
        assert_eq!(paths.runtime_dir, Path::new("/home/u/.local/share/ghostd/run"));
    }

    #[test]
    fn arguments_go_before_variables() {
        let variables = [(CONFIG_VARIABLE, "env.toml"), (DATA_DIR_VARIABLE, "/env")];
        let paths = choose(true, &Arguments::default(), &variables).unwrap();
        assert_eq!(
            (paths.config_file.as_path(), paths.data_dir.as_path()),
            (Path::new("/work/env.toml"), Path::new("/env"))
        );
        assert_eq!(paths.config_named_by, Some(CONFIG_VARIABLE));
        let arguments = Arguments { config: Some("arg.toml".into()), data_dir: Some("data".into()) };
        let paths = choose(true, &arguments, &variables).unwrap();
        assert_eq!(
            (paths.config_file.as_path(), paths.data_dir.as_path()),
            (Path::new("/work/arg.toml"), Path::new("/work/data"))
        );
        assert_eq!(paths.data_dir_named_by, Some("--data-dir"));
    }

    #[test]
    fn each_data_directory_has_its_own_socket() {
        let at = |data: &str| {
            let arguments = Arguments { data_dir: Some(data.into()), ..Arguments::default() };
            choose(true, &arguments, &[]).unwrap().control_socket
        };
        assert_ne!(at("/a"), at("/b"));
        assert_eq!(at("/a"), at("/a"));
        assert_eq!(at("/var/lib/ghostd"), Path::new("/run/ghostd/control.sock"), "the usual one, though named");
    }

    #[test]
    fn without_a_home_the_message_says_what_to_name() {
        let error = choose(false, &Arguments::default(), &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot tell where to keep the configuration: neither `XDG_CONFIG_HOME` nor `HOME` is set to an absolute \
             path (name it by `--config`)"
        );
        let arguments = Arguments { config: Some("/c.toml".into()), data_dir: Some("".into()) };
        assert_eq!(choose(false, &arguments, &[]), Err(PathsError::Empty { named_by: "--data-dir" }));
    }
}
