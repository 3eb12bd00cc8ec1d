"""How sure Whisper is, wherever it runs."""

import math


def whisper_confidence(average_log_probability: float, no_speech_probability: float) -> float:
    """exp(average log probability of the tokens) × (1 − probability that there is no speech), 0..1."""
    sure = math.exp(min(0.0, average_log_probability)) * (1.0 - no_speech_probability)
    return round(min(1.0, max(0.0, sure)), 4)
