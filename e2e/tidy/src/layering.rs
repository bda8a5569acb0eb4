//! Which crate may use which. The table is the architecture: an edge that is not in it is refused.

use std::path::Path;
use std::process::Command;

/// Crate, what of ours it may use, and whether it is pure (no tokio, no sockets, no files, no clock).
const LAYERS: &[(&str, &[&str], bool)] = &[
    ("types", &[], true),
    ("records", &["types"], true),
    ("protocol-derive", &[], true),
    ("protocol", &["types", "protocol-derive"], true),
    ("protocol-oracle", &["protocol", "types"], false),
    ("raft", &["types"], true),
    ("replica", &["types"], true),
    ("log", &["records", "types"], true),
    ("metadata", &["protocol", "types"], true),
    ("coordinator", &["protocol", "types"], true),
    ("recording", &["coordinator", "protocol", "raft", "replica", "types"], true),
    ("net", &["types"], false),
    ("client", &["net", "protocol", "types"], false),
    (
        "server",
        &[
            "coordinator",
            "log",
            "metadata",
            "net",
            "protocol",
            "raft",
            "recording",
            "records",
            "replica",
            "types",
            "client",
        ],
        false,
    ),
    ("cli", &["client", "log", "metadata", "protocol", "recording", "records", "types"], false),
    ("cost", &["protocol", "types"], false),
    ("cost-server", &["cost", "protocol", "records", "server", "types"], false),
    ("fuzz", &["net", "protocol", "records", "types"], false),
    ("sim", &["client", "log", "metadata", "net", "protocol", "raft", "records", "replica", "server", "types"], false),
    ("operator", &["client", "protocol", "types"], false),
    ("tidy", &[], true),
];

/// The binary is named after the project itself.
const BINARY: &str = "barnabas";
const BINARY_MAY_USE: &[&str] = &["server", "cli", "protocol", "records", "types"];

/// The edges that the table forbids.
pub fn problems(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["tree", "--workspace", "--depth", "1", "--prefix", "depth", "--edges", "normal"])
        .args(["--format", " {p}"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(edges(&String::from_utf8_lossy(&output.stdout)).iter().filter_map(|(from, to)| forbidden(from, to)).collect())
}

/// (crate, its direct dependency) pairs out of cargo's tree, whose lines begin with their depth.
fn edges(tree: &str) -> Vec<(String, String)> {
    let mut edges = Vec::new();
    let mut from = String::new();
    for line in tree.lines() {
        let Some((depth, package)) = line.split_once(' ') else { continue };
        let name = package.split(' ').next().unwrap_or_default().to_owned();
        match depth {
            "0" => from = name,
            "1" => edges.push((from.clone(), name)),
            _ => {}
        }
    }
    edges
}

fn forbidden(from: &str, to: &str) -> Option<String> {
    let (may_use, pure) = if from == BINARY {
        (BINARY_MAY_USE, false)
    } else {
        let short = from.strip_prefix("barnabas-").unwrap_or(from);
        let Some((_, may_use, pure)) = LAYERS.iter().find(|(name, ..)| *name == short) else {
            return Some(format!("{from}: not in tidy's table of layers; add it with what it may use"));
        };
        (*may_use, *pure)
    };
    if pure && to == "tokio" {
        return Some(format!("{from}: a pure crate may not use tokio"));
    }
    let ours = to.strip_prefix("barnabas-")?;
    let allowed = may_use.contains(&ours);
    (!allowed).then(|| format!("{from}: may not use {to} (allowed: {})", may_use.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_read_from_the_tree() {
        let tree =
            "0 barnabas-log v0.1.0 (/x)\n1 barnabas-types v0.1.0 (/y)\n1 bytes v1.0.0\n\n0 barnabas v0.1.0\n1 clap v4";
        let expected = [("barnabas-log", "barnabas-types"), ("barnabas-log", "bytes"), ("barnabas", "clap")];
        assert_eq!(edges(tree), expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    }

    #[test]
    fn an_edge_outside_the_table_is_named() {
        assert_eq!(forbidden("barnabas-log", "barnabas-types"), None);
        assert_eq!(forbidden("barnabas-log", "bytes"), None);
        assert!(forbidden("barnabas-log", "barnabas-server").unwrap().contains("may not use"));
        assert!(forbidden("barnabas-raft", "tokio").unwrap().contains("pure"));
        assert!(forbidden("barnabas-new", "bytes").unwrap().contains("not in tidy's table"));
    }
}
