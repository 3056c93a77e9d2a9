"""One file per command: parse, build, run, exit code."""
