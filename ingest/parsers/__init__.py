"""Parsers: one format each, lines in, columns or a stated failure out.

- `syslog`      the header of RFC 3164 and RFC 5424 with their field variants, and messages of no known format
- `fortigate`   FortiGate key=value: traffic, utm, event
- `squid`       Squid access log, native and with the client's port
- `access_log`  nginx and Apache, common and combined, with the ports of RFC 6302
- `dhcpd`       ISC dhcpd leases
- `gap`, `audit`  records that this platform writes itself
- `lines`, `values`, `times`, `layout`  what they share: a selection of lines, single values, points in time, and the
  learned layouts of key=value lines
- `fortigate_fields`  what the keys of FortiOS mean

To add a format: write its file with a sample line in the docstring, name it in `ingest/parsing.py`, and add to
`ingest/ecs.py` the fields that it fills; `tests/ingest_parse/test_conformance.py` then holds it to the rules.
"""
