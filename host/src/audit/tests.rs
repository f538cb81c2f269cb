use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

/// A log in memory that can fail.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    durable: usize,
    fail_append_after: Option<usize>,
    fail_syncs: usize,
}

#[derive(Debug, Clone, Default)]
struct InMemory(Arc<Mutex<Kept>>);

impl InMemory {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }
}

impl Medium for InMemory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        match kept.fail_append_after.take() {
            Some(count) => {
                kept.bytes.extend_from_slice(&bytes[..count.min(bytes.len())]);
                Err(io::ErrorKind::StorageFull.into())
            }
            None => {
                kept.bytes.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        if kept.fail_syncs > 0 {
            kept.fail_syncs -= 1;
            // As Linux does: what could not be written is dropped and called clean.
            let durable = kept.durable;
            kept.bytes[durable..].fill(0);
            return Err(io::Error::other("EIO"));
        }
        kept.durable = kept.bytes.len();
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

fn log_of(count: u64) -> (Log, InMemory) {
    let medium = InMemory::default();
    let mut log = Log::resume(Box::new(medium.clone()), &Tail::default());
    for n in 1..=count {
        log.append(Wall::from_millis(1_000), "note", json!({ "n": n })).unwrap();
    }
    log.sync().unwrap();
    (log, medium)
}

fn check(bytes: &[u8], known: &[AuditHead]) -> Verification {
    verify(&mut &bytes[..], known, &mut |_| {}).unwrap()
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').collect()
}

#[test]
fn a_line_has_this_form() {
    let (_, medium) = log_of(2);
    insta::assert_snapshot!(String::from_utf8(medium.bytes()).unwrap());
}

#[test]
fn an_untouched_log_is_intact_and_every_line_is_visited() {
    let (log, medium) = log_of(5);
    let mut seen = Vec::new();
    let bytes = medium.bytes();
    let checked = verify(&mut &bytes[..], &[log.head().unwrap().clone()], &mut |line| seen.push(line.sequence));
    let checked = checked.unwrap();
    assert_eq!((checked.lines, checked.findings.len()), (5, 0));
    assert_eq!(checked.head.as_ref(), log.head());
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

#[test]
fn every_changed_byte_is_found_and_names_its_line() {
    let (_, medium) = log_of(3);
    let bytes = medium.bytes();
    let mut line = 1;
    for place in 0..bytes.len() {
        for changed in [bytes[place] ^ 1, bytes[place] ^ 0x20, b'\n', 0] {
            if changed == bytes[place] {
                continue;
            }
            let mut copy = bytes.clone();
            copy[place] = changed;
            let findings = check(&copy, &[]).findings;
            // A line feed that is gone joins its line with the next.
            assert!(findings.iter().any(|finding| finding.line == line), "byte {place}: {findings:?}");
        }
        line += u64::from(bytes[place] == b'\n');
    }
}

#[test]
fn a_removed_line_is_found() {
    let (_, medium) = log_of(4);
    let bytes = medium.bytes();
    let lines = lines(&bytes);
    let without = [lines[0], lines[3]].concat();
    let expected = Finding { line: 2, sequence: Some(4), flaw: Flaw::Removed { count: 2 } };
    assert_eq!(check(&without, &[]).findings, [expected]);
    let expected = Finding { line: 1, sequence: Some(2), flaw: Flaw::Removed { count: 1 } };
    assert_eq!(check(&lines[1..].concat(), &[]).findings, [expected]);
}

#[test]
fn reordered_lines_are_found() {
    let (_, medium) = log_of(3);
    let bytes = medium.bytes();
    let lines = lines(&bytes);
    let findings = check(&[lines[0], lines[2], lines[1]].concat(), &[]).findings;
    assert_eq!(findings[0].flaw, Flaw::Removed { count: 1 });
    assert_eq!(findings[1], Finding { line: 3, sequence: Some(2), flaw: Flaw::Reordered { expected: 4 } });
}

#[test]
fn a_line_that_was_rewritten_with_its_own_hash_mended_is_found_by_the_next() {
    let (_, medium) = log_of(3);
    let bytes = medium.bytes();
    let lines = lines(&bytes);
    let first = read_line(lines[0].strip_suffix(b"\n").unwrap()).map_err(|u| u.reason).unwrap();
    let (forged, _) = render(2, Wall(0), "note", json!({ "n": 99 }), Some(first.sha256));
    let findings = check(&[lines[0], forged.as_bytes(), lines[2]].concat(), &[]).findings;
    assert_eq!(findings, [Finding { line: 3, sequence: Some(3), flaw: Flaw::Unlinked }]);
}

#[test]
fn a_cut_end_is_found_by_what_a_snapshot_has_seen() {
    let (log, medium) = log_of(4);
    let bytes = medium.bytes();
    let cut = lines(&bytes)[..2].concat();
    assert_eq!(check(&cut, &[]).findings, []);
    let findings = check(&cut, &[log.head().unwrap().clone()]).findings;
    assert_eq!(findings, [Finding { line: 3, sequence: Some(4), flaw: Flaw::Cut { count: 2 } }]);
    let forged = AuditHead { sequence: 2, sha256: Digest::of(b"another") };
    assert_eq!(check(&bytes, &[forged]).findings[0].flaw, Flaw::Replaced);
}

#[test]
fn a_torn_line_is_named_and_cut_off_before_the_next() {
    let (_, medium) = log_of(2);
    let whole = medium.bytes();
    let mut torn = whole.clone();
    torn.extend_from_slice(br#"{"sequence":3,"at":"20"#);
    assert_eq!(check(&torn, &[]).findings, [Finding { line: 3, sequence: None, flaw: Flaw::Torn }]);

    let tail = read_tail(&torn, 0);
    assert_eq!((tail.length, tail.torn_bytes, &tail.flaw), (whole.len() as u64, 22, &None));
    medium.0.lock().unwrap().bytes = torn;
    let mut log = Log::resume(Box::new(medium.clone()), &tail);
    log.append(Wall(0), "note", json!({})).unwrap();
    log.sync().unwrap();
    let checked = check(&medium.bytes(), &[]);
    assert_eq!((checked.lines, checked.findings), (3, vec![]));
}

#[test]
fn the_tail_is_found_wherever_the_piece_begins() {
    let (log, medium) = log_of(3);
    let bytes = medium.bytes();
    let last = lines(&bytes)[2].len();
    for from in [0, 10, bytes.len() - last - 1, bytes.len() - last] {
        let tail = read_tail(&bytes[from..], from as u64);
        assert_eq!((tail.head.as_ref(), tail.length), (log.head(), bytes.len() as u64), "from {from}");
    }
    assert_eq!(read_tail(b"", 0), Tail::default());
}

#[test]
fn a_failed_append_leaves_nothing_behind() {
    for written in [0, 1, 40, usize::MAX] {
        let (mut log, medium) = log_of(1);
        medium.0.lock().unwrap().fail_append_after = Some(written);
        assert!(log.append(Wall(0), "note", json!({})).unwrap_err().is_full());
        log.append(Wall(0), "note", json!({ "again": true })).unwrap();
        log.sync().unwrap();
        let checked = check(&medium.bytes(), &[]);
        assert_eq!((checked.lines, checked.findings), (2, vec![]));
    }
}

#[test]
fn what_a_failed_sync_dropped_is_written_anew() {
    let (mut log, medium) = log_of(1);
    medium.0.lock().unwrap().fail_syncs = 2;
    log.append(Wall(0), "note", json!({ "n": 2 })).unwrap();
    assert!(log.sync().is_err());
    assert!(log.sync().is_err());
    log.append(Wall(0), "note", json!({ "n": 3 })).unwrap();
    assert_eq!(log.sync().unwrap().map(|head| head.sequence), Some(3));
    let checked = check(&medium.bytes(), &[]);
    assert_eq!((checked.lines, checked.findings), (3, vec![]));
}

#[test]
fn a_line_that_is_too_long_is_refused_and_one_that_is_there_is_skipped() {
    let (mut log, medium) = log_of(1);
    let long = "x".repeat(MAX_LINE_BYTES);
    assert!(matches!(log.append(Wall(0), "note", json!({ "x": long })), Err(AuditError::TooLong { .. })));
    let mut bytes = medium.bytes();
    bytes.extend(std::iter::repeat_n(b'x', 3 * MAX_LINE_BYTES));
    bytes.push(b'\n');
    let findings = check(&bytes, &[]).findings;
    assert!(matches!(findings[0], Finding { line: 2, flaw: Flaw::Altered { .. }, .. }), "{findings:?}");
}
