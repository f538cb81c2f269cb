//! An online parser of the Drain family: lines that share their words are one group, also where a value could not be
//! told from a word.
//!
//! Masking ([`super::mask`]) has replaced what looks like a value. What is left goes into a tree of depth two: the
//! number of tokens, then the first token that is a word. In a leaf the most similar group takes the line, if they
//! share enough of their words; where they differ the group's template gets a wildcard. Memory is bounded: a leaf
//! holds [`MAX_GROUPS_PER_LEAF`] groups, all leaves [`MAX_GROUPS`].

use super::mask::{self, WILDCARD};
use std::collections::HashMap;

/// The most groups altogether.
pub const MAX_GROUPS: usize = 4096;
/// The most groups of one length and first word.
const MAX_GROUPS_PER_LEAF: usize = 128;

/// Groups lines by their templates.
#[derive(Debug, Default)]
pub struct Miner {
    leaves: HashMap<(usize, String), Vec<usize>>,
    groups: Vec<Vec<String>>,
}

impl Miner {
    /// A miner that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The group of a message (the line without its head), a number that it keeps.
    pub fn group(&mut self, message: &str) -> usize {
        let tokens = mask::tokens(message);
        let first = tokens.iter().find(|t| is_word(t) && !is_name(t)).copied().unwrap_or(WILDCARD);
        let leaf = self.leaves.entry((tokens.len(), first.to_owned())).or_default();
        let best = leaf
            .iter()
            .filter_map(|&group| similar(&self.groups[group], &tokens).map(|score| (score, group)))
            .max_by_key(|(score, group)| (*score, std::cmp::Reverse(*group)));
        if let Some((_, group)) = best {
            for (have, token) in self.groups[group].iter_mut().zip(&tokens) {
                if have != token {
                    WILDCARD.clone_into(have);
                }
            }
            return group;
        }
        if self.groups.len() >= MAX_GROUPS || leaf.len() >= MAX_GROUPS_PER_LEAF {
            return *leaf.first().unwrap_or(&0);
        }
        self.groups.push(tokens.iter().map(|t| (*t).to_owned()).collect());
        leaf.push(self.groups.len() - 1);
        self.groups.len() - 1
    }

    /// The template of a group.
    pub fn template(&self, group: usize) -> String {
        self.groups.get(group).map(|tokens| tokens.join(" ")).unwrap_or_default()
    }
}

/// How alike a group and a line are, in thousandths; `None` if not enough. They may differ only where both have a
/// name or one has a value: two plain words (`started`, `stopped`) are two statements, and another punctuation is
/// another one too.
fn similar(group: &[String], tokens: &[&str]) -> Option<u32> {
    let (mut same, mut words) = (0u32, 0u32);
    for (have, token) in group.iter().zip(tokens) {
        words += u32::from(is_word(have) || is_word(token));
        if have == token {
            same += u32::from(is_word(have));
        } else if !(have == WILDCARD && (is_name(token) || *token == WILDCARD)
            || is_name(have) && (is_name(token) || *token == WILDCARD))
        {
            return None;
        }
    }
    let score = (same * 1000).checked_div(words).unwrap_or(1000);
    (score >= SIMILAR).then_some(score)
}

/// The share of words that must be the same, in thousandths.
const SIMILAR: u32 = 500;

/// A word that is put together as names are: `cluster_root`, `eth-uplink`, `ns.example`.
fn is_name(token: &str) -> bool {
    let inner = token.get(1..).unwrap_or("");
    inner.contains(['_', '.', '-', '$', '#', '~'])
}

fn is_word(token: &str) -> bool {
    token != WILDCARD && token.bytes().any(|b| b.is_ascii_alphabetic() || b >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_like_a_word_becomes_a_wildcard() {
        let mut miner = Miner::new();
        let a = miner.group("domain cluster_root is no longer served");
        let b = miner.group("domain cluster_var is no longer served");
        let c = miner.group("domain cluster_var is no longer wanted");
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_eq!(miner.template(a), "domain <*> is no longer served");
    }

    #[test]
    fn memory_is_bounded() {
        let mut miner = Miner::new();
        for i in 0..20_000u32 {
            let word: String = i.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
            miner.group(&format!("{word} {word}x {word}y"));
        }
        assert!(miner.groups.len() <= MAX_GROUPS);
    }
}
