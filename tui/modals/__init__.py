"""Windows that open over a screen: questions, export, help, plots, views, workers."""
