"""The simulator and files into Kafka, and at what pace."""
