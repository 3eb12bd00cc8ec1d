"""Mail as a channel of conversations: in by several roads, out by the outbox.

Promises: a mail is stored as it came before its sender is told that it was; it is taken in once, whatever is killed or
delivered again; what cannot be read is kept and shown to administrators; nothing automatic is answered. Whose mail it
is, is only claimed: by mail one reads what is public, and what one's own thread holds.
"""
