"""The gate: from everything that was looked at to one verdict, and what of it was missing. Nothing is read here."""
