"""Phantoms: components with shapes and dtypes but no numbers, small ones of every class, and what stands in for the rest."""
