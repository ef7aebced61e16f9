"""Lists of rows: feed, anomalies, users, and what they are made of."""
