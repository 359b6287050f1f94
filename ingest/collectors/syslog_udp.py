"""Syslog over UDP (RFC 5426, RFC 3164): one datagram is one record, whole and as received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.collectors.collector import EVERYWHERE
from ingest.collectors.udp import BUFFER_BYTES, UdpListener
from ingest.framing import join_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.collectors.collector import Resolve
    from ingest.collectors.udp import Peer
    from ingest.intake import Intake
    from some.clock import Clock
    from some.record import RecordClass


class SyslogUdp(UdpListener):
    """A UDP listener whose datagrams are records."""

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
        super().__init__(
            name, intake, clock, resolve, _one_block,
            record_class=record_class, port=port, hosts=hosts, buffer_bytes=buffer_bytes,
        )  # fmt: skip


def _one_block(peer: Peer, messages: Sequence[bytes]) -> Iterable[tuple[bytes, int]]:
    del peer
    return ((join_messages(messages), len(messages)),)
