"""What can be done, one module a verb: the command line, the Python API, pytest and notebooks call these and do nothing else."""
