"""The rig that measures Barnabas beside Apache Kafka on one machine. Decides nothing about what is good enough."""
