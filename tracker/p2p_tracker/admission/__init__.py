"""Admission of clients and messages: origins, tokens, limits per address, location of addresses."""
