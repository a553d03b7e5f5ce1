"""What protected classes are promised, what a unit of that costs at least, and whether a plan keeps it."""
