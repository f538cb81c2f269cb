//! Pressure stall information (Documentation/accounting/psi.rst) and open files of the machine (proc_sys_fs(5)).

use super::types::{FileHandles, Pressure};

/// Parses the file of one resource.
pub(super) fn parse(resource: &str, text: &str) -> Option<Pressure> {
    let (some_avg, some_total_us) = line(text, "some ").or_else(|| {
        // The kernel tells only `full` of interrupts; nobody waits for them in part.
        line(text, "full ").filter(|_| resource == "irq")
    })?;
    let full = line(text, "full ");
    Some(Pressure {
        resource: resource.to_owned(),
        some_avg,
        some_total_us,
        full_avg: full.map(|(averages, _)| averages),
        full_total_us: full.map(|(_, total)| total),
    })
}

/// Parses `file-nr`: allocated, unused (0 since 2.6), maximum.
pub(super) fn file_handles(text: &str) -> Option<FileHandles> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some(FileHandles { allocated: numbers.next()??, maximum: numbers.nth(1)?? })
}

fn line(text: &str, kind: &str) -> Option<((f64, f64, f64), u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
    let of = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let average = |key: &str| of(key)?.parse::<f64>().ok();
    Some(((average("avg10")?, average("avg60")?, average("avg300")?), of("total")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let text =
            "some avg10=1.50 avg60=2.25 avg300=0.00 total=123\nfull avg10=0.50 avg60=0.25 avg300=0.01 total=45\n";
        let pressure = parse("memory", text).unwrap();
        assert_eq!((pressure.some_avg, pressure.some_total_us), ((1.5, 2.25, 0.0), 123));
        assert_eq!((pressure.full_avg, pressure.full_total_us), (Some((0.5, 0.25, 0.01)), Some(45)));
        let older = parse("cpu", text.lines().next().unwrap()).unwrap();
        assert_eq!((older.full_avg, older.full_total_us), (None, None));
    }

    #[test]
    fn interrupts_have_only_one_line() {
        let text = "full avg10=0.50 avg60=0.25 avg300=0.01 total=45\n";
        assert_eq!(parse("irq", text).unwrap().some_total_us, 45);
        assert_eq!(parse("io", text), None);
        assert_eq!(parse("io", "some avg10=x"), None);
    }

    #[test]
    fn the_middle_number_of_file_nr_is_skipped() {
        assert_eq!(
            file_handles("1216\t0\t9223372036854775807\n"),
            Some(FileHandles { allocated: 1216, maximum: i64::MAX as u64 })
        );
        assert_eq!(file_handles("1216\t0\n"), None);
    }
}
