"""Three ways to have Kafka behind one interface: embedded, local and external."""
