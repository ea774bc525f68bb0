"""What a user waits for beside pure inference, one module a wait; :mod:`.meter` asks them in turn."""
