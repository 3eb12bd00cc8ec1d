"""Customers and services, as the desk or another system knows them.

Two ports, each with the desk's own table and an HTTP adapter. An answer may be as old as the configured time limit. A
system that is away means "not known", which nobody takes for "no".
"""
