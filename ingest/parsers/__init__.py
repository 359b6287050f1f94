"""Parsers: one format each, lines in, columns or a stated failure out.

- `syslog`      the header of RFC 3164 and RFC 5424 with their field variants, and messages of no known format
- `fortigate`   FortiGate key=value: traffic, utm, event
- `cisco_asa`, `sophos`, `mikrotik`  sessions, translations and logins of other firewalls and routers
- `squid`       Squid access log, native and with the ports of both sides
- `access_log`  nginx and Apache, common and combined, with the ports of RFC 6302
- `dhcpd`, `kea`, `windows_dhcp`  leases
- `filterlog`   the packet filter of pfSense and OPNsense
- `pfsense_portal`, `radius_detail`, `cisco_ise`, `windows_security`  logins
- `ipfix`, `flow_fields`  IPFIX and NetFlow 9: bytes instead of lines; what their elements mean
- `gap`, `audit`  records that this platform writes itself
- `lines`, `values`, `times`, `layout`  what they share: a selection of lines, single values, points in time, and the
  learned layouts of key=value lines
- `fortigate_fields`, `fortigate_facts`  what the keys of FortiOS mean, and what they tell about intervals
- `cisco_asa_shapes`  what ASA's messages say, by number
- `windows_event`  JSON and XML of Windows events as names and texts

To add a format: write its file with a sample line in the docstring, name it in `ingest/parsing.py`, and add to
`ingest/ecs.py` the fields that it fills; `tests/ingest_parse/test_conformance.py` then holds it to the rules.
"""
