//! Which operations a client may do. Without an authorizer it may do all, and is told so in the form that requests ask for:
//! a set of bits, one for each operation that the kind of resource has (KIP-430).

/// Bits of the operations named by their codes in the protocol.
const fn bits(codes: &[i32]) -> i32 {
    let mut bits = 0;
    let mut rest = codes;
    while let [code, others @ ..] = rest {
        bits |= 1 << *code;
        rest = others;
    }
    bits
}

const READ: i32 = 3;
const WRITE: i32 = 4;
const CREATE: i32 = 5;
const DELETE: i32 = 6;
const ALTER: i32 = 7;
const DESCRIBE: i32 = 8;
const CLUSTER_ACTION: i32 = 9;
const DESCRIBE_CONFIGS: i32 = 10;
const ALTER_CONFIGS: i32 = 11;
const IDEMPOTENT_WRITE: i32 = 12;

/// Everything that can be done to a topic.
pub const TOPIC_OPERATIONS: i32 =
    bits(&[READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);
/// Everything that can be done to a group.
pub const GROUP_OPERATIONS: i32 = bits(&[READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);
/// Everything that can be done to the cluster.
pub const CLUSTER_OPERATIONS: i32 =
    bits(&[CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE]);
/// The request did not ask.
pub const NOT_ASKED: i32 = i32::MIN;

/// `operations` where the request asked for them.
#[must_use]
pub const fn operations_if(asked: bool, operations: i32) -> i32 {
    if asked { operations } else { NOT_ASKED }
}
