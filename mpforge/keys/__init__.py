"""A step's key: named ingredients, their digest, their explanation."""
