"""Makes a bare device ready: what it is, which runtime fits it, and the packages that are sent there."""
