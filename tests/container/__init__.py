"""The image's own parts: the gateway inside vLLM, and the files around it."""
