"""Data only: the commented defaults that the wheel brings along. A site file of the same name replaces one of them."""
