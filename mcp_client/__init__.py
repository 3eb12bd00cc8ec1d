"""How an agent reaches the tool server. Knows nothing of the product: an address, a token, names of tools."""
