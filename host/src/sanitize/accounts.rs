//! Passwords in small forms of their own: `IDENTIFIED BY` in SQL, lines of `.pgpass`, Postfix's static maps, and passwords that `echo` or
//! `printf` pipe into a program that reads one.

use super::command;
use super::found::Scan;
use super::harmless;
use super::judge::{self, Form};
use super::names::{self, Name};
use super::rule;
use super::value::{self, Bare, part};

/// `IDENTIFIED BY 'x'` and `IDENTIFIED WITH plugin BY 'x'`; what was seen ends at `at`.
pub(super) fn at_identified(scan: &mut Scan, at: usize) {
    let text = scan.text;
    let mut at = value::skip_blank(text, at);
    for word in [&b"by"[..], b"password", b"values"] {
        if part(text, at, at + word.len()).eq_ignore_ascii_case(word)
            && part(text, at + word.len(), at + word.len() + 1) == b" "
        {
            at = value::skip_blank(text, at + word.len());
        }
    }
    // Prose identifies things too: `identified by the id`. Without quotation marks it must be about a user or role.
    let place = match value::quote_at(text, at) {
        Some(length) if text[at + length - 1] != b'`' => value::quoted(text, at),
        Some(_) => None,
        None => {
            let start = scan.line_start(at);
            let head = part(text, start, at).to_ascii_lowercase();
            let sql =
                [&b"user "[..], b"role ", b"grant "].iter().any(|word| memchr::memmem::find(&head, word).is_some());
            sql.then(|| value::bare(text, at, Bare::Word))
        }
    };
    let Some(place) = place else { return };
    let mut end = place.end;
    while end > place.start && matches!(text[end - 1], b';' | b',' | b')') && !place.quoted {
        end -= 1;
    }
    let secret = part(text, place.start, end);
    let is_word = !place.quoted && harmless::is_state(secret);
    if !secret.is_empty() && !harmless::is_harmless(secret) && !is_word {
        scan.name_end = scan.name_end.max(end);
        scan.take(place.start..end, rule::PASSWORD, "the password of a database's user");
    }
}

/// `CONNECT TO db USER bob USING 'x'`, with the quotation mark at `at`.
pub(super) fn at_using(scan: &mut Scan, at: usize) {
    let start = scan.line_start(at);
    let head = part(scan.text, start, at).to_ascii_lowercase();
    if let (Some(_), Some(_)) = (memchr::memmem::find(&head, b"connect"), memchr::memmem::find(&head, b" user "))
        && let Some(place) = value::quoted(scan.text, at)
        && !harmless::is_harmless(part(scan.text, place.start, place.end))
    {
        scan.take(place.start..place.end, rule::PASSWORD, "the password of a database's user");
    }
}

/// A line of `.pgpass`: `host:port:database:user:password`, with the port's colons at `at`.
pub(super) fn at_pgpass(scan: &mut Scan, at: usize) {
    let start = scan.line_start(at);
    let end = scan.line_end(at);
    let line = part(scan.text, start, end).trim_ascii_end();
    let line = line.strip_suffix(b"\"").unwrap_or(line);
    let mut colons = memchr::memchr_iter(b':', line);
    let Some(fourth) = colons.nth(3) else { return };
    let fields: Vec<&[u8]> = line.splitn(5, |byte| *byte == b':').collect();
    let [host, port, database, user, password] = fields.as_slice() else { return };
    let plain = |field: &[u8]| {
        field == b"*"
            || !field.is_empty()
                && field.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'$'))
    };
    let host = host.rsplit(|byte| matches!(byte, b' ' | b'"' | b'\'')).next().unwrap_or(host);
    let good = plain(host)
        && (*port == b"*" || !port.is_empty() && port.iter().all(u8::is_ascii_digit))
        && plain(database)
        && plain(user);
    if good
        && password.len() >= 3
        && !harmless::is_harmless(password)
        && !password.contains(&b' ')
        && !password.starts_with(b"/")
        && !password.iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
    {
        scan.take(start + fourth + 1..start + line.len(), rule::USER_PASSWORD, "the last field of a line of .pgpass");
    }
}

/// `static:user:password`, as Postfix has it; what was seen ends at `at`.
pub(super) fn at_static(scan: &mut Scan, at: usize) {
    let text = scan.text;
    if part(text, at, at + 1) == b":"
        || scan
            .before(at.saturating_sub("static:".len()))
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return;
    }
    let place = value::bare(text, at, Bare::Word);
    let Some(colon) = memchr::memchr(b':', part(text, place.start, place.end)) else { return };
    let secret = part(text, place.start + colon + 1, place.end);
    if secret.len() >= 3 && !harmless::is_harmless(secret) {
        scan.take(place.start + colon + 1..place.end, rule::USER_PASSWORD, "a password after its user's name");
    }
}

/// Programs that read a password from standard input, with what on their command line says so (empty: nothing need).
const READERS: &[(&str, &str)] = &[
    ("sudo", "-S"),
    ("passwd", "--stdin"),
    ("chpasswd", ""),
    ("", "--password-stdin"),
    ("", "--with-token"),
    ("", "--passphrase-fd"),
    ("", "--passphrase-fd=0"),
    ("", "--token-stdin"),
    ("cryptsetup", ""),
    ("kinit", ""),
    ("smbpasswd", "-s"),
    ("faillock", ""),
    ("vncpasswd", "-f"),
    ("openssl", "stdin"),
    ("mount.ecryptfs", ""),
    ("gnome-keyring-daemon", "--unlock"),
    ("pass", "insert"),
    ("", "-passin"),
    ("", "--stdin"),
    ("su", ""),
    ("secret-tool", "store"),
    ("ecryptfs-add-passphrase", ""),
    ("htpasswd", "-i"),
    ("wpa_passphrase", ""),
    ("rclone", "obscure"),
];

/// `echo x | sudo -S …`: the arguments of `echo` or `printf`, whose name is at `at`.
pub(super) fn at_echo(scan: &mut Scan, at: usize) {
    let text = scan.text;
    if at < scan.command_end || !command::starts_command(text, at) {
        return;
    }
    let tokens = command::shell_tokens(text, at);
    let Some(last) = tokens.last() else { return };
    scan.work += last.end.saturating_sub(at) as u64;
    let next = value::skip_blank(text, last.end);
    // Not beyond what was read here, so that a line of many echoes is read once.
    scan.command_end = scan.command_end.max(next);
    if text.get(next) != Some(&b'|') || text.get(next + 1) == Some(&b'|') {
        return;
    }
    let reader = command::shell_tokens(text, next + 1);
    let words: Vec<&[u8]> = reader.iter().map(|token| part(text, token.start, token.end)).collect();
    let is = |name: &str| words.iter().any(|word| word.rsplit(|byte| *byte == b'/').next() == Some(name.as_bytes()));
    let reads = READERS
        .iter()
        .any(|(program, option)| (program.is_empty() || is(program)) && (option.is_empty() || is(option)));
    if !reads && !words.iter().any(|word| word.ends_with(b"/dev/stdin")) {
        return;
    }
    for token in tokens.iter().skip(1) {
        let (mut start, mut end) = (token.start, token.end);
        if let Some(length) = value::quote_at(text, start)
            && end >= start + 2 * length
        {
            (start, end) = (start + length, end - length);
        }
        if is("chpasswd")
            && let Some(colon) = memchr::memchr(b':', part(text, start, end))
        {
            start += colon + 1;
        }
        let secret = part(text, start, end);
        if secret.len() >= 3
            && !secret.starts_with(b"-")
            && !secret.starts_with(b"%s")
            && !harmless::is_harmless(secret)
        {
            scan.take(start..end, rule::COMMAND, "a password that is piped into a program");
        }
    }
}

/// `passwd bob <<< x`: the word after the sign, which ends at `at`, if the command before it reads a password.
pub(super) fn at_here_string(scan: &mut Scan, at: usize) {
    let text = scan.text;
    let start = scan.line_start(at);
    let head = part(text, start, at);
    let is_reader = head.split(|byte| byte.is_ascii_whitespace() || *byte == b'/').any(|word| {
        [
            "passwd",
            "chpasswd",
            "kinit",
            "sudo",
            "su",
            "ftp",
            "cryptsetup",
            "smbpasswd",
            "vncpasswd",
            "--password-stdin",
            "--with-token",
            "--stdin",
        ]
        .iter()
        .any(|reader| word == reader.as_bytes())
    });
    if !is_reader {
        return;
    }
    let from = value::skip_blank(text, at);
    let place = if value::quote_at(text, from).is_some() {
        value::quoted(text, from)
    } else {
        Some(value::bare(text, from, Bare::Word))
    };
    let Some(place) = place else { return };
    // The last word of it: `user bob x`; and behind its user's name: `bob:x`.
    let words = part(text, place.start, place.end);
    let skip = words.iter().rposition(|byte| matches!(byte, b' ' | b':')).map_or(0, |last| last + 1);
    let secret = &words[skip..];
    if secret.len() >= 3 && !harmless::is_harmless(secret) {
        scan.take(place.start + skip..place.end, rule::COMMAND, "a password that is given to a program as its input");
    }
}

/// PowerShell's `ConvertTo-SecureString "x" -AsPlainText`; what was seen ends at `at`.
pub(super) fn at_secure_string(scan: &mut Scan, at: usize) {
    let text = scan.text;
    let mut from = value::skip_blank(text, at);
    for option in [&b"-string "[..], b"-asplaintext ", b"-force "] {
        if part(text, from, from + option.len()).eq_ignore_ascii_case(option) {
            from = value::skip_blank(text, from + option.len());
        }
    }
    let place = if value::quote_at(text, from).is_some() {
        value::quoted(text, from)
    } else {
        Some(value::bare(text, from, Bare::Word))
    };
    if let Some(place) = place
        && !part(text, place.start, place.end).starts_with(b"-")
        && !harmless::is_harmless(part(text, place.start, place.end))
    {
        scan.take(place.start..place.end, rule::PASSWORD, "text that becomes a secure string");
    }
}

/// `INSERT INTO t (name, password) VALUES ('bob', 'x')`: the word ends at `at`; the columns stand before it.
pub(super) fn at_values(scan: &mut Scan, at: usize, word: usize) {
    let text = scan.text;
    let head = part(text, at.saturating_sub(word + MAX_COLUMNS), at - word).trim_ascii_end();
    let Some(open) = head.strip_suffix(b")").and_then(|columns| memchr::memrchr(b'(', columns)) else { return };
    scan.work += head.len() as u64;
    let columns: Vec<Option<Name>> = head[open + 1..head.len() - 1]
        .split(|byte| *byte == b',')
        .map(|column| names::classify(column.trim_ascii()))
        .collect();
    if columns.iter().all(Option::is_none) {
        return;
    }
    let mut from = value::skip_space(text, at);
    for _ in 0..MAX_ROWS {
        if text.get(from) != Some(&b'(') {
            return;
        }
        from += 1;
        for name in &columns {
            from = value::skip_space(text, from);
            let end = if let Some(length) = value::quote_at(text, from) {
                let Some(place) = value::quoted(text, from) else { return };
                if let Some(name) = name
                    && judge::is_secret(part(text, place.start, place.end), name.level, Form::Quoted)
                {
                    scan.take(place.start..place.end, name.rule, "the value of a column");
                }
                place.end + length
            } else {
                from + part(text, from, from + 256).iter().take_while(|byte| !matches!(byte, b',' | b')')).count()
            };
            scan.work += end.saturating_sub(from) as u64;
            from = value::skip_space(text, end);
            if text.get(from) == Some(&b',') {
                from += 1;
            }
        }
        if text.get(from) != Some(&b')') {
            return;
        }
        scan.name_end = scan.name_end.max(from);
        from = value::skip_space(text, from + 1);
        if text.get(from) == Some(&b',') {
            from = value::skip_space(text, from + 1);
        }
    }
}

/// How long a list of columns may be.
const MAX_COLUMNS: usize = 512;
/// How many rows of one statement are looked at.
const MAX_ROWS: usize = 64;
