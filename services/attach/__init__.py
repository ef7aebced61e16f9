"""A console and its engine in different processes: the console port over the engine's Unix socket."""
