"""What a remote model must not see, and what an answer must not hold. Knows texts and messages, no desk."""
