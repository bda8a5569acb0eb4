//! The subcommands of the binary that are no server: one module each, arguments in, text and an exit code out. They speak to brokers
//! as any client does, or read files; nothing here runs a broker.

pub mod perf;
pub mod protocol;
pub mod replay;
pub mod why;
