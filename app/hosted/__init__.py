"""Models that the installation runs at AWS, asked by tools: behind the budget, breakers and limits of all models, with
personal data replaced on the way, and every call on record.
"""
