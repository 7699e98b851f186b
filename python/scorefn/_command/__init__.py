"""What every command of the command line shares: errors in one line, output, signals."""
