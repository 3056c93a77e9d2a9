"""How fast voxctl is: figures for people to read. Nothing here passes or fails anything; see README.md."""
