"""What opens above a screen: detail, filter, export, help."""
