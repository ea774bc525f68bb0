"""A ready-made pytest suite: one test for each case of the models that ``--models`` names."""
