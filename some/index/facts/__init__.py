"""Interval facts: what each record attests about who had which address when.

fact      one row, and the protocol of a store
persons   how a person's name is spelled, and what kind of name it is
"""
