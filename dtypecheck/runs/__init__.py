"""Running the real code of a pipeline: rehearsals on phantom components; the only floor that imports torch."""
