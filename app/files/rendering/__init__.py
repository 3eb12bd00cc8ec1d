"""What others see of a file, made in the child process from hostile input."""
