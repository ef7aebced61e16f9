"""What runs: supervisor, producer, detector tasks, writer, store, brokers, configuration, command line."""
