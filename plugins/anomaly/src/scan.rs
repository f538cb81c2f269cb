//! The engine run once over one stream of bytes, from its start: what `ghostd scan FILE` prints.
//!
//! ```
//! use ghostd_anomaly::scan::{Options, Scan};
//!
//! let mut scan = Scan::new(Options::default());
//! let mut found = Vec::new();
//! scan.feed(b"2024-01-02 03:04:05 INFO fine\n2024-01-02 03:04:06 ERROR disk ", &mut |event| found.push(event));
//! scan.feed(b"7 is gone\n", &mut |event| found.push(event));
//! scan.finish(&mut |event| found.push(event));
//! assert_eq!((found[0].line, found[0].severity.as_str()), (2, "high"));
//! assert_eq!(found[0].template, "disk <*> is gone");
//! ```

use crate::decode::Wide;
use crate::event::Event;
use crate::prefilter::Prefilter;
use crate::scanner::{Counts, Scanner};
use crate::severity::Severity;
use crate::template::{self, Memo};

pub use crate::scanner::Options;

/// One event of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The number of its first line, from 1.
    pub line: u64,
    /// The number of its last line.
    pub end_line: u64,
    /// How bad it is.
    pub severity: Severity,
    /// The fingerprint of its kind, as findings have it.
    pub fingerprint: String,
    /// The template of its message.
    pub template: String,
    /// The first line without its head. Not redacted.
    pub message: String,
    /// The innermost cause. Not redacted.
    pub cause: Option<String>,
}

/// A scan of one stream. Its memory does not grow with the stream.
pub struct Scan {
    scanner: Scanner<'static>,
    encoding: Option<Option<Wide>>,
    rest: Vec<u8>,
    memo: Memo,
}

/// So many bytes are waited for before the encoding is judged.
const DETECT_BYTES: usize = 64;

impl Scan {
    /// Begins a scan.
    pub fn new(options: Options) -> Self {
        Self {
            scanner: Scanner::new(Prefilter::shared(), options, 1),
            encoding: None,
            rest: Vec::new(),
            memo: Memo::default(),
        }
    }

    /// Takes the next bytes, in blocks of any size; a mebibyte is a good one.
    pub fn feed(&mut self, block: &[u8], sink: &mut dyn FnMut(Found)) {
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => {
                self.rest.extend_from_slice(block);
                if self.rest.len() < DETECT_BYTES {
                    return;
                }
                let encoding = Wide::detect(&self.rest);
                self.encoding = Some(encoding);
                let first = std::mem::take(&mut self.rest);
                self.take(encoding, &first, sink);
                return;
            }
        };
        self.take(encoding, block, sink);
    }

    /// The end of the stream.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Found)) {
        if self.encoding.is_none() {
            let first = std::mem::take(&mut self.rest);
            self.take(Wide::detect(&first), &first, sink);
        }
        let Self { scanner, memo, .. } = self;
        scanner.finish(&mut |event| sink(found(event, memo)));
    }

    /// What was met so far.
    pub fn counts(&self) -> Counts {
        self.scanner.counts()
    }

    fn take(&mut self, encoding: Option<Wide>, block: &[u8], sink: &mut dyn FnMut(Found)) {
        let Self { scanner, rest, memo, .. } = self;
        let mut give = |event: Event| sink(found(event, memo));
        match encoding {
            None => scanner.feed(block, &mut give),
            Some(wide) => {
                rest.extend_from_slice(block);
                let (text, used) = wide.decode(rest);
                rest.drain(..used);
                scanner.feed(text.as_bytes(), &mut give);
            }
        }
    }
}

fn found(event: Event, memo: &mut Memo) -> Found {
    let message = event.message().to_owned();
    let known = memo.of(&message);
    let template = known.template.clone();
    let fingerprint = match template::cause_class(&event) {
        "" => known.fingerprint.clone(),
        cause => template::fingerprint_text(template::fingerprint(&template, cause)),
    };
    Found {
        line: event.line,
        end_line: event.end_line,
        severity: event.severity,
        fingerprint,
        template,
        message,
        cause: event.cause,
    }
}
