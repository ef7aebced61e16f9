"""Lists of transactions and users, with their rows, columns, sorting and filter line."""
