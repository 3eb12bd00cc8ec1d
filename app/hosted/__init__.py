"""Hosted models that are no chats, and those at AWS that tools ask: behind the budget, breakers and limits of all
models, with personal data replaced on the way, and every call on record.
"""
