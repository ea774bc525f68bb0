"""Where workers run. A device starts worker processes and tells what it is."""
