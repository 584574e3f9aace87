"""What other programs run of us: pytest, pre-commit, shells, GitHub, GitLab; and the places we run in."""
