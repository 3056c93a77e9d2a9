"""The vLLM ``/v1/realtime`` language: messages, a protocol machine, words and the token clock. No I/O."""
