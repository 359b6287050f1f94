"""The steps of the history, oldest first: `vNNNN_<what>.py`."""
