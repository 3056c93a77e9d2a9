"""Many connections that look like one: from chunks of sound to events."""
