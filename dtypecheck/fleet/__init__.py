"""Many targets: which they are, who looks at them, and the sum of what was found."""
