"""From findings to a fix plan, from a plan to bytes, and back: propose, apply, verify, undo."""
