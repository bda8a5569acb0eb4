//! What the fuzz targets do with their bytes: one file each, called by the targets in `../targets` and by the test over the corpus. A body panics when
//! a property does not hold, and has no other result.

mod batch;
#[cfg(test)]
mod corpus;
mod frame;
mod record;
mod request;
mod request_header;
mod reread;
mod response;

pub use batch::batch;
pub use frame::frame;
pub use record::record;
pub use request::request;
pub use request_header::request_header;
pub use response::response;

/// What a target does with bytes of any kind.
pub type Body = fn(&[u8]);

/// Every target by its name, which is also that of its file in `corpus`.
pub const TARGETS: &[(&str, Body)] = &[
    ("frame", frame),
    ("request_header", request_header),
    ("request", request),
    ("response", response),
    ("record", record),
    ("batch", batch),
];
