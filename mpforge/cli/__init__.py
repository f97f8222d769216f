"""The command line: ``mpforge COMMAND``. Each command is a module with ``add_parser`` and ``run``."""
