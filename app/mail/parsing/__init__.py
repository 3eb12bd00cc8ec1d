"""From the bytes of a mail to what they say. Hostile bytes cost bounded time and raise nothing but Unreadable."""
