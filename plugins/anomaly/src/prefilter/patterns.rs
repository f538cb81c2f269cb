//! What a line must hold to be worth reading: four bytes, each out of a set, and perhaps some more behind them.
//!
//! In a pattern a small letter stands for both cases and a capital for itself. `#` is a digit, `?` any byte, `[…]` a
//! set, `^` at the front says that no letter or digit comes before, `\n` is the start of a line. A pattern may match
//! too much (the line is then read and judged) but must not miss what [`crate::classify`] would call an anomaly.

/// The bytes a position accepts.
pub(super) type ByteSet = [bool; 256];

/// One pattern, taken apart.
pub(super) struct Pattern {
    pub(super) sets: Vec<ByteSet>,
    /// Whether the byte before must not be a letter or a digit.
    pub(super) boundary: bool,
}

/// What is always looked for.
pub(super) const PATTERNS: &[&str] = &[
    // Words of levels.
    "erro",
    "err[]: >!,|\"\t)*\\-\n=]",
    "eror",
    "^fata",
    "^fatl",
    "^ftl[]: >|\"\t,]",
    "crit",
    "^pani",
    "^dpan",
    "emerg",
    "^alert",
    "severe",
    // Levels that are letters or numbers.
    "[ \t][EF][ \t][^ ]",
    "\n[EFC]/?",
    "[ \t][EF]/[^ ]",
    "\n[EFC]####",
    "[ ][EF]####",
    "[[|(][EFC][]|) ]?",
    "\n[EF],?",
    "\n[EF][ :][ [#]",
    "l\":[56]#",
    "l\": [56]#",
    "l\":[0-4][,} ]",
    "l\": [0-4][,} ]",
    "s\":\"[EF]\"",
    "s\": \"[EF]\"",
    "ity\":[\"0-3]",
    "ity=[0-3]",
    "ber\":[12]",
    "lno\":[45]",
    "l=[56]#",
    "l=\"[56]#",
    "[\n ]<#[#>]",
    "y\":\"high",
    // HTTP answers of 500 and above.
    "\" 5##",
    "[ \t]50[0-4][ \t\n]",
    "=50[0-4]",
    " -1 [^ ]",
    "us\":[ 5]",
    // Words in position.
    "fail",
    "^faulted",
    "exception",
    "^abor",
    "^abnorm",
    "crash",
    "^denied",
    "^refused",
    "^unable to",
    "^unavail",
    "^unreach",
    "^unsucc",
    "unhandled",
    "^uncaught",
    "^uncorr",
    "^unrecover",
    "^cannot",
    "^can't",
    "^can not",
    "^could n",
    "^timed out",
    "^timeout [ew]",
    "^killed",
    "corrupt",
    "^deadlock",
    "^data loss",
    "^disk full",
    "^died",
    "^malfunc",
    "^overheat",
    "^exit code",
    "^exit status",
    "^exited ",
    "^not ok",
    "^not able",
    "^not resp",
    "^no route",
    "^no space",
    "^no such ",
    "^too many ",
    "^stale ",
    "^broken pi",
    "^bad file",
    "^lost conn",
    "on lost",
    "on reset",
    "^operation not",
    "^resource temp",
    "^address alr",
    "^assert",
    "^over temp",
    "^anom_ab",
    "nd not found",
    "ly unread",
    "^code=",
    "got sign",
    "unit hang",
    "^has not resp",
    "^is down",
    "^no serv",
    "^no dhcp",
    "^no free",
    "^not avail",
    "^no rule",
    "^no reply",
    "us=bounc",
    "us=defer",
    "repeated too",
    "^unexpected end",
    "^err ",
    "/50[0-4] ",
    "code\":5##",
    "ORA-",
    // What needs no level.
    "^traceback",
    "^oops:",
    "segf",
    "segmentation",
    "^sigse",
    "^sigab",
    "^sigbu",
    "^sigil",
    "^cut here",
    "^call tra",
    "dumped",
    "out of mem",
    "^oom-",
    "blocked for",
    "^lockup",
    "^machine ch",
    "read-only",
    "BUG:",
    "WARNING: CPU",
    "general prot",
    "gpu hang",
    "^double f",
    "^stack smash",
    "^stack overf",
    "sanitizer",
    "^terminat",
    "xfs_force",
    "stall",
    "above thresh",
    // What says that it is over. The last of the table: see `RECOVERY`.
    "^recovered",
    "^restored",
    "establish",
    "^reconn",
    "^resolved",
    "^back on",
    "^back to no",
    "thy again",
];

/// What is looked for as well where warnings and failed logins are wanted.
pub(super) const LOW_PATTERNS: &[&str] = &[
    "^warn",
    "^wrn[]: >|\"\t,]",
    "[ \t\n]W[ \t/,:][^ ]",
    "[ \n]W####",
    "[[|(]W[]|) ]?",
    "s\":\"W\"",
    "l\":4#",
    "y\":\"4\"",
    "^invalid user",
    "^break-in",
    "user unknown",
];

/// A text that is looked for as it stands, upper and lower case alike.
pub(super) fn literal(text: &str) -> Pattern {
    let set = |byte: u8| {
        let mut set = [false; 256];
        set[usize::from(byte.to_ascii_lowercase())] = true;
        set[usize::from(byte.to_ascii_uppercase())] = true;
        set
    };
    Pattern { sets: text.bytes().map(set).collect(), boundary: false }
}

/// Takes a pattern apart.
pub(super) fn parse(text: &str) -> Pattern {
    let bytes = text.as_bytes();
    let boundary = bytes.first() == Some(&b'^');
    let mut at = usize::from(boundary);
    let mut sets = Vec::new();
    while at < bytes.len() {
        let mut set = [false; 256];
        match bytes[at] {
            b'#' => set[usize::from(b'0')..=usize::from(b'9')].fill(true),
            b'?' => set.fill(true),
            b'[' => {
                let negated = bytes[at + 1] == b'^' && bytes[at + 2] != b']';
                at += 1 + usize::from(negated);
                // A bracket that comes first is a member, as in regular expressions.
                let mut first = true;
                while first || bytes[at] != b']' {
                    first = false;
                    if bytes[at] == b'\\' {
                        at += 1;
                    }
                    if bytes[at + 1] == b'-'
                        && bytes[at + 2] != b']'
                        && bytes[at] != b'\\'
                        && bytes[at].is_ascii_digit()
                    {
                        set[usize::from(bytes[at])..=usize::from(bytes[at + 2])].fill(true);
                        at += 2;
                    } else if bytes[at] == b'#' {
                        set[usize::from(b'0')..=usize::from(b'9')].fill(true);
                    } else {
                        set[usize::from(bytes[at])] = true;
                    }
                    at += 1;
                }
                if negated {
                    for member in &mut set {
                        *member = !*member;
                    }
                }
            }
            b => {
                set[usize::from(b)] = true;
                set[usize::from(b.to_ascii_uppercase())] = true;
                if b == b' ' {
                    set[usize::from(b'\t')] = true;
                }
            }
        }
        sets.push(set);
        at += 1;
    }
    while sets.len() < 4 {
        sets.push([true; 256]);
    }
    Pattern { sets, boundary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_few_enough_and_mean_what_they_say() {
        let all = PATTERNS.len() + LOW_PATTERNS.len() + super::super::MAX_TEXTS;
        assert!(all <= super::super::MAX_PATTERNS, "{all}");
        let set = parse("err[]: >]").sets.pop().unwrap();
        assert!(set[usize::from(b']')] && set[usize::from(b'>')] && !set[usize::from(b'o')]);
        let set = parse("[^ ]xyz").sets.remove(0);
        assert!(!set[usize::from(b' ')] && set[usize::from(b'a')]);
        assert!(parse("^fail").boundary);
        let set = parse("a[0-3]bc").sets.remove(1);
        assert!(set[usize::from(b'2')] && !set[usize::from(b'4')]);
    }
}
