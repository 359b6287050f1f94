"""The query language: a KQL subset that means the same in every engine.

grammar    the LALR grammar, as text
source     text to a syntax tree; errors name the column and what was expected
tree       the typed tree that engines translate, and QueryFault
bind       syntax to typed tree: fields looked up, values read by the field's type
dates      date arithmetic and partial dates
sql        tree to a DuckDB condition with bound parameters
dsl        tree to an Elasticsearch condition, and the form of storage it stands on
predicate  tree to a Python function over one flat document
"""
