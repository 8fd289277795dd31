"""What can a program ask of a model, without saying which?"""

from onetwo_like.builtins import derived, llm

__all__ = ["derived", "llm"]
