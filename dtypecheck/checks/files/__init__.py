"""DT1: what the files store and declare, against each other, against the request and against what is known."""
