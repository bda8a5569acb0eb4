//! The log directories of a node that has no id yet: formatted without one, held for this process alone until the id is known, and
//! written into each. Opens no partition, and asks nobody for an id.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_log::fs::{Disk, File};
use barnabas_log::identity::{self, MetaProperties};
use barnabas_types::{BrokerId, Uuid};

use super::take::{self, DirectoryError, unless_failed};

/// See the module.
#[derive(Debug)]
pub struct UnnamedDirectories {
    disk: Arc<Disk>,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    properties: MetaProperties,
    id: Uuid,
    _lock: Arc<dyn File>,
}

impl UnnamedDirectories {
    /// Takes `paths`, which become directories of `cluster_id` where they are not formatted; one whose disk fails is left out as long as
    /// there is another. `new_id` gives a directory its id.
    ///
    /// # Errors
    /// A directory is in use or another cluster's, or all of their disks failed.
    pub fn take(
        disk: Arc<Disk>,
        paths: &[PathBuf],
        cluster_id: &str,
        new_id: impl Fn() -> Uuid,
    ) -> Result<Self, DirectoryError> {
        let (mut held, mut failure) = (Vec::new(), DirectoryError::None);
        for path in paths {
            match unless_failed(hold(&disk, path, cluster_id, new_id()))? {
                Ok(one) => held.push(one),
                Err(error) => {
                    tracing::error!(directory = %path.display(), %error, "the log directory cannot be used");
                    failure = error.into();
                }
            }
        }
        if held.is_empty() { Err(failure) } else { Ok(Self { disk, held }) }
    }

    /// The id that one of them has all the same: its writing was cut short, or another process came first.
    #[must_use]
    pub fn node_id(&self) -> Option<BrokerId> {
        self.held.iter().find_map(|held| held.properties.node_id)
    }

    /// Their own ids.
    #[must_use]
    pub fn ids(&self) -> Vec<Uuid> {
        self.held.iter().map(|held| held.id).collect()
    }

    /// Makes them directories of `node`, durably. One is enough: the next that takes them completes the others.
    ///
    /// # Errors
    /// All of their disks failed.
    pub fn name(self, node: BrokerId) -> Result<(), DirectoryError> {
        let mut result = Err(DirectoryError::None);
        for held in self.held {
            let properties = MetaProperties { node_id: Some(node), ..held.properties };
            match properties.write(self.disk.fs(), &held.path) {
                Ok(()) => result = Ok(()),
                Err(error) => {
                    tracing::error!(directory = %held.path.display(), %error, "the id of this node could not be written");
                    result = result.or(Err(error.into()));
                }
            }
        }
        result
    }
}

fn hold(disk: &Disk, path: &Path, cluster_id: &str, new_id: Uuid) -> Result<Held, DirectoryError> {
    disk.fs().create_directory(path)?;
    let lock = take::lock(disk, path)?;
    take::format(disk, path, cluster_id, None, new_id)?;
    let read = MetaProperties::read(disk.fs(), path)?;
    let mut properties = read.ok_or_else(|| DirectoryError::NotFormatted { path: path.to_path_buf() })?;
    if properties.cluster_id != cluster_id {
        return Err(DirectoryError::Foreign {
            path: path.to_path_buf(),
            found: identity::owner(properties.node_id, &properties.cluster_id),
            this: identity::owner(None, cluster_id),
        });
    }
    let id = match properties.directory_id {
        Some(id) => id,
        // By it the controller knows who asks again: it has to be there before anybody is asked.
        None => {
            properties.directory_id = Some(new_id);
            properties.write(disk.fs(), path)?;
            new_id
        }
    };
    Ok(Held { path: path.to_path_buf(), properties, id, _lock: lock })
}

#[cfg(test)]
mod tests {
    use barnabas_log::fs::RealFs;

    use super::*;

    const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

    fn disk() -> Arc<Disk> {
        Arc::new(Disk::new(Arc::new(RealFs), 16))
    }

    #[test]
    fn directories_without_a_node_are_held_and_named_and_keep_their_own_ids() {
        let root = tempfile::tempdir().unwrap();
        let paths = [root.path().join("a"), root.path().join("b")];
        std::fs::create_dir(&paths[1]).unwrap();
        // As directories from before they had ids.
        std::fs::write(paths[1].join("meta.properties"), format!("version=1\ncluster.id={CLUSTER}\n")).unwrap();
        let take = || UnnamedDirectories::take(disk(), &paths, CLUSTER, crate::runtime::random_uuid);
        let unnamed = take().unwrap();
        let ids = unnamed.ids();
        assert!(matches!(take(), Err(DirectoryError::InUse { .. })));
        drop(unnamed);
        let unnamed = take().unwrap();
        assert_eq!((unnamed.ids(), unnamed.node_id()), (ids.clone(), None));
        unnamed.name(BrokerId(1001)).unwrap();
        for (path, id) in paths.iter().zip(ids) {
            let expected =
                MetaProperties { cluster_id: CLUSTER.into(), node_id: Some(BrokerId(1001)), directory_id: Some(id) };
            assert_eq!(MetaProperties::read(&RealFs, path).unwrap(), Some(expected));
        }
        assert_eq!(take().unwrap().node_id(), Some(BrokerId(1001)), "nobody is asked again");
    }

    #[test]
    fn a_directory_of_another_cluster_is_refused_and_one_that_fails_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let (good, other, file) = (root.path().join("good"), root.path().join("other"), root.path().join("file"));
        take::format(&disk(), &other, "another", None, Uuid::from_u128(5)).unwrap();
        std::fs::write(&file, "no directory").unwrap();
        let take = |paths: &[PathBuf]| UnnamedDirectories::take(disk(), paths, CLUSTER, crate::runtime::random_uuid);
        let error = take(&[good.clone(), other]).unwrap_err().to_string();
        assert!(error.contains("a node without an id of cluster another"), "{error}");
        assert_eq!(take(&[file.clone(), good]).unwrap().ids().len(), 1);
        assert!(matches!(take(&[file]), Err(DirectoryError::Io(_))));
    }
}
