"""The edges of the platform, and the one place that plugs its rooms together.

settings     what a site may set, and where each value came from
wiring       joins the rooms to each other
cli          the command line: verbs, options, exit codes
web          pages and machine routes
accounts     who may come in, and what he may
audit_check  compares the audit text in the database with its witness in the archive
migrations   the one history of the state database
demo         a demonstration on a simulated clock

Processes: `supervisor` starts and watches them, `working` is the one that does scheduled work.
"""
