"""NetFlow 9 and IPFIX over UDP (RFC 3954, RFC 7011): one data record is one record, with the template it needs.

Templates live as long as the collector: what comes after a start and before an exporter's next announcement is kept as
received (`ingest/ipfix.py`), and cannot be decoded. So let exporters announce often (MikroTik `template-refresh`, ASA
`flow-export template timeout-rate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingest.collectors.collector import EVERYWHERE
from ingest.collectors.udp import BUFFER_BYTES, UdpListener
from ingest.framing import BLOCK_LINES, join_messages
from ingest.ipfix import Templates, cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.collectors.collector import Resolve
    from ingest.collectors.udp import Peer
    from ingest.intake import Intake
    from some.clock import Clock
    from some.record import RecordClass

_BLOCK_BYTES: Final = 2 * 1024 * 1024
"""Of one block: escaping may double them, and a block must fit into a frame of the archive."""


class Netflow(UdpListener):
    """A UDP listener that cuts flow messages into their records."""

    def __init__(
        self,
        name: str,
        intake: Intake,
        clock: Clock,
        resolve: Resolve,
        *,
        record_class: RecordClass,
        port: int,
        hosts: Sequence[str] = EVERYWHERE,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """Keep the settings; nothing is opened before `start`. `record_class` is the class of gap records."""
        self._templates = Templates()
        super().__init__(
            name, intake, clock, resolve, self._records,
            record_class=record_class, port=port, hosts=hosts, buffer_bytes=buffer_bytes,
        )  # fmt: skip

    def _records(self, peer: Peer, messages: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield blocks of bounded size."""
        block: list[bytes] = []
        size = 0
        for message in messages:
            for record in cut(message, peer[:2], self._templates):
                if block and (len(block) == BLOCK_LINES or size + len(record) > _BLOCK_BYTES):
                    yield join_messages(block), len(block)
                    block, size = [], 0
                block.append(record)
                size += len(record)
        yield join_messages(block), len(block)
