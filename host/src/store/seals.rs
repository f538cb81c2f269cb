//! What signatures and published heads say of a store, to somebody who keeps a public key or a head elsewhere.
//!
//! A chain of hashes proves that nothing was changed by somebody who cannot write all of it anew. Whoever owns the data
//! directory can. A signature they cannot write anew without the key, and a head that was published they cannot take
//! back: each proves something that the directory alone cannot.
//!
//! Owns: both checks. Must not know: where the key and the heads come from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chain::{Problem, Verdict};
use super::directory;
use super::error::StoreError;
use super::reader::{Filter, Reader, Source as _};
use crate::model::{AuditHead, Digest, PublicKey, SnapshotId, StoreRef, Wall};
use crate::seal::Certificate;

/// The head of the chain, as it is published: what was the newest snapshot at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// When it was the newest.
    pub at: Wall,
    /// Of which store.
    pub store: StoreRef,
    /// Its place.
    pub sequence: u64,
    /// Its name.
    pub id: SnapshotId,
    /// What its body hashes to.
    pub sha256: Digest,
    /// The audit log as it knows it.
    #[serde(default)]
    pub audit_head: Option<AuditHead>,
}

/// What a check says of signatures or of heads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SealCheck {
    /// How many snapshots are signed by a key that follows from a trusted one, or how many heads are borne out.
    pub good: u64,
    /// How many are older than the first signature, or belong to an epoch that is over: nothing is said of them.
    pub unknown: u64,
    /// What is wrong.
    pub verdicts: Vec<Verdict>,
}

impl Reader {
    /// Holds every snapshot against the keys that follow from the trusted ones. Snapshots before the first that is
    /// signed are only counted; one without a signature after it was put there by somebody without the key.
    pub fn verify_seals(
        &self,
        trusted: &[PublicKey],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<SealCheck, StoreError> {
        let mut successors: BTreeMap<PublicKey, PublicKey> = BTreeMap::new();
        self.audit_lines(&mut |line| {
            if line.operation == "seal_key"
                && let Ok(certificate) = serde_json::from_value::<Certificate>(line.data.clone())
                && certificate.is_valid()
            {
                successors.insert(certificate.key.public_key, certificate.key.successor);
            }
        })?;
        let mut entries = self.list(&Filter::default())?;
        entries.reverse();
        let mut signed = Vec::new();
        let mut check = SealCheck::default();
        for (done, entry) in (1..).zip(&entries) {
            // What is damaged the ordinary check names.
            if let Ok(read) = self.read(entry.id) {
                let key = read.body.link.seal;
                if let Some(key) = &key {
                    successors.insert(key.public_key, key.successor);
                }
                signed.push((entry.id, entry.sequence, key));
            }
            progress(done, entries.len() as u64);
        }
        let mut good: Vec<PublicKey> = trusted.to_vec();
        for key in trusted {
            let mut at = *key;
            while let Some(next) = successors.get(&at).filter(|next| !good.contains(next)) {
                good.push(*next);
                at = *next;
            }
        }
        let good: std::collections::BTreeSet<PublicKey> = good.into_iter().collect();
        let mut has_begun = false;
        for (id, sequence, key) in signed {
            let problem = match key {
                Some(key) if good.contains(&key.public_key) => {
                    has_begun = true;
                    check.good += 1;
                    continue;
                }
                None if !has_begun => {
                    check.unknown += 1;
                    continue;
                }
                Some(key) => {
                    format!("key {} ({}) does not follow from a key that was given", key.public_key, key.number)
                }
                None => "it has no signature, and snapshots before it have".to_owned(),
            };
            check.verdicts.push(Verdict {
                file: directory::snapshot_file(id),
                id: Some(id),
                sequence: Some(sequence),
                problem: Problem::Unsigned(problem),
            });
        }
        Ok(check)
    }

    /// Holds heads that were published against what is there: each must still be there as it was, or be gone for a
    /// reason on record.
    pub fn verify_heads(&self, heads: &[Head]) -> Result<SealCheck, StoreError> {
        let (said, audit) =
            self.read_audit(&heads.iter().filter_map(|head| head.audit_head.clone()).collect::<Vec<_>>())?;
        let ours = self.list(&Filter { limit: Some(1), ..Filter::default() })?;
        let ours = ours.first().and_then(|entry| self.read(entry.id).ok()).map(|read| read.body.link.store.id);
        let mut check = SealCheck::default();
        for finding in audit.findings {
            let problem = Problem::Missing(format!("audit log, line {}: {}", finding.line, finding.flaw));
            check.verdicts.push(Verdict { file: directory::AUDIT.to_owned(), id: None, sequence: None, problem });
        }
        for head in heads {
            let stored = self.read(head.id).map(|read| read.sha256);
            let removed = said.ledger.deletions.get(&head.sequence);
            let problem = match (stored, removed) {
                _ if ours.is_some_and(|ours| ours != head.store.id) => {
                    Problem::Foreign(format!("the head is of store `{}`", head.store.id))
                }
                (Ok(sha256), _) if sha256 == head.sha256 => {
                    check.good += 1;
                    continue;
                }
                (Ok(sha256), _) => {
                    Problem::Altered(format!("its SHA-256 is {sha256}, it was published as {}", head.sha256))
                }
                (Err(_), Some(removed)) if removed.id == head.id && removed.sha256 == head.sha256 => {
                    check.good += 1;
                    continue;
                }
                (Err(error), _) => Problem::Missing(format!("it was published, and {error}")),
            };
            check.verdicts.push(Verdict {
                file: directory::snapshot_file(head.id),
                id: Some(head.id),
                sequence: Some(head.sequence),
                problem,
            });
        }
        Ok(check)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::*;
    use super::*;
    use crate::seal::SecretKey;

    /// Signs like a recorder: from the third snapshot on, a new key for every second one.
    fn scene(dir: &std::path::Path) -> (ExclusiveStore, Vec<Entry>, PublicKey) {
        let (mut store, _) = open(dir);
        let mut key = SecretKey::new(0, [9; 32]);
        let first = key.public();
        let mut entries = Vec::new();
        for n in 0..10_i64 {
            let now = at(300 * n);
            if n >= 2 && n % 2 == 0 {
                let certificate = serde_json::to_value(key.certificate()).unwrap();
                store.audit(now.wall, "seal_key", certificate, true).unwrap();
                key = key.successor();
            }
            let mut link = store.link().unwrap();
            link.seal = (n >= 2).then(|| key.named());
            let bytes = file_of(&body(&link, &now));
            let bytes = if n >= 2 { signed(&bytes, &key) } else { bytes };
            entries.push(store.put_bytes(&bytes, &Batch::default()).unwrap().entry().clone());
        }
        (store, entries, first)
    }

    fn signed(bytes: &[u8], key: &SecretKey) -> Vec<u8> {
        let text = std::str::from_utf8(bytes).unwrap();
        let sha256 = Digest::of(text.lines().nth(1).unwrap().as_bytes());
        let seal = serde_json::to_string(&key.sign(&sha256)).unwrap();
        format!("{},\"seal\":{seal}}}\n", text.strip_suffix("}\n").unwrap()).into_bytes()
    }

    fn head(entry: &Entry, store: &ExclusiveStore) -> Head {
        Head {
            at: entry.captured_at,
            store: store.identity().clone(),
            sequence: entry.sequence,
            id: entry.id,
            sha256: entry.sha256,
            audit_head: None,
        }
    }

    #[test]
    fn the_first_public_key_is_enough_whatever_retention_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, entries, first) = scene(dir.path());
        let check =
            |trusted: &[PublicKey]| Reader::open(dir.path()).unwrap().verify_seals(trusted, &mut |_, _| {}).unwrap();
        assert_eq!((check(&[first]).good, check(&[first]).unknown, check(&[first]).verdicts.len()), (8, 2, 0));
        store
            .delete(
                entries[3..7].iter().map(|entry| start::removed_of(entry, Some("count".to_owned()))).collect(),
                START,
            )
            .unwrap();
        assert_eq!((check(&[first]).good, check(&[first]).verdicts.len()), (4, 0));
        // A stranger's key says nothing.
        let stranger = check(&[SecretKey::new(0, [1; 32]).public()]);
        assert_eq!((stranger.good, stranger.verdicts.len()), (0, 4));
        // What was put there without the key, and with one that nobody vouched for.
        capture(&mut store, &at(9_000));
        let thief = SecretKey::new(9, [3; 32]);
        let mut link = store.link().unwrap();
        link.seal = Some(thief.named());
        let forged = signed(&file_of(&body(&link, &at(9_300))), &thief);
        store.put_bytes(&forged, &Batch::default()).unwrap();
        let found = check(&[first]);
        assert_eq!((found.good, found.verdicts.len()), (4, 2), "{found:?}");
        assert!(Reader::open(dir.path()).unwrap().verify(&mut |_, _| {}).unwrap().is_intact(), "only the key tells");
    }

    #[test]
    fn a_head_that_was_published_gives_away_a_tail_that_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, entries, _) = scene(dir.path());
        let heads: Vec<Head> = entries.iter().map(|entry| head(entry, &store)).collect();
        store.delete(vec![start::removed_of(&entries[1], Some("count".to_owned()))], START).unwrap();
        let check = |heads: &[Head]| Reader::open(dir.path()).unwrap().verify_heads(heads).unwrap();
        assert_eq!((check(&heads).good, check(&heads).verdicts.len()), (10, 0));
        let foreign = Head {
            store: StoreRef { id: crate::model::StoreId::random(), epoch: 1, forked_from: None },
            ..heads[0].clone()
        };
        assert!(matches!(check(&[foreign]).verdicts[0].problem, Problem::Foreign(_)));
        drop(store);
        // Somebody takes the last two away, and everything that remembers them.
        for entry in &entries[8..] {
            std::fs::remove_file(dir.path().join(SNAPSHOTS).join(snapshot_file(entry.id))).unwrap();
        }
        std::fs::remove_file(dir.path().join(DATABASE)).unwrap();
        let found = check(&heads);
        assert_eq!((found.good, found.verdicts.len()), (8, 2), "{found:?}");
        assert!(found.verdicts.iter().all(|verdict| matches!(verdict.problem, Problem::Missing(_))));
    }
}
