"""How does Bazel run a package of tests? With pytest, on the paths it is given."""

import runpy
import sys

if __name__ == "__main__":
    # As `python -m pytest` does, so that the program that runs is pytest, and not this file.
    sys.argv[1:1] = ["-p", "no:cacheprovider"]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)
