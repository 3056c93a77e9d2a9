"""What was said: words folded into segments, and its forms on paper. No I/O."""
