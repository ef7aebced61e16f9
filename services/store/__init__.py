"""All SQL of the project, and the PostgreSQL servers it runs on."""
