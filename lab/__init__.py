"""A lab of several hosts on real networks that shows, and proves, what sockets really do."""

__version__ = "0.1.0"
