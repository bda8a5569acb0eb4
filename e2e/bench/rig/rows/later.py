"""Rows whose place is kept until what they measure exists."""

from rig.row import LaterRow

ROWS = [
    LaterRow("rebalance", "how long a group stands still when a member comes or goes", "the consumer protocol of KIP-848"),
    LaterRow("transactions", "commits a second and the cost of a marker", "transactions"),
    LaterRow("tls", "CPU per GB and handshakes a second", "TLS"),
]
