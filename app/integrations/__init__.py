"""Connections to other companies' systems, and tickets passed on to them.

Promises: a ticket is passed on to a connection once, whatever is killed on the way; secrets go in and never come out;
no connection leads into the desk's own network unless the installation says so. What a vendor looks like ends at its
`client.py`.
"""
