"""What does `python -m onetwo_like` do? The same as the command `onetwo-like`."""

from onetwo_like.cli import main

if __name__ == "__main__":
    main()
