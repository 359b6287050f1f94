"""The SOME platform: files here are the ground floor (words and primitives), folders are the upper floors.

record       records, blocks, references, and the two protocols by which neighbours meet
digest       algorithm and bytes together
canonical    RFC 8785 JSON for anything that is hashed
clock        the only source of now()
durable      the only writer of files that matter
database     engine, sessions, transactions
outbound     HTTP out: time limits, size limits, TLS, proxy
outbox       what must be sent or witnessed, written in the same transaction as its cause
actor        who acts, and what he may
wording      the gettext catalogue: Turkish first, English second
diagnostics  our own messages (structlog)
errors       the error tree and the exit codes
audit        who did what: the text here, its witness in the archive
strict_yaml  YAML that people write, with the place of every value
"""
