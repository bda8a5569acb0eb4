//! The table of what each workload may cost. Says what has become dearer or cheaper; does not measure.

use crate::callgrind::Cost;

/// How far instructions may be off the table, in percent: a new compiler's whims, not a change of ours.
pub const TOLERANCE_PERCENT: u64 = 2;

const HEAD: &str = "# What each workload of broker/cost takes. `make show-cost BLESS=1` writes this file. Columns, separated by tabs:\n\
                    # workload, instructions, allocations.\n";

/// A workload and its cost.
pub type Row = (String, Cost);

/// Reads the table.
///
/// # Errors
/// The line that is not a row.
pub fn parse(text: &str) -> Result<Vec<Row>, String> {
    let rows = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    rows.map(|(number, line)| {
        let wrong =
            || format!("line {}: expected workload, instructions and allocations, separated by tabs", number + 1);
        let columns: Vec<&str> = line.split('\t').collect();
        let &[workload, instructions, allocations] = columns.as_slice() else { return Err(wrong()) };
        let instructions = instructions.parse().map_err(|_| wrong())?;
        let allocations = allocations.parse().map_err(|_| wrong())?;
        Ok((workload.to_owned(), Cost { instructions, allocations }))
    })
    .collect()
}

/// The table as text.
#[must_use]
pub fn write(rows: &[Row]) -> String {
    let lines =
        rows.iter().map(|(workload, cost)| format!("{workload}\t{}\t{}\n", cost.instructions, cost.allocations));
    HEAD.to_owned() + &lines.collect::<String>()
}

/// How a workload compares with the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the table says, within the tolerance.
    Same,
    /// Less than the table says; it should be written anew, or a later loss hides behind this gain.
    Cheaper,
    /// More than the table allows.
    Dearer,
    /// Not in the table.
    New,
}

/// Compares `measured` with its row of the table.
#[must_use]
pub fn verdict(table: &[Row], workload: &str, measured: Cost) -> Verdict {
    let Some((_, expected)) = table.iter().find(|(name, _)| name == workload) else { return Verdict::New };
    let most = |expected: u64| expected.saturating_mul(100 + TOLERANCE_PERCENT) / 100;
    let least = |expected: u64| expected.saturating_mul(100 - TOLERANCE_PERCENT).div_ceil(100);
    // A broker's other threads allocate now and then; of few allocations the tolerance is none.
    if measured.instructions > most(expected.instructions) || measured.allocations > most(expected.allocations) {
        Verdict::Dearer
    } else if measured.instructions < least(expected.instructions) || measured.allocations < least(expected.allocations)
    {
        Verdict::Cheaper
    } else {
        Verdict::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(instructions: u64, allocations: u64) -> Cost {
        Cost { instructions, allocations }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let rows = vec![("a".to_owned(), cost(100, 2)), ("b".to_owned(), cost(7, 0))];
        assert_eq!(parse(&write(&rows)), Ok(rows));
        assert!(parse("a\t1\n").unwrap_err().starts_with("line 1: "));
    }

    #[test]
    fn more_than_the_tolerance_or_one_allocation_more_is_dearer() {
        let table = vec![("a".to_owned(), cost(1000, 2))];
        assert_eq!(verdict(&table, "a", cost(1020, 2)), Verdict::Same);
        assert_eq!(verdict(&table, "a", cost(1021, 2)), Verdict::Dearer);
        assert_eq!(verdict(&table, "a", cost(1000, 3)), Verdict::Dearer);
        assert_eq!(verdict(&table, "a", cost(979, 2)), Verdict::Cheaper);
        assert_eq!(verdict(&table, "a", cost(1000, 1)), Verdict::Cheaper);
        assert_eq!(verdict(&table, "b", cost(1, 1)), Verdict::New);
        let table = vec![("broker".to_owned(), cost(1000, 1604))];
        assert_eq!(verdict(&table, "broker", cost(1000, 1613)), Verdict::Same);
        assert_eq!(verdict(&table, "broker", cost(1000, 1700)), Verdict::Dearer);
    }
}
