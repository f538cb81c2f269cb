//! Reading what is new, within a budget, fairly over all files.

use super::track::Track;
use super::{Follower, Loss, MAX_ATTEMPTS, Now, Outcome, SKIPPED_BLOCK_BYTES, Sighting, Turn, source_of};
use crate::decode::Wide;
use crate::event::Event;
use crate::logs::{LogFile, Logs, Trouble};
use crate::scanner::{Counts, Scanner};

/// What is read at once.
const BLOCK_BYTES: u32 = 1 << 20;
/// A file gives way to the others after so much.
const SLICE_BYTES: u64 = 8 << 20;
/// What a capture may read after two misses of its deadline: one block.
const CAREFUL_BYTES: u64 = 1 << 20;
/// More warnings than this say nothing new.
const MAX_WARNINGS: usize = 20;

impl Follower {
    /// Reads every file that has something new, those first that waited longest.
    pub(super) fn read_all(
        &mut self,
        logs: &mut dyn Logs,
        now: &mut [Now],
        turn: &Turn<'_>,
        outcome: &mut Outcome,
        sink: &mut dyn FnMut(Sighting<'_>),
    ) {
        let mut order: Vec<usize> = (0..self.tracks.len()).filter(|i| wants(&self.tracks[*i], &now[*i])).collect();
        order.sort_by(|a, b| {
            self.tracks[*a]
                .served
                .cmp(&self.tracks[*b].served)
                .then_with(|| self.tracks[*a].path.cmp(&self.tracks[*b].path))
        });
        let mut budget = self.budget(turn);
        if turn.attempt > MAX_ATTEMPTS
            && let Some(&first) = order.first()
        {
            outcome.skipped_bytes += skip_block(&mut self.tracks[first], &now[first]);
        }
        let mut stopped = false;
        while !order.is_empty() && !stopped {
            let mut again = Vec::new();
            for &index in &order {
                if budget == 0 || (turn.expired)() {
                    stopped = true;
                    break;
                }
                let mut reader = Reader { turn, outcome, budget: budget.min(SLICE_BYTES) };
                let slice = reader.budget;
                let done = reader.read(logs, &mut self.tracks[index], &mut now[index], self.turn, sink);
                budget -= slice - reader.budget.min(slice);
                if !done {
                    again.push(index);
                }
            }
            if !stopped {
                order = again;
            }
        }
        for (track, state) in self.tracks.iter().zip(now.iter()) {
            let behind = state.meta.map_or(0, |meta| meta.size_bytes.saturating_sub(track.offset));
            // An unfinished line is not behind: it waits for its end.
            if behind > 0
                && !(track.seen_bytes == state.meta.map_or(0, |m| m.size_bytes)
                    && track.served == self.turn
                    && !stopped)
            {
                outcome.behind_bytes += behind;
                outcome.behind_files += 1;
            }
        }
        outcome.warnings.truncate(MAX_WARNINGS);
    }

    /// How much this capture reads: all of the budget, much less after a miss, and then more again step by step.
    fn budget(&mut self, turn: &Turn<'_>) -> u64 {
        let budget = match turn.attempt {
            0 | 1 => self.cautious_bytes.unwrap_or(turn.budget_bytes),
            2 => turn.budget_bytes / 8,
            _ => CAREFUL_BYTES,
        };
        let budget = budget.clamp(CAREFUL_BYTES, turn.budget_bytes.max(CAREFUL_BYTES));
        let next = budget.saturating_mul(2);
        self.cautious_bytes = (next < turn.budget_bytes).then_some(next);
        budget
    }
}

/// Whether there is something to read, or something to say about it.
fn wants(track: &Track, state: &Now) -> bool {
    state.meta.is_some_and(|meta| {
        state.truncated || meta.size_bytes != track.offset || meta.size_bytes != track.seen_bytes || track.served == 0
    })
}

/// Passes over the block that would be read first.
fn skip_block(track: &mut Track, state: &Now) -> u64 {
    let Some(meta) = state.meta else { return 0 };
    let skipped = meta.size_bytes.saturating_sub(track.offset).min(SKIPPED_BLOCK_BYTES);
    track.offset += skipped;
    track.line = None;
    track.skipping = true;
    track.context = None;
    track.anchor = super::Mark::default();
    skipped
}

struct Reader<'r, 't> {
    turn: &'r Turn<'t>,
    outcome: &'r mut Outcome,
    budget: u64,
}

impl Reader<'_, '_> {
    /// Reads a slice of one file; `true` when nothing more is to be read now.
    fn read(
        &mut self,
        logs: &mut dyn Logs,
        track: &mut Track,
        state: &mut Now,
        number: u64,
        sink: &mut dyn FnMut(Sighting<'_>),
    ) -> bool {
        if state.truncated {
            let unread = track.seen_bytes.saturating_sub(track.offset);
            if unread > 0 || !state.reused {
                self.outcome.losses.push(Loss {
                    source: source_of(track),
                    at_least_bytes: (unread > 0).then_some(unread),
                    how: "truncated or replaced",
                });
            }
            track.restart();
            state.truncated = false;
        }
        if state.file.is_none() {
            match logs.open(&track.root, &track.path) {
                Ok(file) => state.file = Some(file),
                Err(Trouble::Gone) => return true,
                Err(trouble) => {
                    self.outcome.warnings.push(format!("cannot open `{}`: {trouble}", source_of(track)));
                    return true;
                }
            }
        }
        let Some(file) = state.file.as_mut() else { return true };
        match self.read_open(file.as_mut(), track, state.rotated, number, sink) {
            Ok((done, meta)) => {
                state.meta = Some(meta);
                done
            }
            Err(trouble) => {
                self.outcome.warnings.push(format!("cannot read `{}`: {trouble}", source_of(track)));
                true
            }
        }
    }

    fn read_open(
        &mut self,
        file: &mut dyn LogFile,
        track: &mut Track,
        rotated: bool,
        number: u64,
        sink: &mut dyn FnMut(Sighting<'_>),
    ) -> Result<(bool, crate::logs::Meta), Trouble> {
        let meta = file.meta()?;
        if meta.identity != track.identity {
            // The name was given to another file between listing and opening: the next capture sorts it out.
            return Ok((true, meta));
        }
        if !rotated {
            file.keep();
        }
        if track.wide.is_none() && track.served == 0 {
            track.wide = Wide::detect(&file.read_at(0, 64)?);
        }
        let unchanged = meta.size_bytes == track.seen_bytes && track.served > 0;
        let source = source_of(track);
        let first = track.line;
        let mut scanner = Scanner::new(self.turn.filter, self.turn.options.clone(), first.unwrap_or(1));
        scanner.resume(track.context.take(), track.skipping);
        let mut give = |event: Event| {
            let line = first.map(|_| event.line);
            sink(Sighting { source: &source, line, event });
        };
        let mut at = track.offset;
        let mut raw_rest = Vec::new();
        let mut done = false;
        let mut blocks = 0u32;
        while self.budget > 0 && !(blocks > 0 && (self.turn.expired)()) {
            let mut block =
                file.read_at(at, BLOCK_BYTES.min(u32::try_from(self.budget.max(4096)).unwrap_or(BLOCK_BYTES)))?;
            blocks += 1;
            if block.is_empty() {
                done = true;
                break;
            }
            at += block.len() as u64;
            self.budget = self.budget.saturating_sub(block.len() as u64);
            self.outcome.read_bytes += block.len() as u64;
            let hole = meta.allocated_bytes < meta.size_bytes && block.iter().all(|b| *b == 0);
            match track.wide {
                None => scanner.feed(&block, &mut give),
                Some(wide) => {
                    raw_rest.append(&mut block);
                    let (text, used) = wide.decode(&raw_rest);
                    raw_rest.drain(..used);
                    scanner.feed(text.as_bytes(), &mut give);
                }
            }
            if hole
                && scanner.pending() == 0
                && let Ok(next) = file.next_data(at)
            {
                at = next.unwrap_or(meta.size_bytes).max(at);
            }
        }
        let pending = match track.wide {
            None => scanner.pending(),
            Some(_) => Wide::encoded_len(scanner.pending_bytes()) + raw_rest.len(),
        };
        track.offset = at - pending as u64;
        if done {
            if pending > 0 && unchanged {
                // A line without an end that did not grow since the last capture is a line. Should it go on
                // nevertheless, its rest is passed over: it was looked at once.
                scanner.finish(&mut give);
                track.offset = at;
                let (context, _) = scanner.context();
                (track.context, track.skipping) = (context, true);
                track.line = first.map(|_| scanner.line() - 1);
            } else {
                scanner.flush(&mut give);
                (track.context, track.skipping) = scanner.context();
                track.line = first.map(|_| scanner.line());
            }
            if at > track.seen_bytes || track.served == 0 {
                track.grown_ms = if track.served == 0 { track.grown_ms } else { self.turn.now_ms };
            }
            track.seen_bytes = at;
            track.seen_modified_ns = meta.modified_ns;
        } else {
            scanner.flush(&mut give);
            (track.context, track.skipping) = scanner.context();
            track.line = first.map(|_| scanner.line());
            track.grown_ms = self.turn.now_ms;
            track.seen_bytes = meta.size_bytes.max(at);
        }
        track.served = number;
        add(&mut self.outcome.counts, scanner.counts());
        track.mark(file)?;
        Ok((done, meta))
    }
}

fn add(total: &mut Counts, more: Counts) {
    total.lines += more.lines;
    total.long_lines += more.long_lines;
    total.binary_lines += more.binary_lines;
    total.candidates += more.candidates;
}
