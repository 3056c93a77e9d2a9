"""The page in a browser: whoever opens it talks, and sees the words."""
