"""Looking for variants that are better than the standard ones: made, measured on validation, chosen by a rule."""
