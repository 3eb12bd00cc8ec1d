"""The local model: classification, extraction and priority without a network, from data kept in this folder."""
