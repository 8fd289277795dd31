"""Which version of onetwo-like is this? (Everything to use is in `onetwo_like.ot`.)"""

__version__ = "0.1.0"
