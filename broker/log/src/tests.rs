//! The log as its users see it.

mod append;
mod cuts;
mod every_call;
mod faults;
mod hostile;
mod model;
mod preallocation;
mod recovery;
mod retention;
mod scripts;
mod timestamps;
mod transactions;
mod truncate;
