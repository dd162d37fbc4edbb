"""`python -m everynode`: the command line without the installed command."""

from everynode.cli.main import main

if __name__ == "__main__":
    main()
