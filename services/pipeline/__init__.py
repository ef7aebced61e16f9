"""The consumer, one task a partition, scoring and the profile cache."""
