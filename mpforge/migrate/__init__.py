"""Write a project's first spec from its pyproject.toml and its cibuildwheel configuration."""
