//! Records that Kafka keeps in its own logs, as opposed to messages between nodes.
