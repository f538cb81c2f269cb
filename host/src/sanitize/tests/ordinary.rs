//! Text that must not change: lines written by hand (`tests/fixtures/sanitize/harmless.txt`) and families of lines that machines write,
//! generated with a fixed seed.

use super::super::{Report, Sanitizer};
use super::kinds::Random;

const WRITTEN: &str = include_str!("../../../../tests/fixtures/sanitize/harmless.txt");
/// What fraction of the lines must stay as they are.
const LEAST_UNTOUCHED: f64 = 0.995;

const HEX: &[u8] = b"0123456789abcdef";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const DIGITS: &[u8] = b"0123456789";

struct Maker(Random);

impl Maker {
    fn of(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| self.0.pick(alphabet) as char).collect()
    }

    fn hex(&mut self, length: usize) -> String {
        self.of(HEX, length)
    }

    fn number(&mut self, below: usize) -> usize {
        self.0.below(below)
    }

    fn uuid(&mut self) -> String {
        format!("{}-{}-4{}-9{}-{}", self.hex(8), self.hex(4), self.hex(3), self.hex(3), self.hex(12))
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 24] = [
            "token",
            "key",
            "secret",
            "password",
            "session",
            "auth",
            "cookie",
            "credential",
            "worker",
            "relay",
            "patch",
            "queue",
            "snapshot",
            "cache",
            "parser",
            "index",
            "driver",
            "network",
            "storage",
            "daemon",
            "clock",
            "metric",
            "bridge",
            "build",
        ];
        WORDS[self.0.below(WORDS.len())]
    }

    fn version(&mut self) -> String {
        format!("{}.{}.{}", self.number(20), self.number(30), self.number(50))
    }

    /// A line of a family.
    fn line(&mut self, family: usize) -> String {
        let (word, other) = (self.word(), self.word());
        match family {
            0 => format!("{}  {}-{}.tar.gz", self.hex(64), word, self.version()),
            1 => format!("{}  ./src/{word}/{other}.rs", self.hex(32)),
            2 => format!("commit {} (HEAD -> {word}-{other})", self.hex(40)),
            3 => format!("{} refactor the {word} of the {other}", self.hex(7)),
            4 => format!("index {}..{} 100644", self.hex(7), self.hex(7)),
            5 => format!("github.com/org/{word}-{other} v{} h1:{}=", self.version(), self.of(BASE64, 43)),
            6 => format!("github.com/org/{word} v{}/go.mod h1:{}=", self.version(), self.of(BASE64, 43)),
            7 => format!("      \"integrity\": \"sha512-{}==\",", self.of(BASE64, 86)),
            8 => format!("  integrity sha512-{}==", self.of(BASE64, 86)),
            9 => format!("checksum = \"{}\"", self.hex(64)),
            10 => format!(
                "  resolved \"https://registry.yarnpkg.com/{word}/-/{word}-{}.tgz#{}\"",
                self.version(),
                self.hex(40)
            ),
            11 => format!("{word}=={} --hash=sha256:{}", self.version(), self.hex(64)),
            12 => format!("image: registry.example.com/{word}/{other}:{}@sha256:{}", self.version(), self.hex(64)),
            13 => format!("2026-11-21T10:{:02}:00Z INFO {word} {} started for {other}", self.number(60), self.uuid()),
            14 => format!("{{\"id\":\"{}\",\"{word}_id\":{},\"status\":\"ok\"}}", self.uuid(), self.number(100_000)),
            15 => format!(
                "\tat com.example.{word}.{other}.Handler${}.run(Handler.java:{})",
                self.number(9),
                self.number(900)
            ),
            16 => format!("  File \"/opt/app/{word}/{other}.py\", line {}, in {word}_{other}", self.number(900)),
            17 => format!("   {}: 0x{} - app::{word}::{other}::h{}", self.number(40), self.hex(12), self.hex(16)),
            18 => format!(
                "Nov 21 10:{:02}:07 host {word}d[{}]: {other} {} finished in {} ms",
                self.number(60),
                self.number(30_000),
                self.number(900),
                self.number(5000)
            ),
            19 => format!(
                "10.{}.{}.{} - - [21/Nov/2026:10:00:00 +0000] \"GET /{word}/{other}/{}.js HTTP/1.1\" 200 {}",
                self.number(255),
                self.number(255),
                self.number(255),
                self.hex(20),
                self.number(90_000)
            ),
            20 => format!("/var/lib/{word}/{other}/{}/{}.json", self.hex(2), self.hex(62)),
            21 => format!(
                "{word}_{other}_total{{instance=\"10.0.0.{}:9100\",job=\"{word}\"}} {}",
                self.number(255),
                self.number(100_000)
            ),
            22 => {
                format!("pod/{word}-{other}-{}-{} 1/1 Running 0 {}h", self.hex(10), self.of(LOWER, 5), self.number(90))
            }
            23 => format!("The {word} is not the {other}: see the {word} section of the manual."),
            24 => format!("Could not read the {word} of {other} {}: try again later", self.number(900)),
            25 => format!("{word}.{other}.count={} {word}.{other}.max={}", self.number(9000), self.number(90)),
            26 => format!(
                "level=info ts={}.{} caller={word}.go:{} msg=\"{other} synced\" duration={}ms",
                self.of(DIGITS, 10),
                self.of(DIGITS, 3),
                self.number(900),
                self.number(90)
            ),
            27 => format!("fn {word}_{other}(&self, {word}: &str) -> Result<(), Error> {{"),
            28 => format!("let {word} = self.{other}.get(&{word}_id)?;"),
            29 => format!("import {{ {word}, {other} }} from './{word}/{other}.js';"),
            30 => format!("diff --git a/src/{word}/{other}.ts b/src/{word}/{other}.ts"),
            31 => format!("+  \"{word}-{other}\": \"^{}\",", self.version()),
            32 => format!("SHA256:{} {word}@{other} (ED25519)", self.of(BASE64, 43)),
            33 => format!(
                "{}:{}:{}:{}:{}:{} dev eth{} {word}",
                self.hex(2),
                self.hex(2),
                self.hex(2),
                self.hex(2),
                self.hex(2),
                self.hex(2),
                self.number(9)
            ),
            34 => format!("test {word}::tests::{other}_is_refused ... ok"),
            35 => format!("Downloading {word} v{} ({}.{} kB)", self.version(), self.number(900), self.number(9)),
            _ => format!(
                "patch-v{}(P11.{:02}.{:02})_{word}-{other}.json",
                self.version(),
                self.number(20),
                self.number(20)
            ),
        }
    }
}

const FAMILIES: usize = 37;
const LINES_OF_A_FAMILY: usize = 40;

#[test]
fn ordinary_lines_are_left_alone() {
    let sanitizer = Sanitizer::builtin();
    let mut maker = Maker(Random::new(17));
    let mut lines: Vec<String> = WRITTEN.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let written = lines.len();
    for family in 0..FAMILIES {
        lines.extend((0..LINES_OF_A_FAMILY).map(|_| maker.line(family)));
    }
    let mut changed = Vec::new();
    for line in &lines {
        let output = sanitizer.text(line, &mut Report::default());
        if *output != **line {
            changed.push(format!("  {line}\n  -> {output}"));
        }
    }
    let share = 1.0 - changed.len() as f64 / lines.len() as f64;
    println!(
        "{} lines, {written} of them written by hand, {} changed: {:.2} % untouched\n{}",
        lines.len(),
        changed.len(),
        share * 100.0,
        changed.join("\n")
    );
    assert!(lines.len() >= 1500 && written >= 400);
    assert!(share > LEAST_UNTOUCHED, "{share}");
}

/// The same lines as one text: what stands above or below a line must not make it a secret.
#[test]
fn ordinary_lines_are_left_alone_as_one_text() {
    let mut maker = Maker(Random::new(18));
    let lines: Vec<String> =
        (0..20).flat_map(|_| (0..FAMILIES).map(|family| maker.line(family)).collect::<Vec<_>>()).collect();
    let text = lines.join("\n");
    let output = Sanitizer::builtin().text(&text, &mut Report::default()).into_owned();
    let changed: Vec<_> = lines.iter().zip(output.lines()).filter(|(line, clean)| line != clean).take(5).collect();
    assert!(output == text, "{changed:#?}");
}
