"""The `credentify` command: `python -m services …` and the console script. Each subcommand is a room of its own."""

from services.command.main import main

if __name__ == "__main__":
    main()
