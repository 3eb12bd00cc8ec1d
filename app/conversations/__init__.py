"""Conversations with customers: a question, a grounded answer or a handover, and one chain of messages until resolved.

Promises: a message is stored before anything is done about it; each is answered once, handed over or forwarded,
whatever is killed; no answer is sent that the gate did not pass; people on both sides see one conversation. It composes
no answers.
"""
