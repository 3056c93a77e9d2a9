"""Text frames over a wire. Knows nothing of speech."""
