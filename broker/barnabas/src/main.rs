//! broker/barnabas
fn main() {}
