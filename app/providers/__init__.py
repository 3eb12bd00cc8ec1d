"""Providers of models as administrators see and steer them: limits, fallbacks, prices, budget, breakers.

The delivered rules are `app/config/ai_config.yaml`; sections of them are replaced in versions, of which every run
reads the last when it starts. What is done by these rules is `app.inference`'s.
"""
