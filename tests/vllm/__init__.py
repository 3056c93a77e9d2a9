"""The real vLLM server, on the CPU, with a tiny model."""
