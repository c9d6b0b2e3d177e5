"""Work on many machines: a Ray session, and what runs in it. Needs the extra `scale`."""
