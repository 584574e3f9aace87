"""Rules about the numbers in the weights, which `--values` looks at: DT4."""
