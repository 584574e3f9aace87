"""DT3: what a run shows, rehearsed or watched."""
