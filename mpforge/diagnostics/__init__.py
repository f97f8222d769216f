"""Find the causes of a step's failure in its log and in the files it left."""
