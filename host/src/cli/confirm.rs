//! Asking before something that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::{Failure, output};

/// Asks the person at the terminal whether to do it. Without a terminal nobody can answer, and without `--yes` that
/// is no.
pub(crate) fn ask(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(format!("this would {}", output::escaped(what))).hint("say --yes to do it"));
    }
    let mut err = io::stderr().lock();
    write!(err, "This will {}. Type yes to do it: ", output::escaped(what))?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::new("nothing was done")) }
}
