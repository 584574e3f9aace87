"""DT0: what could not be read as it should be."""
