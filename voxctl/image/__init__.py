"""The container image: its folder, the commands that build and push it, and what their output means."""
