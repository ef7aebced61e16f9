"""When and how models are fitted, kept and used offline; profiles rebuilt."""
