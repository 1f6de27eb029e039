"""How much synthetic rows reveal of the rows that they were made from."""
