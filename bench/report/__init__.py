"""A run as text: terminal table, Markdown, CSV and one self-contained HTML page.

Pure functions from records to ``str``. ``tables`` decides columns, rounding and units once; the renderers only lay out.
"""
