"""The words everyone speaks: transactions, verdicts, profiles, snapshots, the filter language. No I/O."""
