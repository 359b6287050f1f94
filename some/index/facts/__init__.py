"""Interval facts: what each record attests about who had which address when.

fact        one row, and the protocol of a store
persons     how a person's name is spelled, and what kind of name it is
sites       at which site a record's addresses are
build       documents to facts, a table at a time
columns     facts as Arrow tables, and back
shapes      how files of facts are ordered and written
stored      what one flush attests, on its way into files; minutes; speakers
spoken      who spoke when, out of the files of minutes
embedded    the store of the embedded index
memory      the store that says what is right: a list
"""
