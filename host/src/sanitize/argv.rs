//! The arguments of a process, as the kernel keeps them: no shell's quotes, every argument with its own beginning and end.

use std::borrow::Cow;
use std::ops::Range;

use super::Sanitizer;
use super::command;
use super::found::Found;
use super::judge::{self, Form};
use super::marker;
use super::names::{Level, Name};
use super::report::Report;
use super::rule;

/// More arguments than this are cleaned as text, one by one.
pub(super) const MAX_ARGUMENTS: usize = 4096;

/// Whether a list of strings is a command: it begins with a program that is known, or holds options.
pub(super) fn is_argv(arguments: &[&str]) -> bool {
    arguments.iter().take(8).any(|argument| command::program_named(argument.as_bytes()).is_some())
        || arguments.iter().any(|argument| {
            argument.len() > 2
                && argument.starts_with('-')
                && argument.as_bytes()[1..]
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'.'))
        })
}

/// Cleans arguments.
pub(super) fn clean<T: AsRef<[u8]>>(sanitizer: &Sanitizer, arguments: &[T], report: &mut Report) -> Vec<String> {
    let mut secrets: Vec<Option<(Range<usize>, rule::RuleId)>> = vec![None; arguments.len()];
    if arguments.len() <= MAX_ARGUMENTS {
        command::arguments(arguments, |index, range| {
            if let Some(secret) = secrets.get_mut(index)
                && !marker::contains(arguments[index].as_ref())
            {
                *secret = Some((range, rule::COMMAND));
            }
        });
    }
    for (index, argument) in arguments.iter().enumerate() {
        let argument = argument.as_ref();
        if secrets[index].is_some() {
            continue;
        }
        // `sh -c 'NAME=x command'`: a script, which has its own words.
        let script = index.checked_sub(1).is_some_and(|before| {
            let before = arguments[before].as_ref();
            before.len() <= 4 && before.starts_with(b"-") && before.ends_with(b"c")
        });
        if !script && let Some((name, range)) = joined(sanitizer, argument) {
            if judge::is_secret(&argument[range.clone()], name.level, Form::Whole) {
                secrets[index] = Some((range, name.rule));
            }
            continue;
        }
        // An option whose name says that its value is secret; the value is the next argument.
        if argument.len() > 2
            && matches!(argument[0], b'-' | b'/')
            && argument.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
            && let Some(name) = sanitizer
                .name(argument)
                .filter(|name| name.level != Level::Authorization && name.level != Level::Cookie)
            && let Some(next) = arguments.get(index + 1).map(AsRef::as_ref)
            && secrets[index + 1].is_none()
            && !(next.len() > 1 && next[0] == b'-' && (next[1] == b'-' || next.len() == 2))
            && judge::is_secret(next, name.level, Form::Whole)
        {
            secrets[index + 1] = Some((0..next.len(), name.rule));
        }
    }
    arguments.iter().zip(secrets).map(|(argument, secret)| one(sanitizer, argument.as_ref(), secret, report)).collect()
}

/// `--name=value`, `NAME=value`, `-Dname=value`, `/name:value`.
fn joined(sanitizer: &Sanitizer, argument: &[u8]) -> Option<(Name, Range<usize>)> {
    let at = argument.iter().position(|byte| matches!(byte, b'=' | b':'))?;
    let key = &argument[..at];
    if argument[at] == b':' && key.first() != Some(&b'/') && key.first() != Some(&b'-')
        || key.is_empty()
        || !key.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
    {
        return None;
    }
    let name = sanitizer.name(key).filter(|name| name.level != Level::Authorization && name.level != Level::Cookie)?;
    let value = &argument[at + 1..];
    // `--token=Bearer x`
    let skip = super::assign::scheme(value, 0).unwrap_or(0);
    Some((name, at + 1 + skip..argument.len()))
}

fn one(
    sanitizer: &Sanitizer,
    argument: &[u8],
    secret: Option<(Range<usize>, rule::RuleId)>,
    report: &mut Report,
) -> String {
    let text = String::from_utf8_lossy(argument);
    let Some((range, rule)) = secret else { return sanitizer.text(&text, report).into_owned() };
    let bytes = match sanitizer.rewrite(
        argument,
        &[Found { start: range.start, end: range.end, rule, reason: "", wrap: None }],
        report,
    ) {
        Cow::Borrowed(bytes) => bytes.to_vec(),
        Cow::Owned(bytes) => bytes,
    };
    // What stands before the secret may hold another one.
    sanitizer.text(&String::from_utf8_lossy(&bytes), report).into_owned()
}
