"""From the wire to the archive, and from bytes to fields.

- `collectors/`  obtain records: syslog over UDP and TCP, NetFlow and IPFIX, files that grow
- `framing`      where one message ends (pure)
- `import_framing`  where one record of an imported file ends (pure)
- `ipfix`        flow messages cut into records that need no other (pure)
- `intake`       from a collector to the sink: bounded memory, back-pressure, order
- `parsers/`     one format each: bytes in, fields or a stated failure out
- `parsing`      a block of records in, columns out
- `ecs`          field names and types; everything else derives from them
- `sources`      the declared sources and sites

A record is retained first and parsed afterwards: nothing in `collectors`, `framing` or `intake` looks into a message,
but for `ipfix`, which must find where a record ends, and cannot fail.
"""
