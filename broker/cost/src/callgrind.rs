//! Runs a program under valgrind's callgrind and reads what was counted. Counts only what `counted` marks.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::counted::{ALLOCATIONS, SECTION};

/// What a workload took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Machine instructions.
    pub instructions: u64,
    /// Calls to the allocator for new or larger memory.
    pub allocations: u64,
}

/// The cost of `workload` when `program` runs it (`program run workload`). The profile is left in `folder`, for `callgrind_annotate`.
///
/// # Errors
/// A line saying what could not be run or read.
pub fn cost(program: &Path, workload: &str, folder: &Path) -> Result<Cost, String> {
    let profile = folder.join(format!("{workload}.callgrind"));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .args(["--collect-atstart=no", &format!("--toggle-collect={SECTION}")])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .args([program.as_os_str(), "run".as_ref(), workload.as_ref()])
        // The C library picks its copying routines by what the processor can do; all processors can do this.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-ERMS,-FSRM")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run valgrind: {error} (e2e/tools installs it)"))?;
    if !output.status.success() {
        return Err(format!("{workload} failed under valgrind: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = fs::read_to_string(&profile).map_err(|error| format!("cannot read {}: {error}", profile.display()))?;
    let instructions =
        number_after(&text, "totals: ").ok_or_else(|| format!("{}: no totals in it", profile.display()))?;
    if instructions == 0 {
        return Err(format!("{workload}: no instruction was counted; is the program stripped of its symbols?"));
    }
    let allocations = number_after(&String::from_utf8_lossy(&output.stdout), ALLOCATIONS)
        .ok_or_else(|| format!("{workload}: said nothing of allocations"))?;
    Ok(Cost { instructions, allocations })
}

/// The number in the line of `text` that begins with `words`.
fn number_after(text: &str, words: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(words))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_after_its_words_is_found() {
        let profile = "fn=(1) section\n1 150\n\ntotals: 150\n";
        assert_eq!(number_after(profile, "totals: "), Some(150));
        assert_eq!(number_after("allocations x\n", ALLOCATIONS), None);
    }
}
