//! From words to a condition whose types fit.
//!
//! ```text
//! or         = and { ("or" | "||") and }
//! and        = not { ("and" | "&&") not }
//! not        = ("not" | "!") not | comparison
//! comparison = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=" | "=~" | "!~") sum ]
//! sum        = product { ("+" | "-") product }
//! product    = sign { ("*" | "/") sign }
//! sign       = "-" sign | primary { ".abs" }
//! primary    = NUMBER | TEXT | "true" | "false" | "(" or ")" | name
//! ```

use regex::{Regex, RegexBuilder};

use super::Flaw;
use super::fields::{DAEMON_FIELDS, FIELDS, daemon_field_names, field_names};
use super::token::{Placed, Token, tokens};
use super::tree::{Aggregate, Arithmetic, Comparison, FindingField, Kind, LabelIs, Node, Selector};

/// The longest condition, in bytes.
const MAX_BYTES: usize = 4_096;
/// How deep parentheses may nest: each level costs stack.
const MAX_DEPTH: usize = 32;
/// What a compiled regular expression may take.
const MAX_REGEX_BYTES: usize = 1 << 18;
/// What can be called.
const FUNCTIONS: &str = "daemon, findings, finding, metric, abs, max, min, sum, avg, count, no_data";

/// Reads a condition.
pub(super) fn parse(text: &str, daemons: &[&str]) -> Result<Node, Flaw> {
    if text.len() > MAX_BYTES {
        return Err(Flaw::at(1, format!("is longer than {MAX_BYTES} bytes")));
    }
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: tokens(text)?, at: 0, end, daemons, in_finding: false, depth: 0 };
    if parser.tokens.is_empty() {
        return Err(Flaw::at(1, "says nothing").hint("such as `clock.offset_seconds.abs > 30`"));
    }
    let part = parser.or()?;
    if let Some(placed) = parser.peek() {
        let problem = format!("`{}` is one too many", shown(&placed.token));
        return Err(Flaw::at(placed.column, problem).hint("join conditions with `and` or `or`"));
    }
    part.must_be_truth()?;
    if !part.node.asks_something() {
        return Err(Flaw::at(1, "asks nothing of the machine").hint(format!("name a metric or one of {}", known())));
    }
    Ok(part.node)
}

/// A part with its type and where it begins.
struct Part {
    node: Node,
    kind: Kind,
    column: usize,
}

impl Part {
    fn must_be(&self, kind: Kind) -> Result<(), Flaw> {
        if self.kind.noun() == kind.noun() {
            return Ok(());
        }
        let problem = format!("expected {}, found {}", kind.noun(), self.kind.noun());
        Err(Flaw::at(self.column, problem))
    }

    fn must_be_truth(&self) -> Result<(), Flaw> {
        self.must_be(Kind::Truth).map_err(|flaw| match self.kind {
            Kind::Truth => flaw,
            Kind::Number => flaw.hint("compare it: `> 0`"),
            _ => flaw.hint("compare it: `== \"...\"`"),
        })
    }
}

struct Parser<'a> {
    tokens: Vec<Placed>,
    at: usize,
    end: usize,
    daemons: &'a [&'a str],
    in_finding: bool,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Placed> {
        self.tokens.get(self.at)
    }

    /// Where the next word begins.
    fn column(&self) -> usize {
        self.peek().map_or(self.end, |placed| placed.column)
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Placed { token: Token::Symbol(found), .. }) if *found == symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Placed { token: Token::Name(found), .. }) if found == word)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Flaw> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    fn unexpected(&self, expected: &str) -> Flaw {
        match self.peek() {
            Some(placed) => Flaw::at(placed.column, format!("expected {expected}, found `{}`", shown(&placed.token))),
            None => Flaw::at(self.end, format!("ends where {expected} is expected")),
        }
    }

    fn or(&mut self) -> Result<Part, Flaw> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Flaw::at(self.column(), format!("is nested more than {MAX_DEPTH} deep")));
        }
        let mut left = self.and()?;
        while self.take("||") || self.take_word("or") {
            let right = self.and()?;
            left.must_be_truth()?;
            right.must_be_truth()?;
            left.node = Node::Or(Box::new(left.node), Box::new(right.node));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Part, Flaw> {
        let mut left = self.not()?;
        while self.take("&&") || self.take_word("and") {
            let right = self.not()?;
            left.must_be_truth()?;
            right.must_be_truth()?;
            left.node = Node::And(Box::new(left.node), Box::new(right.node));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Part, Flaw> {
        let column = self.column();
        let mut count = 0;
        while self.take("!") || self.take_word("not") {
            count += 1;
        }
        let mut part = self.comparison()?;
        if count > 0 {
            part.must_be_truth()?;
            part.column = column;
            if count % 2 == 1 {
                part.node = Node::Not(Box::new(part.node));
            }
        }
        Ok(part)
    }

    fn comparison(&mut self) -> Result<Part, Flaw> {
        let left = self.sum()?;
        let operator_column = self.column();
        for (symbol, must_match) in [("=~", true), ("!~", false)] {
            if self.take(symbol) {
                if left.kind.noun() != Kind::Text.noun() {
                    let problem = format!("`{symbol}` is for texts, not for {}", left.kind.noun());
                    return Err(Flaw::at(operator_column, problem));
                }
                let regex = self.regex()?;
                let node = Node::Matches(Box::new(left.node), regex, must_match);
                return Ok(Part { node, kind: Kind::Truth, column: left.column });
            }
        }
        let Some((_, comparison)) = Comparison::ALL.iter().rev().find(|(symbol, _)| self.is(symbol)) else {
            if self.is("=") {
                return Err(Flaw::at(operator_column, "`=` compares nothing").hint("write `==`"));
            }
            return Ok(left);
        };
        self.at += 1;
        let right = self.sum()?;
        if let Some((symbol, _)) = Comparison::ALL.iter().find(|(symbol, _)| self.is(symbol)) {
            let problem = format!("`{symbol}` cannot follow another comparison");
            return Err(Flaw::at(self.column(), problem).hint("join two comparisons with `and`"));
        }
        let scale = comparable(*comparison, &left, &right, operator_column)?;
        let node = Node::Compare(*comparison, Box::new(left.node), Box::new(right.node), scale);
        Ok(Part { node, kind: Kind::Truth, column: left.column })
    }

    fn sum(&mut self) -> Result<Part, Flaw> {
        let mut left = self.product()?;
        loop {
            let arithmetic = if self.take("+") {
                Arithmetic::Plus
            } else if self.take("-") {
                Arithmetic::Minus
            } else {
                return Ok(left);
            };
            let right = self.product()?;
            left = joined(arithmetic, left, right)?;
        }
    }

    fn product(&mut self) -> Result<Part, Flaw> {
        let mut left = self.sign()?;
        loop {
            let arithmetic = if self.take("*") {
                Arithmetic::Times
            } else if self.take("/") {
                Arithmetic::Over
            } else {
                return Ok(left);
            };
            let right = self.sign()?;
            left = joined(arithmetic, left, right)?;
        }
    }

    fn sign(&mut self) -> Result<Part, Flaw> {
        let column = self.column();
        let mut count = 0;
        while self.take("-") {
            count += 1;
        }
        let mut part = self.primary()?;
        while self.is(".")
            && matches!(self.tokens.get(self.at + 1), Some(Placed { token: Token::Name(name), .. }) if name == "abs")
        {
            self.at += 2;
            part = absolute(part)?;
        }
        if count > 0 {
            part.must_be(Kind::Number)?;
            part.column = column;
            if count % 2 == 1 {
                part.node = Node::Negate(Box::new(part.node));
            }
        }
        Ok(part)
    }

    fn primary(&mut self) -> Result<Part, Flaw> {
        let Some(Placed { token, column }) = self.peek().cloned() else {
            return Err(self.unexpected("a metric, a figure or a number"));
        };
        let part = |node, kind| Part { node, kind, column };
        match token {
            Token::Number(number) => {
                self.at += 1;
                Ok(part(Node::Number(number), Kind::Number))
            }
            Token::Text(text) => {
                self.at += 1;
                Ok(part(Node::Text(text), Kind::Text))
            }
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.or()?;
                self.expect(")")?;
                Ok(Part { column, ..inner })
            }
            Token::Name(name) if !matches!(&*name, "and" | "or" | "not") => {
                self.at += 1;
                match &*name {
                    "true" | "false" => Ok(part(Node::Truth(name == "true"), Kind::Truth)),
                    _ if self.in_finding => finding_field(&name, column),
                    _ if self.is("(") => self.call(&name, column),
                    _ => self.figure(&name, column),
                }
            }
            _ => Err(self.unexpected("a metric, a figure or a number")),
        }
    }

    /// A figure of the heartbeat, or a metric.
    fn figure(&mut self, name: &str, column: usize) -> Result<Part, Flaw> {
        let (bare, is_absolute) = match name.strip_suffix(".abs") {
            Some(bare) => (bare, true),
            None => (name, false),
        };
        let field = FIELDS.iter().find(|field| field.name == bare).filter(|_| !self.is("{"));
        let part = match field {
            Some(field) => Part { node: Node::Field(*field), kind: field.kind, column },
            None if bare.contains('.') || self.is("{") => self.metric(bare, column)?,
            None => {
                let hint = format!("one of {}; a metric without a dot is written `metric(\"{bare}\")`", known());
                return Err(Flaw::at(column, format!("`{bare}` is unknown")).hint(hint));
            }
        };
        if is_absolute { absolute(part) } else { Ok(part) }
    }

    fn metric(&mut self, name: &str, column: usize) -> Result<Part, Flaw> {
        let mut labels = Vec::new();
        if self.take("{") {
            while !self.take("}") {
                labels.push(self.label()?);
                if !self.take(",") && !self.is("}") {
                    return Err(self.unexpected("`,` or `}`"));
                }
            }
        }
        let node = Node::Metric(Selector { name: name.to_owned(), labels });
        Ok(Part { node, kind: Kind::Number, column })
    }

    fn label(&mut self) -> Result<(String, LabelIs), Flaw> {
        let name = match self.peek().map(|placed| &placed.token) {
            Some(Token::Name(name) | Token::Text(name)) => name.clone(),
            _ => return Err(self.unexpected("a label")),
        };
        self.at += 1;
        let is = if self.take("=") || self.take("==") {
            LabelIs::Equal(self.text("a text in quotes")?)
        } else if self.take("!=") {
            LabelIs::NotEqual(self.text("a text in quotes")?)
        } else if self.take("=~") {
            LabelIs::Matches(self.regex()?)
        } else if self.take("!~") {
            LabelIs::NotMatches(self.regex()?)
        } else {
            return Err(self.unexpected("`=`, `!=`, `=~` or `!~`"));
        };
        Ok((name, is))
    }

    fn text(&mut self, expected: &str) -> Result<String, Flaw> {
        let Some(Token::Text(text)) = self.peek().map(|placed| placed.token.clone()) else {
            return Err(self.unexpected(expected));
        };
        self.at += 1;
        Ok(text)
    }

    fn regex(&mut self) -> Result<Regex, Flaw> {
        let column = self.column();
        let pattern = self.text("a regular expression in quotes")?;
        whole(&pattern).map_err(|reason| Flaw::at(column, format!("`{pattern}` is no regular expression: {reason}")))
    }

    fn call(&mut self, name: &str, column: usize) -> Result<Part, Flaw> {
        self.expect("(")?;
        match name {
            "daemon" => {
                let who_column = self.column();
                let who = self.text("the name of a daemon in quotes, or \"*\"")?;
                self.expect(")")?;
                self.daemon(who, who_column, column)
            }
            "findings" | "finding" => {
                self.in_finding = true;
                let filter = if self.is(")") { None } else { Some(self.or()?) };
                self.in_finding = false;
                self.expect(")")?;
                filter.as_ref().map_or(Ok(()), Part::must_be_truth)?;
                let filter = filter.map(|part| Box::new(part.node));
                if name == "finding" {
                    return Ok(Part { node: Node::Finding(filter), kind: Kind::Truth, column });
                }
                if !(self.take(".") && self.take_word("count")) {
                    let hint = "write `findings(...).count > 0`, or `finding(...)` for each by itself";
                    return Err(self.unexpected("`.count`").hint(hint));
                }
                Ok(Part { node: Node::FindingCount(filter), kind: Kind::Number, column })
            }
            "metric" => {
                let metric = self.text("the name of a metric in quotes")?;
                self.expect(")")?;
                self.metric(&metric, column)
            }
            "abs" => {
                let inner = self.or()?;
                self.expect(")")?;
                absolute(Part { column, ..inner })
            }
            "no_data" => {
                let inner = self.or()?;
                self.expect(")")?;
                Ok(Part { node: Node::NoData(Box::new(inner.node)), kind: Kind::Truth, column })
            }
            _ => match Aggregate::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, aggregate)) => {
                    let inner = self.or()?;
                    self.expect(")")?;
                    let many = matches!(&inner.node, Node::Metric(_) | Node::Daemon(None, _));
                    if !many || inner.kind != Kind::Number {
                        let problem = format!("`{name}` is made of a metric or of a figure of `daemon(\"*\")`");
                        return Err(Flaw::at(inner.column, problem));
                    }
                    let node = Node::Aggregate(*aggregate, Box::new(inner.node));
                    Ok(Part { node, kind: Kind::Number, column })
                }
                None => Err(Flaw::at(column, format!("`{name}` cannot be called")).hint(format!("one of {FUNCTIONS}"))),
            },
        }
    }

    fn daemon(&mut self, who: String, who_column: usize, column: usize) -> Result<Part, Flaw> {
        let who = (who != "*").then_some(who);
        if let Some(name) = who.as_deref().filter(|name| !self.daemons.contains(name)) {
            let flaw = Flaw::at(who_column, format!("no daemon `{name}` is watched"));
            return Err(match self.daemons {
                [] => flaw.hint("there is no [[daemon]]"),
                some => flaw.hint(format!("one of {}, or \"*\" for each", some.join(", "))),
            });
        }
        self.expect(".")?;
        let field_column = self.column();
        let Some(Token::Name(name)) = self.peek().map(|placed| placed.token.clone()) else {
            return Err(self.unexpected("a figure of the daemon"));
        };
        let (bare, is_absolute) = name.strip_suffix(".abs").map_or((&*name, false), |bare| (bare, true));
        let Some(field) = DAEMON_FIELDS.iter().find(|field| field.name == bare) else {
            let hint = format!("one of {}", daemon_field_names().join(", "));
            return Err(Flaw::at(field_column, format!("a daemon has no `{bare}`")).hint(hint));
        };
        self.at += 1;
        let part = Part { node: Node::Daemon(who, *field), kind: field.kind, column };
        if is_absolute { absolute(part) } else { Ok(part) }
    }
}

/// A regular expression that must match all of a text.
pub(in crate::alerts) fn whole(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_REGEX_BYTES).build().map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
    })
}

fn absolute(part: Part) -> Result<Part, Flaw> {
    part.must_be(Kind::Number)?;
    Ok(Part { node: Node::Abs(Box::new(part.node)), ..part })
}

fn joined(arithmetic: Arithmetic, left: Part, right: Part) -> Result<Part, Flaw> {
    left.must_be(Kind::Number)?;
    right.must_be(Kind::Number)?;
    let node = Node::Arithmetic(arithmetic, Box::new(left.node), Box::new(right.node));
    Ok(Part { node, kind: Kind::Number, column: left.column })
}

/// Whether two parts can be compared so; gives what orders them where it is not numbers.
fn comparable(
    comparison: Comparison,
    left: &Part,
    right: &Part,
    column: usize,
) -> Result<Option<&'static [&'static str]>, Flaw> {
    if left.kind.noun() != right.kind.noun() {
        let problem = format!("{} cannot be compared with {}", left.kind.noun(), right.kind.noun());
        return Err(Flaw::at(right.column, problem));
    }
    let words = [left.kind, right.kind].into_iter().find_map(|kind| match kind {
        Kind::Words(words) | Kind::Scale(words) => Some(words),
        _ => None,
    });
    let scale = [left.kind, right.kind].into_iter().find_map(|kind| match kind {
        Kind::Scale(words) => Some(words),
        _ => None,
    });
    for part in [left, right] {
        if let (Some(words), Node::Text(text)) = (words, &part.node)
            && !words.contains(&text.as_str())
        {
            let hint = if text == "no_data" {
                "write `no_data(...)`".to_owned()
            } else {
                format!("one of {}", words.join(", "))
            };
            return Err(Flaw::at(part.column, format!("it is never `{text}`")).hint(hint));
        }
    }
    let orders = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if orders && left.kind != Kind::Number && scale.is_none() {
        let problem = format!("`{}` is for what has an order", comparison.as_str());
        return Err(Flaw::at(column, problem).hint("`==`, `!=`, `=~` and `!~` compare texts"));
    }
    Ok(scale)
}

fn finding_field(name: &str, column: usize) -> Result<Part, Flaw> {
    match FindingField::ALL.iter().find(|(known, ..)| *known == name) {
        Some((_, field, kind)) => Ok(Part { node: Node::FindingField(*field), kind: *kind, column }),
        None => {
            let known: Vec<&str> = FindingField::ALL.iter().map(|(known, ..)| *known).collect();
            Err(Flaw::at(column, format!("a finding has no `{name}`")).hint(format!("one of {}", known.join(", "))))
        }
    }
}

fn known() -> String {
    field_names().join(", ")
}

fn shown(token: &Token) -> String {
    match token {
        Token::Name(name) => name.clone(),
        Token::Number(number) => number.to_string(),
        Token::Text(text) => format!("\"{}\"", text.escape_debug()),
        Token::Symbol(symbol) => (*symbol).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> Flaw {
        parse(text, &["relayCore"]).map(|node| panic!("{text} was taken: {node:?}")).unwrap_err()
    }

    #[test]
    fn what_the_documentation_shows_is_understood() {
        for text in [
            "clock.offset_seconds.abs > 30",
            "daemon.failed_count >= 3",
            r#"daemon("relayCore").status == "failed""#,
            r#"daemon("*").memory_bytes > 2GiB and daemon("*").uptime_seconds > 10m"#,
            r#"system.filesystem.utilization{system.filesystem.mountpoint!="/boot"} > 90%"#,
            "max(system.cpu.logical.utilization) > 0.95",
            r#"findings(severity >= "high" and collector == "anomaly").count > 0"#,
            r#"finding(severity == "critical")"#,
            "findings().count >= 10",
            r#"overall >= "unhealthy""#,
            "no_data(clock.offset_seconds)",
            r#"not (overall == "healthy") || -clock.offset_seconds / 2 > 1 + 2 * 3"#,
            r#"metric("odd name"){a="b",c=~"d.*"}.abs != 0"#,
        ] {
            if let Err(flaw) = parse(text, &["relayCore"]) {
                panic!("{text}: {flaw}");
            }
        }
    }

    #[test]
    fn a_flaw_names_its_column_and_what_mends_it() {
        for (text, column, words) in [
            ("", 1, "says nothing"),
            ("clock.offset_seconds >", 23, "ends where"),
            ("clock.offset_seconds > \"a\"", 24, "a number cannot be compared with a text"),
            ("clock.offset_seconds = 3", 22, "write `==`"),
            ("overall == \"critcal\"", 12, "healthy, degraded, unhealthy, critical"),
            ("overal == \"critical\"", 1, "`overal` is unknown"),
            (r#"daemon("relaycore").status == "failed""#, 8, "relayCore"),
            (r#"daemon("relayCore").state == "failed""#, 21, "status"),
            (r#"daemon("relayCore").status == "no_data""#, 31, "no_data(...)"),
            (r#"daemon("relayCore").status > "failed""#, 28, "has an order"),
            ("findings(severity >= \"huge\").count > 0", 22, "low, medium, high, critical"),
            ("findings(kind == \"x\").count > 0", 10, "a finding has no `kind`"),
            ("findings() > 0", 12, "`.count`"),
            ("1 < clock.offset_seconds < 3", 26, "join two comparisons"),
            ("clock.offset_seconds", 1, "compare it"),
            ("2 > 1", 1, "asks nothing"),
            ("(overall == \"critical\"", 23, "`)`"),
            ("overall == \"critical\" overall", 23, "one too many"),
            ("larger(a.b) > 1", 1, "cannot be called"),
            ("max(clock.offset_seconds) > 1", 5, "is made of a metric"),
            ("a.b{c=3} > 1", 7, "a text in quotes"),
            ("a.b{c=~\"(\"} > 1", 8, "no regular expression"),
            ("a.b and c.d > 1", 1, "expected a truth value"),
        ] {
            let flaw = flaw(text);
            assert_eq!(flaw.column, column, "{text}: {flaw}");
            assert!(flaw.to_string().contains(words), "{text}: {flaw}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}overall == \"critical\"{}", "(".repeat(2_000), ")".repeat(2_000));
        assert!(flaw(&deep).problem.contains("nested") || flaw(&deep).problem.contains("longer"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_written_makes_it_panic(text in "[a-z.(){}\"=<>! 0-9,&|~*-]{0,60}") {
            let _ = parse(&text, &[]);
        }
    }
}
