//! What alert rules and dashboards ask for is shown by the broker or the operator. Knows names only, not whether a query makes sense.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where metrics are declared, by their names in quotes.
const DECLARED_IN: [&str; 2] = ["broker/server/src/metrics", "operator/src/metrics.rs"];
/// What asks for them.
const ASKED_BY: [&str; 2] = ["manifests/monitoring", "manifests/dashboards"];
/// What a histogram adds to its name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Labels that Prometheus makes of those of pods.
const LABEL: &str = "barnabas_dev_";

/// Names that are asked for and that nothing shows.
pub fn problems(root: &Path) -> Result<Vec<String>, String> {
    let mut declared = BTreeSet::new();
    for file in DECLARED_IN.iter().map(|place| files(&root.join(place))).collect::<Result<Vec<_>, _>>()?.concat() {
        declared.extend(words(&read(&file)?).map(str::to_owned));
    }
    let mut problems = Vec::new();
    for file in ASKED_BY.iter().map(|place| files(&root.join(place))).collect::<Result<Vec<_>, _>>()?.concat() {
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let unknown = unknown(&read(&file)?, &declared);
        problems.extend(unknown.into_iter().map(|name| format!("{shown}: nothing shows a metric {name}")));
    }
    Ok(problems)
}

fn unknown(text: &str, declared: &BTreeSet<String>) -> BTreeSet<String> {
    let base = |name: &str| SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned();
    let is_known = |name: &str| declared.contains(name) || declared.contains(&base(name));
    words(text).filter(|name| !name.starts_with(LABEL) && !is_known(name)).map(str::to_owned).collect()
}

/// Every word that could be the name of a metric of ours.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("barnabas_"))
}

fn files(place: &Path) -> Result<Vec<PathBuf>, String> {
    if place.is_file() {
        return Ok(vec![place.to_path_buf()]);
    }
    let entries = fs::read_dir(place).map_err(|error| format!("cannot list {}: {error}", place.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    Ok(paths)
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_shows_is_a_problem_and_labels_and_parts_of_histograms_are_none() {
        let declared = BTreeSet::from(["barnabas_a_total".to_owned(), "barnabas_b_seconds".to_owned()]);
        let text =
            "sum by (barnabas_dev_cluster) (rate(barnabas_a_total[5m])) / barnabas_b_seconds_bucket > barnabas_c";
        assert_eq!(unknown(text, &declared), BTreeSet::from(["barnabas_c".to_owned()]));
    }
}
