"""The types that every part uses: transactions, verdicts, profiles, snapshots, the filter language. No I/O."""
