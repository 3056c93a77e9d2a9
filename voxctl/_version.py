"""The version, alone in its file so that the build and the program read the same one."""

__version__ = "0.1.0"
