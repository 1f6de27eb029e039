"""How much synthetic rows tell of the rows that they were made from."""
