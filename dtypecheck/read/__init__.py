"""Bytes to subjects: readers know formats and no rules; what they cannot take they tell as a Problem."""
