"""The collectors: each obtains records in one way and hands blocks of them to an `Intake`.

- `collector`   what all of them have in common: protocol, counters, names of sources
- `udp`         datagrams; the kernel's drops become gap records
- `syslog_udp`  a datagram is a record
- `netflow`     a flow record is a record: NetFlow 9 and IPFIX
- `syslog_tcp`  RFC 6587 streams, also over TLS (RFC 5425)
- `file_tail`   files that grow, rotate, shrink, vanish and return
- `following`   the files themselves: identity, position, rotation (no event loop)
"""
