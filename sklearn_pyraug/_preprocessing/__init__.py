"""Between the values of the user and codes: rows of any container, and labels."""
