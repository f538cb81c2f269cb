//! What a command line runs: the script among an interpreter's arguments.
//!
//! Owns the interpreters' option tables. Must not know which daemons are looked for.
//!
//! The tables hold only what changes where the script stands: options that take the next argument as their value, and
//! options after which there is no script at all because the program itself is an argument.

/// A command line taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// The arguments; the first is what the process calls itself.
    pub(super) arguments: Vec<&'a [u8]>,
    /// What an interpreter runs.
    pub(super) script: Option<Script<'a>>,
    /// A shell whose program is an argument: what that mentions is not what runs.
    pub(super) inline_shell: bool,
}

/// What an interpreter runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script<'a> {
    /// A file.
    File(&'a [u8]),
    /// A dotted name: a Python module, a Java class.
    Module(&'a [u8]),
}

impl<'a> Command<'a> {
    /// Takes apart arguments that are each ended by a zero byte.
    pub(super) fn parse(raw: &'a [u8]) -> Self {
        let end = raw.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let mut arguments: Vec<&[u8]> =
            if end == 0 { Vec::new() } else { raw[..end].split(|&byte| byte == 0).collect() };
        // A process that wrote its title over its arguments left one string.
        if let [title] = arguments[..] {
            let words: Vec<&[u8]> = title.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
            if words.len() > 1 && family(base_name(words[0])).is_some() {
                arguments = words;
            }
        }
        let found = find(&arguments);
        Self {
            script: match found {
                Found::Script(script) => Some(script),
                Found::Inline { .. } | Found::Nothing => None,
            },
            inline_shell: matches!(found, Found::Inline { shell: true }),
            arguments,
        }
    }

    /// The base name by which the process was started.
    pub(super) fn program(&self) -> &'a [u8] {
        self.arguments.first().map_or(&[], |first| base_name(first))
    }
}

impl Script<'_> {
    /// Whether it is the one that is meant: a path exactly, a name by the base name with or without its extension.
    pub(super) fn is(self, wanted: &str) -> bool {
        let wanted = wanted.as_bytes();
        match self {
            Script::File(path) if wanted.contains(&b'/') => path == wanted,
            Script::File(path) => {
                let base = base_name(path);
                base == wanted || stem(base) == wanted
            }
            Script::Module(name) => name == wanted || name.rsplit(|&byte| byte == b'.').next() == Some(wanted),
        }
    }
}

/// What follows the last slash.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

fn stem(base: &[u8]) -> &[u8] {
    match base.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 => &base[..dot],
        _ => base,
    }
}

enum Found<'a> {
    Script(Script<'a>),
    Inline { shell: bool },
    Nothing,
}

/// How one family of interpreters reads its arguments.
struct Family {
    names: &'static [&'static str],
    shell: bool,
    /// Letters whose value is the rest of the word, or else the next one.
    valued: &'static [u8],
    /// Letters whose value is always the rest of the word.
    attached: &'static [u8],
    /// Letters after which the program is an argument or comes from standard input.
    inline: &'static [u8],
    /// Letters whose value is the script.
    file: &'static [u8],
    /// Letters whose value is a module.
    module: &'static [u8],
    /// Options of more than one letter, with their dashes, that take the next argument unless they hold a `=`.
    long_valued: &'static [&'static str],
    long_inline: &'static [&'static str],
    long_file: &'static [&'static str],
    long_module: &'static [&'static str],
    /// Words before the script.
    subcommands: &'static [&'static str],
    /// Options have one dash however long they are.
    single_dash: bool,
    /// What stands alone is a class and no file.
    class: bool,
}

const PLAIN: Family = Family {
    names: &[],
    shell: false,
    valued: b"",
    attached: b"",
    inline: b"",
    file: b"",
    module: b"",
    long_valued: &[],
    long_inline: &[],
    long_file: &[],
    long_module: &[],
    subcommands: &[],
    single_dash: false,
    class: false,
};

const FAMILIES: &[Family] = &[
    Family {
        names: &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "yash"],
        shell: true,
        valued: b"oO",
        inline: b"cs",
        long_valued: &["--rcfile", "--init-file", "--init-command"],
        long_inline: &["--command"],
        ..PLAIN
    },
    Family {
        names: &["node", "nodejs", "iojs", "tsx", "ts-node"],
        valued: b"rC",
        inline: b"ep",
        long_valued: &[
            "--require",
            "--import",
            "--loader",
            "--experimental-loader",
            "--conditions",
            "--title",
            "--icu-data-dir",
            "--input-type",
            "--redirect-warnings",
            "--diagnostic-dir",
            "--heapsnapshot-signal",
            "--openssl-config",
            "--report-dir",
            "--report-directory",
            "--report-filename",
            "--report-signal",
            "--unhandled-rejections",
            "--watch-path",
            "--env-file",
            "--cpu-prof-dir",
            "--heap-prof-dir",
            "--max-http-header-size",
            "--tls-cipher-list",
            "--dns-result-order",
            "--stack-trace-limit",
        ],
        long_inline: &["--eval", "--print"],
        ..PLAIN
    },
    Family {
        names: &["python", "pypy"],
        valued: b"WXQ",
        inline: b"c",
        module: b"m",
        long_valued: &["--check-hash-based-pycs"],
        ..PLAIN
    },
    Family {
        names: &["ruby", "jruby", "truffleruby"],
        valued: b"CEIr",
        attached: b"FKTWix0",
        inline: b"e",
        long_valued: &["--encoding", "--external-encoding", "--internal-encoding"],
        ..PLAIN
    },
    Family { names: &["perl"], valued: b"I", attached: b"CDFMVilmx0", inline: b"eE", ..PLAIN },
    Family {
        names: &["php", "php-cgi"],
        valued: b"cdtz",
        inline: b"BERrS",
        file: b"fF",
        long_valued: &["--php-ini", "--define", "--docroot", "--zend-extension"],
        long_inline: &["--run", "--server"],
        long_file: &["--file"],
        ..PLAIN
    },
    Family { names: &["lua", "luajit", "texlua"], valued: b"lbj", inline: b"e", ..PLAIN },
    Family {
        names: &["deno"],
        valued: b"cL",
        long_valued: &[
            "--config",
            "--import-map",
            "--log-level",
            "--cert",
            "--location",
            "--seed",
            "--host",
            "--port",
            "--preload",
        ],
        subcommands: &["run", "serve"],
        ..PLAIN
    },
    Family {
        names: &["bun"],
        valued: b"rcdl",
        inline: b"ep",
        long_valued: &["--preload", "--require", "--import", "--config", "--cwd", "--env-file", "--port", "--define"],
        long_inline: &["--eval", "--print"],
        subcommands: &["run"],
        ..PLAIN
    },
    Family {
        names: &["java"],
        long_valued: &[
            "-cp",
            "-classpath",
            "--class-path",
            "-p",
            "--module-path",
            "--upgrade-module-path",
            "--add-modules",
            "--add-opens",
            "--add-exports",
            "--add-reads",
            "--patch-module",
            "--limit-modules",
            "--enable-native-access",
            "--source",
        ],
        long_file: &["-jar"],
        long_module: &["-m", "--module"],
        single_dash: true,
        class: true,
        ..PLAIN
    },
    Family {
        names: &["dotnet", "mono"],
        long_valued: &["--depsfile", "--runtimeconfig", "--additionalprobingpath", "--fx-version", "--roll-forward"],
        subcommands: &["exec"],
        ..PLAIN
    },
];

/// The family of an interpreter by its base name: a login shell's dash and a version at the end do not matter.
fn family(program: &[u8]) -> Option<&'static Family> {
    let program = program.strip_prefix(b"-").unwrap_or(program);
    let end = program.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.').map_or(0, |last| last + 1);
    let bare = program[..end].strip_suffix(b"-").unwrap_or(&program[..end]);
    FAMILIES.iter().find(|family| family.names.iter().any(|name| name.as_bytes() == bare))
}

fn find<'a>(arguments: &[&'a [u8]]) -> Found<'a> {
    let Some((program, rest)) = arguments.split_first() else { return Found::Nothing };
    let program = base_name(program);
    if program == b"busybox" && !rest.is_empty() {
        return find(rest);
    }
    let Some(family) = family(program) else { return Found::Nothing };
    let file =
        |argument: Option<&&'a [u8]>| argument.map_or(Found::Nothing, |argument| Found::Script(Script::File(argument)));
    let module = |argument: Option<&&'a [u8]>| {
        // A Java module is `module/class`.
        argument.map_or(Found::Nothing, |argument| Found::Script(Script::Module(base_name(argument))))
    };
    let inline = Found::Inline { shell: family.shell };
    let mut subcommands = family.subcommands;
    let mut words = rest.iter().peekable();
    while let Some(word) = words.next() {
        if *word == b"--" {
            return file(words.next());
        }
        if *word == b"-" {
            return Found::Nothing;
        }
        let long = word.starts_with(b"--") || (family.single_dash && word.starts_with(b"-"));
        if long {
            let name = word.split(|&byte| byte == b'=').next().unwrap_or(word);
            let has = |list: &[&str]| list.iter().any(|option| option.as_bytes() == name);
            if has(family.long_inline) {
                return inline;
            }
            let value = (name.len() < word.len()).then(|| &word[name.len() + 1..]);
            if has(family.long_file) {
                return file(value.as_ref().or_else(|| words.next()));
            }
            if has(family.long_module) {
                return module(value.as_ref().or_else(|| words.next()));
            }
            if has(family.long_valued) && value.is_none() {
                words.next();
            }
            continue;
        }
        let cluster = match word.first() {
            Some(b'-') => &word[1..],
            Some(b'+') if family.shell => &word[1..],
            _ => {
                if subcommands.iter().any(|subcommand| subcommand.as_bytes() == *word) {
                    subcommands = &[];
                    continue;
                }
                return if family.class && !word.ends_with(b".java") { module(Some(word)) } else { file(Some(word)) };
            }
        };
        for (at, letter) in cluster.iter().enumerate() {
            let value = Some(&cluster[at + 1..]).filter(|value| !value.is_empty());
            if family.inline.contains(letter) {
                return inline;
            }
            if family.file.contains(letter) {
                return file(value.as_ref().or_else(|| words.next()));
            }
            if family.module.contains(letter) {
                return module(value.as_ref().or_else(|| words.next()));
            }
            if family.attached.contains(letter) {
                break;
            }
            if family.valued.contains(letter) {
                if value.is_none() || family.shell {
                    words.next();
                }
                break;
            }
        }
    }
    Found::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(line: &str) -> Vec<u8> {
        let mut raw = line.replace(' ', "\0").into_bytes();
        raw.push(0);
        raw
    }

    fn runs(line: &str) -> bool {
        Command::parse(&raw(line)).script.is_some_and(|script| script.is("relayCore"))
    }

    #[test]
    fn the_script_is_found_behind_the_interpreters_options() {
        for line in [
            "bash relayCore.sh",
            "/bin/sh ./relayCore.sh --verbose",
            "bash -eux -o pipefail /opt/relayCore",
            "bash -eo pipefail relayCore.sh",
            "bash --rcfile x relayCore",
            "bash -- relayCore",
            "busybox sh relayCore.sh",
            "node relayCore.js",
            "node --inspect dist/relayCore.js",
            "node --max-old-space-size=4096 -r dotenv/config relayCore.mjs start",
            "node --import tsx relayCore.ts",
            "/usr/bin/nodejs relayCore",
            "node18 relayCore.cjs",
            "python3 -u /srv/relayCore.py",
            "python3.11 -W ignore -X dev relayCore.py",
            "python3 -Bum relayCore",
            "python -m app.relayCore",
            "ruby -rbundler/setup -I lib relayCore.rb",
            "ruby3.1 -W2 relayCore.rb",
            "perl -w -Mstrict -I lib relayCore.pl",
            "php -d memory_limit=1G relayCore.php",
            "php -f relayCore.php",
            "lua5.4 relayCore.lua",
            "deno run --allow-net -c deno.json relayCore.ts",
            "deno relayCore.ts",
            "bun run relayCore.ts",
            "bun relayCore.ts",
            "java -Xmx1g -cp a:b -jar /opt/relayCore.jar --port 1",
            "java -cp x com.example.relayCore",
            "java -m app/com.example.relayCore",
            "dotnet exec --roll-forward Major relayCore.dll",
        ] {
            assert!(runs(line), "{line}");
        }
    }

    #[test]
    fn what_only_mentions_the_name_does_not_run_it() {
        for line in [
            "bash -c relayCore",
            "bash -lc relayCore.sh",
            "sh -xc relayCore",
            "bash -s relayCore",
            "vim relayCore.js",
            "grep relayCore",
            "tail -f relayCore.log",
            "node other.js relayCore.js",
            "node -r relayCore other.js",
            "node -e relayCore",
            "python3 -c relayCore",
            "python3 - relayCore",
            "perl -ne relayCore",
            "php -S relayCore",
            "java -cp relayCore com.example.Other",
            "bash relayCore.d/other.sh",
            "bash relayCore2.sh",
            "bash myrelayCore.sh",
            "nodemon relayCore.js",
            "bash",
            "",
        ] {
            assert!(!runs(line), "{line}");
        }
    }

    #[test]
    fn a_shell_with_its_program_as_an_argument_is_told_from_one_with_a_script() {
        assert!(Command::parse(&raw("bash -c relayCore")).inline_shell);
        assert!(Command::parse(&raw("-zsh -lc relayCore")).inline_shell);
        assert!(!Command::parse(&raw("bash relayCore.sh -c x")).inline_shell);
        assert!(!Command::parse(&raw("python3 -c relayCore")).inline_shell);
    }

    #[test]
    fn a_title_written_over_the_arguments_is_taken_apart_for_interpreters_only() {
        assert!(Command::parse(b"node /srv/relayCore.js\0\0\0\0").script.is_some_and(|script| script.is("relayCore")));
        assert_eq!(Command::parse(b"nginx: master process\0\0").arguments.len(), 1);
        assert_eq!(Command::parse(b"/opt/My App/relayCore\0").program(), b"relayCore");
    }

    #[test]
    fn a_path_is_compared_as_a_whole() {
        let line = raw("node /srv/relayCore.js");
        let script = Command::parse(&line).script.unwrap();
        assert!(script.is("/srv/relayCore.js") && !script.is("srv/relayCore.js") && !script.is("/srv/relayCore"));
    }

    #[test]
    fn no_bytes_make_it_fail() {
        proptest::proptest!(|(bytes in proptest::collection::vec(proptest::sample::select(
            b"\0\0 -+=c/.joms\xff".to_vec()), 0..64))| {
            let mut line = b"bash\0".to_vec();
            line.extend_from_slice(&bytes);
            Command::parse(&line);
            Command::parse(&bytes);
        });
    }
}
