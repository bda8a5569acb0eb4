//! What can be seen in the text of one source file.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 600;
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];
const SKIPPED_FOLDERS: &[&str] = &["target", ".git", "node_modules", "facts"];
/// Only the server's runtime may reach for these; everything else takes them from it.
const SEAM: &[&str] = &["Instant::now(", "SystemTime::now(", "thread::spawn(", "tokio::spawn(", "thread::sleep("];
/// Words that only make sense in the place where the project was written.
const FOREIGN_WORDS: &[&str] = &[concat!("../", "shared"), concat!("/", "work/")];

/// Problems of every file below `root` that is ours.
pub fn problems(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_symlink() || SKIPPED_FOLDERS.contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                problems.extend(problems_of(&shown, &text));
            }
        }
    }
    Ok(problems)
}

fn problems_of(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut problem = |what: String| problems.push(format!("{path}: {what}"));
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_test = stem == "tests" || stem == "testscripts" || stem.ends_with("_tests") || path.contains("/tests/");
    if !text.starts_with("//!") {
        problem("must open with //! saying what it is for and what it refuses to do".to_owned());
    }
    if EMPTY_NAMES.contains(&stem) {
        problem(format!("the name {stem} says nothing of its subject"));
    }
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let lines: Vec<_> = code.lines().collect();
    if lines.len() > MAX_LINES && !is_test {
        problem(format!("{} lines, at most {MAX_LINES}: it hides a second subject", lines.len()));
    }
    let in_server = path.contains("broker/server/src") && !path.ends_with("runtime.rs") && !is_test;
    for (number, line) in lines.iter().enumerate() {
        if in_server && let Some(call) = SEAM.iter().find(|call| line.contains(**call)) {
            problem(format!("line {}: {call}…) belongs behind runtime.rs", number + 1));
        }
        let next = lines.get(number + 1).map_or("", |next| next.trim());
        if in_server && line.trim_end().ends_with("select! {") && next != "biased;" {
            problem(format!("line {}: begin with biased; else chance that no seed governs takes a branch", number + 1));
        }
        if let Some(word) = FOREIGN_WORDS.iter().find(|word| line.contains(**word)) {
            problem(format!("line {}: {word} exists on no user's machine", number + 1));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_file_has_no_problems() {
        assert!(problems_of("broker/log/src/log.rs", "//! A log.\nfn open() {}\n").is_empty());
    }

    #[test]
    fn each_rule_is_seen() {
        let cases = [
            ("broker/log/src/log.rs", "fn open() {}".to_owned(), "must open with //!"),
            ("broker/log/src/util.rs", "//! x".to_owned(), "says nothing"),
            ("broker/log/src/log.rs", format!("//! x{}", "\n".repeat(601)), "at most 600"),
            ("broker/server/src/node.rs", "//! x\nlet t = Instant::now();".to_owned(), "behind runtime.rs"),
            ("broker/server/src/node.rs", "//! x\nselect! {\n() = a => {}\n}".to_owned(), "biased"),
            ("e2e/x.rs", format!("//! x\n// see {}y", FOREIGN_WORDS[1]), "no user's machine"),
        ];
        for (path, text, expected) in cases {
            let problems = problems_of(path, &text);
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{path}: {problems:?}");
        }
    }

    #[test]
    fn tests_may_be_long_and_may_use_the_clock() {
        let text = format!("//! x\n#[cfg(test)]\nmod tests {{\nInstant::now();{}}}", "\n".repeat(700));
        assert!(problems_of("broker/server/src/node.rs", &text).is_empty());
    }
}
