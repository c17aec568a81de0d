"""`python -m mlip_kmc` is the command `mlip-kmc`."""

from mlip_kmc.cli import main

if __name__ == "__main__":
    main()
