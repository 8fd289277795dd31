"""How does Bazel run a package of tests? With pytest, on the paths it is given."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[1:]]))
