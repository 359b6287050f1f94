"""The one history of the state database (Alembic), forward only.

run       `migrate(database)`, called at every start; fast when nothing is to be done
tables    every room's tables, so that the history can be compared with the models
env       what Alembic calls; only ever with the connection that `run` gives it
versions  one file a step, `vNNNN_<what>.py`
"""
