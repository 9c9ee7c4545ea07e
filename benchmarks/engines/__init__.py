"""The contestants: one file an engine, each with the same few classes (see worker.py)."""
