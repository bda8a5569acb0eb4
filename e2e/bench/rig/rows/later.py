"""Rows whose place is kept until what they measure exists."""

from rig.row import LaterRow

ROWS = [
    LaterRow("replicated-3", "throughput, latency and CPU with replication factor 3", "replication"),
    LaterRow("fail-over", "how long no leader answers after a node is killed", "replication"),
    LaterRow("rebalance", "how long a group stands still when a member comes or goes", "the consumer protocol of KIP-848"),
    LaterRow("transactions", "commits a second and the cost of a marker", "transactions"),
    LaterRow("tls", "CPU per GB and handshakes a second", "TLS"),
]
