"""A stand-in for the SageMaker runtime: its bidirectional streams in front of any WebSocket server, on this machine."""
