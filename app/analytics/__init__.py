"""What it all costs: every call of a model as a row, written with the run it belongs to, and the sums of them."""
