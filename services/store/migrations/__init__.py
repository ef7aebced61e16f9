"""What brings a database of an older release to the schema of this one: files of SQL, numbered by schema version."""
