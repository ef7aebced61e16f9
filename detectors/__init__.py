"""Scoring: features, the basic and the enhanced detector, thresholds, explanations. No I/O, no asyncio."""
