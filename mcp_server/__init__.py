"""The tools that agents work with. Each enters at the same services as the HTTP routes, as the person of its token."""
