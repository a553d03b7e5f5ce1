"""Reading a finished plan: figures as a summary, on the terminal, as a map; and the files of a plan directory."""
