//! How far something is that takes long: a bar on a terminal, and nothing anywhere else.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn anew while nothing is told.
const TICK: Duration = Duration::from_millis(120);

/// A bar on standard error. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Counts things.
    pub(crate) fn count(what: &str) -> Self {
        Self::bar(what, "{msg} {wide_bar} {pos}/{len} {eta}")
    }

    /// Counts bytes.
    pub(crate) fn bytes(what: &str) -> Self {
        Self::bar(what, "{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
    }

    /// Shows that something goes on whose length nobody knows.
    pub(crate) fn spinner(what: &str) -> Self {
        let progress = Self::bar(what, "{spinner} {msg} {elapsed}");
        if let Some(bar) = &progress.0 {
            bar.enable_steady_tick(TICK);
        }
        progress
    }

    fn bar(what: &str, template: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::no_length().with_message(super::output::escaped(what));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(Some(bar))
    }

    /// It is at so many of so many.
    pub(crate) fn at(&self, done: u64, all: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(all);
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
