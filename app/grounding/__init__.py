"""Answers that stand on the desk's documents, sentence by sentence, or a refusal that says why there is none.

Nothing leaves this room that the evaluator did not pass, and an evaluator that fails passes nothing.
"""
