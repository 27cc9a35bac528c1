"""A lab of several hosts on real networks that shows, and proves, what sockets really do."""
