"""Wire format, validation, mapping, files and exports."""
