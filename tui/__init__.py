"""The Textual app. It talks to the console port, never to Kafka or PostgreSQL."""
