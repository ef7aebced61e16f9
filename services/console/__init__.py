"""What a console may ask of an engine, and the engine's answers in the same process."""
