"""`python -m trifacet`."""

from trifacet.cli.main import main

if __name__ == "__main__":
    main()
