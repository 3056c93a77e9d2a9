"""Load and latency: many paced streams, each message timed, and a client that says when it was too slow itself."""
