"""Redaction: what must not be seen is masked before anything shows, keeps or sends it on.

``stage`` takes a session's events and gives those that may be seen. It keeps words back while they may be part of a
number, asks the finders (``numbers``, ``letters``, ``mail``, ``custom``) what they are, and leaves the judging of a
number to libraries, which are behind one border (``judges``). Nothing here does I/O, reads a clock or knows asyncio.
"""
