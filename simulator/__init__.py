"""A seeded population of card users with habits, and the anomalies injected into it. No I/O."""
