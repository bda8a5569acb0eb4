//! `--append plain`: each batch is written at once, in a call of its own. With --sync the turn ends with one sync of each file. With
//! --keep-mib old bytes go.

use std::io::{self, IoSlice};
use std::path::Path;
use std::rc::Rc;

use super::forget::Forgetting;
use super::{Appending, Batch, Connections, Source, add_source, sync_touched, write_at};

pub struct Plain {
    sync: bool,
    sources: Vec<Rc<Source>>,
    touched: Vec<usize>,
    forgetting: Forgetting,
}

impl Plain {
    pub fn new(sync: bool, keep_bytes: Option<u64>) -> Self {
        Self { sync, sources: Vec::new(), touched: Vec::new(), forgetting: Forgetting::new(keep_bytes) }
    }
}

impl Appending for Plain {
    fn create(&mut self, path: &Path) -> io::Result<Rc<Source>> {
        add_source(&mut self.sources, path)
    }

    fn append(&mut self, batch: &Batch<'_>) -> io::Result<u64> {
        if let Some(source) = self.sources.get(batch.log) {
            write_at(&source.file, batch.position, &mut [IoSlice::new(&batch.head), IoSlice::new(batch.rest)])?;
            self.forgetting.after(batch, source)?;
        }
        if self.sync {
            self.touched.push(batch.log);
        }
        Ok(0)
    }

    fn end_turn(&mut self, _: &Connections) -> io::Result<()> {
        sync_touched(&self.sources, &mut self.touched)
    }
}
