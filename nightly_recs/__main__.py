"""`python -m nightly_recs`: the same as the command `recs`."""

from nightly_recs.command import main

if __name__ == "__main__":
    main()
