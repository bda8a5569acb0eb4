//! `storage info`: what the log directories of a node are, and what is wrong with them, in the words of Kafka's storage tool. Changes
//! nothing.

use std::fmt::Write;
use std::path::PathBuf;

use barnabas_log::identity::MetaProperties;

use super::plan::Found;

/// Says it, and whether all is well.
#[must_use]
pub fn describe(directories: &[(PathBuf, Found)]) -> (String, bool) {
    let (mut text, mut problems) = (String::new(), Vec::new());
    let mut first: Option<&MetaProperties> = None;
    let mut there = Vec::new();
    for (path, found) in directories {
        let (name, is_there) = (path.display().to_string(), path.is_dir());
        match found {
            Found::Formatted(properties) => {
                let known = *first.get_or_insert(properties);
                if known.cluster_id != properties.cluster_id {
                    problems.push("Mismatched cluster IDs between storage directories.".to_owned());
                } else if known.node_id.zip(properties.node_id).is_some_and(|(known, other)| known != other) {
                    problems.push("Mismatched node IDs between storage directories.".to_owned());
                }
            }
            Found::Empty if is_there => problems.push(format!("{name} is not formatted.")),
            Found::Empty => problems.push(format!("{name} does not exist")),
            Found::Holds(held) => {
                problems.push(format!("{name} is not formatted, and holds {held}: its meta.properties is missing."));
            }
            Found::ZooKeeper => {
                problems
                    .push(format!("{name} is of a broker whose metadata is in ZooKeeper: {}", crate::node::MIGRATE));
            }
            Found::Unreadable(reason) => problems.push(reason.clone()),
        }
        if is_there {
            there.push(name);
        }
    }
    list(&mut text, "Found log directory:", "Found log directories:", &there);
    if let Some(properties) = first {
        let directory = properties.directory_id.map(|id| format!("directory.id={id}, ")).unwrap_or_default();
        let node = properties.node_id.map(|id| format!("node.id={id}, ")).unwrap_or_default();
        let cluster = &properties.cluster_id;
        let _infallible = writeln!(text, "Found metadata: {{cluster.id={cluster}, {directory}{node}version=1}}\n");
    }
    list(&mut text, "Found problem:", "Found problems:", &problems);
    (text, problems.is_empty())
}

fn list(text: &mut String, one: &str, several: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let head = if lines.len() == 1 { one } else { several };
    let _infallible = writeln!(text, "{head}\n  {}\n", lines.join("\n  "));
}

#[cfg(test)]
mod tests {
    use barnabas_types::{BrokerId, Uuid};

    use super::*;

    fn formatted(cluster_id: &str, node_id: i32) -> Found {
        let directory_id = Some(Uuid::from_u128(700));
        let node_id = Some(BrokerId(node_id));
        Found::Formatted(MetaProperties { cluster_id: cluster_id.into(), node_id, directory_id })
    }

    #[test]
    fn directories_that_are_in_order_are_told_as_kafka_tells_them() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        for path in [&a, &b] {
            std::fs::create_dir(path).unwrap();
        }
        let (text, is_well) = describe(&[(a.clone(), formatted("c", 2)), (b.clone(), formatted("c", 2))]);
        let expected = format!(
            "Found log directories:\n  {}\n  {}\n\nFound metadata: {{cluster.id=c, directory.id=AAAAAAAAAAAAAAAAAAACvA, node.id=2, \
             version=1}}\n\n",
            a.display(),
            b.display()
        );
        assert_eq!((text, is_well), (expected, true));
    }

    #[test]
    fn each_problem_is_named() {
        let empty = tempfile::tempdir().unwrap();
        for (found, expected) in [
            (formatted("d", 2), "Mismatched cluster IDs"),
            (formatted("c", 3), "Mismatched node IDs"),
            (Found::Holds("orders-0".into()), "holds orders-0"),
            (Found::ZooKeeper, "Apache Kafka 3.9"),
            (Found::Unreadable("broken".into()), "broken"),
            (Found::Empty, "is not formatted."),
        ] {
            let (text, is_well) = describe(&[("/a".into(), formatted("c", 2)), (empty.path().into(), found)]);
            assert!(text.contains("Found problem:") && text.contains(expected) && !is_well, "{text}");
        }
        let (text, _) = describe(&[(empty.path().join("no"), Found::Empty)]);
        assert!(text.contains("does not exist"), "{text}");
    }
}
