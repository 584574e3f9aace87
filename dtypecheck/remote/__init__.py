"""Targets that are no plain path: models of the Hub, at addresses, in buckets and archives, and the skeletons kept of them."""
