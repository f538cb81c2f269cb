//! `ghostd repair`: the catalog made anew from the files, and damaged files set aside.

use std::process::ExitCode;

use super::progress::Progress;
use super::writer::{self, Writer};
use super::{Failure, Place, Places, output};
use crate::clock::Clock;
use crate::store::{ExclusiveStore, Repaired, StoreError, check_and_copy};

pub(crate) fn run(places: &Places) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let Writer::Here(store, clock) = writer::open(&place)? else {
        return Err(Failure::new(format!("a daemon writes to `{}`", place.paths.data_dir.display()))
            .hint("end it first (`systemctl stop ghostd`): a repair needs the store for itself"));
    };
    let (store, repaired) = repair(*store, &clock)?;
    // What is wrong and could not be put right is a bad answer; what was set aside is dealt with.
    let fine = repaired.left.is_empty();
    // History goes on from this copy, should the database be lost.
    check_and_copy(store.directory().path())?;
    if places.json {
        output::print_json(&repaired);
    } else {
        page(&repaired);
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Repairs it. A database that turns out to be damaged on the way is set aside, and the files alone have to do.
fn repair(mut store: ExclusiveStore, clock: &Clock) -> Result<(ExclusiveStore, Repaired), StoreError> {
    let attempt = |store: &mut ExclusiveStore| {
        let progress = Progress::count("snapshots");
        store.repair(clock.now().wall, &mut |done, all| progress.at(done, all))
    };
    let repaired = match attempt(&mut store) {
        Err(error) if error.is_damaged_database() => {
            store.renew_database(Some(&error), &clock.now())?;
            attempt(&mut store)?
        }
        other => other?,
    };
    Ok((store, repaired))
}

fn page(repaired: &Repaired) {
    for (file, problem) in &repaired.set_aside {
        output::line(format!("set aside  {}: {}", output::escaped(file), output::escaped(&problem.to_string())));
    }
    for verdict in &repaired.left {
        let problem = verdict.problem.to_string();
        output::line(format!("left       {}: {}", output::escaped(&verdict.file), output::escaped(&problem)));
    }
    output::line(format!(
        "{} snapshots in the catalog, {} of them new to it; {} deletions are explained",
        repaired.catalogued, repaired.added, repaired.explained
    ));
}
