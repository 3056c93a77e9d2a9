"""Where sound comes from: any file, a pipe or a microphone in, ``Chunk`` (16 kHz mono PCM16) out."""
