//! e2e/tidy
fn main() {}
