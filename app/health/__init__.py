"""How the product is: for load balancers, for dashboards, for the person on call. It reads and never repairs."""
