"""The command line: a public interface with documented verbs, options, exit codes and JSON shapes.

main       the program: options of every verb, errors to exit codes
options    the options that every verb takes
running    up, demo, collect, work, web
records    parse, append, search, index
evidence   seal, stamp, verify, export
keeping    status, doctor, user
"""
