"""bytes -> observations: frames, socket tables and traces, each by a pure function that meets any input.

What the kernel or strace wrote is turned into the words of `lab.history`; what it means is for `attempts` and
`checks` to say.
"""
