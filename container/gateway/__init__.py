"""What voxctl adds to vLLM's own server: ``vllm serve … --middleware gateway.Gateway``.

It runs inside vLLM's process, in front of its routes, and imports nothing but the standard library.
"""

from gateway.app import Gateway

__all__ = ["Gateway"]
