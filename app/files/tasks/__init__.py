"""What workers do with files."""
