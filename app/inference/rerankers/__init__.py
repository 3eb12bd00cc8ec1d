"""Adapters of `app.inference.reranking.Reranker`."""
