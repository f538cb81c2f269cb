//! The corpus: every kind of secret in every context that suits it, and lines that must not change.

use std::collections::BTreeMap;

use super::super::{Report, Sanitizer};
use super::kinds::{Class, Random};
use super::{contexts, kinds};

/// What fraction of the planted secrets must be gone.
const LEAST_RECALL: f64 = 0.97;

/// In how many contexts each format is tried.
const CONTEXTS_OF_A_TOKEN: usize = 60;

/// Whether a good part of a secret is still there.
fn leaks(output: &str, secret: &str) -> bool {
    let letters: Vec<char> = secret.chars().collect();
    let length = (letters.len() / 2).max(4).min(letters.len());
    (0..=letters.len() - length)
        .step_by((length / 4).max(1))
        .any(|at| output.contains(&letters[at..at + length].iter().collect::<String>()))
}

fn worst(of: &BTreeMap<String, (usize, usize)>) -> Vec<String> {
    let mut all: Vec<_> = of.iter().filter(|(_, (missed, _))| *missed > 0).collect();
    all.sort_by(|a, b| (b.1.0 * a.1.1).cmp(&(a.1.0 * b.1.1)));
    all.iter().take(12).map(|(name, (missed, total))| format!("  {missed:>4} of {total:<5} {name}")).collect()
}

#[test]
fn secrets_are_taken_in_every_context() {
    let sanitizer = Sanitizer::builtin();
    let mut random = Random::new(5);
    let (kinds, contexts) = (kinds::all(), contexts::all());
    let (mut total, mut missed) = (0, 0);
    let (mut by_kind, mut by_context, mut by_category) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let dump = std::env::var_os("SANITIZE_MISSES").is_some();
    for kind in &kinds {
        let mut places = 0;
        let suitable: Vec<_> = contexts.iter().filter(|context| context.suits(kind.class)).collect();
        // A token's format is the same everywhere: some contexts each will do, and all contexts get their share of them.
        let step = if kind.class == Class::Token { suitable.len() / CONTEXTS_OF_A_TOKEN } else { 1 };
        for context in suitable.iter().skip(random.below(step)).step_by(step) {
            let secret = kind.make(&mut random, context.wants_a_word());
            let (text, _) = context.fill(&secret.whole);
            let (_, written) = context.fill(&secret.whole[secret.from..]);
            let output = sanitizer.text(&text, &mut Report::default());
            let miss = usize::from(leaks(&output, &written));
            if miss > 0 && dump {
                println!("MISS {} | {text:?} -> {output:?}", kind.name);
            }
            places += 1;
            total += 1;
            missed += miss;
            for (map, key) in [
                (&mut by_kind, kind.name.clone()),
                (&mut by_context, format!("{}: {}", context.category, context.template)),
                (&mut by_category, context.category.to_owned()),
            ] {
                let entry: &mut (usize, usize) = map.entry(key).or_default();
                entry.0 += miss;
                entry.1 += 1;
            }
        }
        assert!(places >= 12, "{} stands in {places} contexts", kind.name);
    }
    let recall = 1.0 - missed as f64 / total as f64;
    println!(
        "{} kinds, {} contexts, {total} secrets planted, {missed} left: recall {:.2} %",
        kinds.len(),
        contexts.len(),
        recall * 100.0
    );
    for (category, (missed, total)) in &by_category {
        println!("  {category:<12} {:.2} %", 100.0 - 100.0 * *missed as f64 / *total as f64);
    }
    println!("worst contexts:\n{}\nworst kinds:\n{}", worst(&by_context).join("\n"), worst(&by_kind).join("\n"));
    assert!(kinds.len() >= 250 + 16);
    assert!(recall > LEAST_RECALL, "recall {recall}");
}
