"""Tools that ask a database. Nothing heavy is imported before a database is dialled."""
