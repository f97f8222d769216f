"""The causes of a step's failure, read from its log and from what it left."""
