"""Formats of files that say what is heard, or happens, from when to when: one file a format."""
