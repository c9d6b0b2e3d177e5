"""A service: answers of trained models over HTTP, for programs and for the live page. Needs the extra `serve`."""
