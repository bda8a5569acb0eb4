//! Whoever has applied the same offset has the same metadata, whether it came by records or by a snapshot. Raft, figure 3, "State Machine Safety"; KIP-630 ("a
//! snapshot is semantically equivalent to the log up to its end offset").

use std::collections::BTreeMap;

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct ImageEquality {
    images: BTreeMap<i64, u64>,
}

impl Invariant for ImageEquality {
    fn name(&self) -> &'static str {
        "image_equality"
    }

    fn check(&mut self, seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Applied { place, offset, image, from_snapshot } = fact else { return Ok(()) };
        let Some(replica) = seen.replicas.get(*place) else { return Ok(()) };
        let first = *self.images.entry(*offset).or_insert(*image);
        if first == *image {
            return Ok(());
        }
        let how = if *from_snapshot { "from a snapshot" } else { "from records" };
        Err(format!("{} has other metadata at offset {offset}, {how}, than another replica had there", replica.key))
    }
}
