"""The dtype consistency linter for diffusion and transformer pipelines."""
