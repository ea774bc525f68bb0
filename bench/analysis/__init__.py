"""Pure functions over records, samples and scores: no files, no devices."""
