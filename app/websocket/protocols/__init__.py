"""What can be watched: one protocol for each noun. A protocol asks the noun's room who may see what."""
