"""Admission: origins, tokens, quotas per address, location of addresses."""
