"""The numbers that stand beside what detectors leave in a database."""

FORMAT = 9
"""Written beside each stored model of either detector; one of another format is not used but fitted again."""

STATE_VERSION = 1
"""Written beside each stored state. `UserState.from_bytes` reads older ones too; a newer one is refused, so this grows
whenever the release before could not read what is stored. Of this one there are two forms."""
