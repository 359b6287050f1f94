"""The collectors: each obtains records in one way and hands blocks of them to an `Intake`.

- `collector`   what all of them have in common: protocol, counters, names of sources
- `syslog_udp`  datagrams; the kernel's drops become gap records
- `syslog_tcp`  RFC 6587 streams, also over TLS (RFC 5425)
- `file_tail`   files that grow, rotate, shrink, vanish and return
- `following`   the files themselves: identity, position, rotation (no event loop)
"""
