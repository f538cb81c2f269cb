//! Command lines: takes one apart and finds the passwords by the table of [`super::programs`], in a text as a shell would read it or in
//! the arguments of a process.

use std::ops::Range;

use super::found::Scan;
use super::harmless;
use super::programs::{PROGRAMS, Program, Takes};
use super::rule;
use super::shape;
use super::value::{self, part};

/// The longest command line that is taken apart at once.
const MAX_COMMAND: usize = 4096;
/// The most arguments of one.
const MAX_ARGUMENTS: usize = 256;

/// Finds the program of the table that a word names, with or without a path before it.
pub(super) fn program_named(word: &[u8]) -> Option<&'static Program> {
    // With a path only if it is one of programs: `/usr/bin/mysql`, `C:\tools\plink.exe`, but not `ftp://host`.
    let cut = word.iter().rposition(|byte| matches!(byte, b'/' | b'\\')).map_or(0, |at| at + 1);
    let rooted = matches!(word.first(), Some(b'/' | b'.' | b'~')) || word.get(1) == Some(&b':');
    if cut > 0 && (!rooted || word.starts_with(b"/etc/") || word.starts_with(b"/var/")) {
        return None;
    }
    let name = &word[cut..];
    let name = name.strip_suffix(b".exe").unwrap_or(name);
    if name.is_empty() || name.len() > 24 {
        return None;
    }
    PROGRAMS.iter().find(|program| program.names.iter().any(|known| known.as_bytes() == name))
}

/// Finds what is secret among arguments: calls `take` with the argument's number and the place in it.
pub(super) fn arguments<T: AsRef<[u8]>>(arguments: &[T], mut take: impl FnMut(usize, Range<usize>)) {
    let mut program: Option<&Program> = None;
    // How many arguments were seen since each of the program's words; a program has few.
    let mut since: Vec<(&str, u8, u8)> = Vec::new();
    let mut index = 0;
    while index < arguments.len() {
        let argument = arguments[index].as_ref();
        if let Some(found) = program_named(argument)
            && program.is_none_or(|current| is_wrapper_program(current) && !std::ptr::eq(current, found))
            && !(program.is_some()
                && index > 0
                && is_option(arguments[index - 1].as_ref())
                && !argument.contains(&b'/')
                && !is_wrapper(arguments[index - 1].as_ref()))
        {
            program = Some(found);
            since = found
                .places
                .iter()
                .filter(|(word, _)| word.is_empty())
                .map(|(word, place)| (*word, *place, 0))
                .collect();
            index += 1;
            continue;
        }
        let Some(current) = program else {
            index += 1;
            continue;
        };
        for (word, place) in current.places {
            if !word.is_empty() && argument.eq_ignore_ascii_case(word.as_bytes()) && since.len() < 16 {
                since.push((word, *place, 0));
            }
        }
        if is_option(argument) {
            // `docker run -p 80:80`, `docker compose -p name`: only a login takes a password there.
            let hosts = current.names.contains(&"docker") || current.names.contains(&"kubectl");
            if hosts && argument == b"-p" && !arguments[..index].iter().any(|before| before.as_ref() == b"login") {
                index += 2;
                continue;
            }
            if let Some((text, range, takes)) =
                option_value(current, argument, arguments.get(index + 1).map(AsRef::as_ref))
            {
                let at = if text { index } else { index + 1 };
                let value = &arguments[at].as_ref()[range.clone()];
                if let Some(part) = secret_part(value, takes) {
                    take(at, range.start + part.start..range.start + part.end);
                }
                index += if text { 1 } else { 2 };
                continue;
            }
        } else {
            for (word, place, count) in &mut since {
                if !word.is_empty() && argument.eq_ignore_ascii_case(word.as_bytes()) && *count == 0 {
                    continue;
                }
                *count = count.saturating_add(1);
                if *count == *place
                    && let Some(part) = positional(current, argument)
                {
                    take(index, part);
                }
            }
            if current.names.contains(&"net") && index > 0 {
                net_use(arguments, index, &mut take);
            }
        }
        index += 1;
    }
}

/// Programs that run another one, whose own arguments follow.
fn is_wrapper_program(program: &Program) -> bool {
    [
        "docker",
        "kubectl",
        "sshpass",
        "skopeo",
        "security",
        "vault",
        "tailscale",
        "plink",
        "psexec",
        "runas",
        "schtasks",
        "wget",
    ]
    .iter()
    .any(|name| program.names.contains(name))
}

/// `sudo -u x`, `env -i`, `xargs -0`: options after which a program's name is one all the same.
fn is_wrapper(option: &[u8]) -> bool {
    option == b"--"
        || option == b"-i"
        || option == b"-c"
        || option == b"-it"
        || option == b"-0"
        || option == b"-E"
        || option == b"-e"
        || option == b"-T"
}

fn is_option(argument: &[u8]) -> bool {
    argument.len() > 1 && (argument[0] == b'-' || argument[0] == b'/' && !argument[1..].contains(&b'/'))
}

/// The value of an option of this program: whether it is in the argument itself, and where.
fn option_value(program: &Program, argument: &[u8], next: Option<&[u8]>) -> Option<(bool, Range<usize>, Takes)> {
    let (option, takes) = program
        .options
        .iter()
        .filter(|(option, takes)| {
            argument == option.as_bytes()
                || argument.starts_with(option.as_bytes())
                    && (!option.starts_with("--")
                        && *takes != Takes::Next
                        && !(option.len() > 2 && option.starts_with('-'))
                        || option.ends_with(':')
                        || argument.get(option.len()) == Some(&b'=')
                        || option.len() > 2 && *takes == Takes::Joined)
        })
        .max_by_key(|(option, _)| option.len())?;
    if argument.len() > option.len() {
        let skip = usize::from(argument[option.len()] == b'=');
        return Some((true, option.len() + skip..argument.len(), *takes));
    }
    if *takes == Takes::Joined {
        return None;
    }
    let next = next?;
    // Another option: this one was given without a value.
    if next.len() > 1 && next[0] == b'-' && (next[1] == b'-' || next.len() == 2) {
        return None;
    }
    Some((false, 0..next.len(), *takes))
}

/// The secret part of an option's value.
fn secret_part(value: &[u8], takes: Takes) -> Option<Range<usize>> {
    let (value, shift) = unquote(value);
    let after = |separator: u8| memchr::memchr(separator, value).map(|at| at + 1);
    let start = match takes {
        Takes::Joined | Takes::Next | Takes::Either => 0,
        Takes::Likely => {
            if !shape::stands_out(value, 6) || shape::is_path(value) || value.contains(&b' ') {
                return None;
            }
            0
        }
        Takes::Colon => after(b':')?,
        Takes::Percent => after(b'%')?,
        Takes::Comma => after(b',')?,
        Takes::Pair => after(b'=')?,
        Takes::Spec => {
            if !value.starts_with(b"pass:") {
                return None;
            }
            5
        }
    };
    let (part, inner) = unquote(&value[start..]);
    if part.is_empty()
        || harmless::is_harmless(part)
        || shape::is_path(part)
        || takes == Takes::Pair && super::names::classify(&value[..start - 1]).is_none() && !shape::stands_out(part, 8)
    {
        return None;
    }
    // `curl -E cert.pem:pass` and `-u user:pass`, but not a URL or a Windows path.
    if takes == Takes::Colon && (part.starts_with(b"//") || part.starts_with(b"\\")) {
        return None;
    }
    // A port, an address, a flag's word: `-p 8080:80`, `-P 3306`.
    if matches!(takes, Takes::Next | Takes::Either)
        && (part.contains(&b':')
            && part.iter().all(|byte| {
                byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'/' | b't' | b'c' | b'p' | b'u' | b'd')
            })
            || part.iter().all(u8::is_ascii_digit) && part.len() <= 5 && part.len() != 4)
    {
        return None;
    }
    Some(shift + start + inner..shift + start + inner + part.len())
}

/// An argument that is secret by its place.
fn positional(program: &Program, argument: &[u8]) -> Option<Range<usize>> {
    let (value, shift) = unquote(argument);
    if program.names.contains(&"sqlplus") {
        // user/password@database, with or without `userid=`
        let named = memchr::memchr(b'=', value).filter(|at| *at < 10).map_or(0, |at| at + 1);
        let (value, shift) = (&value[named..], shift + named);
        let slash = memchr::memchr(b'/', value)?;
        let end = memchr::memrchr(b'@', value).filter(|at| *at > slash).unwrap_or(value.len());
        let (part, inner) = unquote(&value[slash + 1..end]);
        let plain = slash > 0
            && value[..slash]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#' | b'"' | b'.'));
        return (plain && !part.is_empty() && !harmless::is_harmless(part) && !part.contains(&b'/'))
            .then(|| shift + slash + 1 + inner..shift + slash + 1 + inner + part.len());
    }
    if harmless::is_harmless(value)
        || shape::is_path(value)
        || value.len() < 3
        || harmless::is_state(value)
        || value.starts_with(b"-")
    {
        return None;
    }
    Some(shift..shift + value.len())
}

/// `net use z: \\host\share password /user:name`.
fn net_use<T: AsRef<[u8]>>(arguments: &[T], index: usize, take: &mut impl FnMut(usize, Range<usize>)) {
    let head = &arguments[..index];
    let argument = arguments[index].as_ref();
    if head.iter().rev().take(3).any(|before| before.as_ref().eq_ignore_ascii_case(b"use"))
        && head.last().is_some_and(|before| before.as_ref().starts_with(b"\\\\"))
        && !harmless::is_harmless(argument)
        && argument != b"*"
    {
        take(index, 0..argument.len());
    }
}

/// Strips one pair of quotation marks: what is between, and how far it moved.
fn unquote(value: &[u8]) -> (&[u8], usize) {
    if let Some(length) = value::quote_at(value, 0)
        && value.len() >= 2 * length
        && value[..length] == value[value.len() - length..]
    {
        return (&value[length..value.len() - length], length);
    }
    (value, 0)
}

/// Looks at the command line that begins with a program's name at `at..at + length`.
pub(super) fn at_program(scan: &mut Scan, at: usize, length: usize) {
    let text = scan.text;
    // Within a command that was read already another begins only behind a quotation mark: `ssh host "mysql …"`.
    let quoted = matches!(scan.before(at), Some(b'"' | b'\''));
    if at < scan.command_end && !quoted || !starts_command(text, at) {
        return;
    }
    let end = at + length;
    let end = if part(text, end, usize::MAX).starts_with(b".exe") { end + 4 } else { end };
    let list = value::quote_at(text, end).is_some();
    if !list && !matches!(scan.byte(end), Some(b' ' | b'\t' | b'\\')) {
        return;
    }
    let tokens = if list { list_tokens(text, at, end) } else { shell_tokens(text, at) };
    let Some(last) = tokens.last() else { return };
    scan.command_end = scan.command_end.max(last.end);
    scan.work += last.end.saturating_sub(at) as u64;
    let words: Vec<&[u8]> = tokens.iter().map(|token| &text[token.clone()]).collect();
    let mut places = Vec::new();
    arguments(&words, |index, range| {
        if let Some(token) = tokens.get(index) {
            places.push(token.start + range.start..token.start + range.end);
        }
    });
    for place in places {
        scan.take(place, rule::COMMAND, "where this program takes a password");
    }
}

/// Whether a program's name may stand here: not in the middle of a word or of a file's name.
pub(super) fn starts_command(text: &[u8], at: usize) -> bool {
    match at.checked_sub(1).map(|before| text[before]) {
        None => true,
        Some(b'n' | b't' | b'r') => at >= 2 && text[at - 2] == b'\\',
        Some(byte) => {
            byte.is_ascii_whitespace()
                || matches!(
                    byte,
                    b'"' | b'\''
                        | b'`'
                        | b'/'
                        | b'\\'
                        | b'('
                        | b';'
                        | b'|'
                        | b'&'
                        | b'['
                        | b'='
                        | b'$'
                        | b'{'
                        | b'>'
                        | b':'
                        | b'!'
                        | b','
                )
        }
    }
}

/// The words of a command as a shell splits them, to the end of the command.
pub(super) fn shell_tokens(text: &[u8], from: usize) -> Vec<Range<usize>> {
    let limit = text.len().min(from + MAX_COMMAND);
    let mut tokens = Vec::new();
    let mut at = from;
    while at < limit && tokens.len() < MAX_ARGUMENTS {
        // Spaces, and line ends that a backslash hides.
        loop {
            match text.get(at) {
                Some(b' ' | b'\t') => at += 1,
                Some(b'\\') if text.get(at + 1) == Some(&b'\n') => at += 2,
                Some(b'\\') if part(text, at + 1, usize::MAX).starts_with(b"\r\n") => at += 3,
                _ => break,
            }
        }
        if at >= limit
            || matches!(text[at], b'\n' | b'\r' | b'|' | b';' | b'>' | b')' | 0)
            || text[at] == b'&' && matches!(text.get(at + 1), Some(b'&' | b' ' | b'\n') | None)
        {
            break;
        }
        let start = at;
        while at < limit {
            let byte = text[at];
            if byte.is_ascii_whitespace() || byte == 0 {
                break;
            }
            if let Some(length) = value::quote_at(text, at) {
                match value::quoted(text, at)
                    .filter(|place| place.end <= limit && !part(text, place.start, place.end).contains(&b'\n'))
                {
                    // An opening mark at the beginning of a word or after `=`, `-p`; elsewhere it closes what holds the command.
                    Some(place)
                        if at == start
                            || !matches!(text.get(at + length), Some(b',' | b'}' | b']') | None)
                            || length > 1 && place.end > place.start =>
                    {
                        at = place.end + length;
                        continue;
                    }
                    _ => break,
                }
            }
            if byte == b'\\' {
                match text.get(at + 1) {
                    Some(b'n' | b'r') if !text.get(at + 2).is_some_and(u8::is_ascii_digit) => break,
                    Some(b'\n') | None => break,
                    _ => at += 2,
                }
                continue;
            }
            if byte == b';' && text.get(at + 1).is_none_or(u8::is_ascii_whitespace)
                || matches!(byte, b')' | b'|')
                    && text.get(at + 1).is_none_or(u8::is_ascii_whitespace)
                    && !part(text, start, at).contains(&b'(')
            {
                break;
            }
            at += 1;
        }
        let end = at.min(limit);
        if end <= start {
            break;
        }
        tokens.push(start..end);
        // A quotation mark that closes the string which holds the command ends it.
        if value::quote_at(text, at).is_some() {
            break;
        }
    }
    tokens
}

/// `"mysql", "-u", "root"`: the strings of a list.
fn list_tokens(text: &[u8], from: usize, end: usize) -> Vec<Range<usize>> {
    let limit = text.len().min(from + MAX_COMMAND);
    let mut tokens = Vec::with_capacity(8);
    tokens.push(from..end);
    let mut at = end + value::quote_at(text, end).unwrap_or(1);
    while tokens.len() < MAX_ARGUMENTS {
        at = value::skip_space(text, at);
        if text.get(at) != Some(&b',') {
            break;
        }
        at = value::skip_space(text, at + 1);
        let Some(length) = value::quote_at(text, at) else { break };
        let Some(place) = value::quoted(text, at).filter(|place| place.end <= limit) else { break };
        tokens.push(place.start..place.end);
        at = place.end + length;
    }
    tokens
}
