"""What do annotations look like where nobody imported them from the future?"""

from onetwo_like import ot


@ot.make_executable
def holds(a: ot.Executable[int], b: int) -> tuple[bool, bool]:
    """Whether each argument is an executable."""
    return isinstance(a, ot.Executable), isinstance(b, ot.Executable)
