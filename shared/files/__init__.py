"""What the files hold, without IO: columns, rows, results."""
