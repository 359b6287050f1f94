"""Records as devices write them, in several formats, and followers of them that are patient for a test's time only."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from index_fakes import FakeArchive, hints

from ingest.parsing import Parsing
from some.index.elastic.follower import ElasticFollower
from some.index.elastic.lag import lag_behind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from some.clock import Clock
    from some.index.elastic.transport import Client
    from some.record import RecordReader

BEFORE = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
"""Half an hour before a month ends."""

_PATIENCE_S = 90.0
_LOOK_S = 0.05


def squid(number: int, user: str = "-") -> bytes:
    """Return a proxy's line."""
    at = 1_793_489_400 + number * 7
    text = (
        f"{at}.{number % 1000:03d} {number % 900} 10.0.{number % 3}.{number % 250} TCP_TUNNEL/200 {number * 37 % 9000} "
        f"CONNECT site{number % 23}.example.org:443 {user} HIER_DIRECT/198.51.100.{number % 9} -"
    )
    return text.encode()


def forti(number: int) -> bytes:
    """Return a firewall's line about a translated connection; several in one millisecond."""
    at = 1_793_489_400_000_000_000 + number // 3 * 5_000_000_000 + number % 3 * 1_000
    text = (
        f'<189>date=2026-11-01 time=00:00:00 devname="FW-1" devid="FG100TEST0000001" eventtime={at} tz="+0300" '
        f'logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip=10.20.30.{number % 40} '
        f"srcport={1024 + number} dstip=203.0.113.{number % 8} dstport={(80, 443, 8443)[number % 3]} "
        f"sessionid={number} proto={(6, 17)[number % 2]} "
        f'action="{("close", "timeout", "deny")[number % 3]}" policyid=12 trandisp="snat" transip=198.51.100.10 '
        f"transport={2000 + number} duration=116 sentbyte={number * 13 % 4096} rcvdbyte={number}"
    )
    return text.encode()


def dhcp(number: int) -> bytes:
    """Return a line of a DHCP server."""
    second = number * 11 % 3600
    verb = "DHCPACK on 10.0.0.{0} to 00:00:5e:00:53:{1:02x} (pc-{1}) via eth1"
    if number % 5 == 0:
        verb = "DHCPRELEASE of 10.0.0.{0} from 00:00:5e:00:53:{1:02x} via eth1 (found)"
    told = verb.format(number % 200, number % 20)
    return f"<30>Nov  1 02:{second // 60:02d}:{second % 60:02d} dhcp1 dhcpd[1204]: {told}".encode()


def words(number: int) -> bytes:
    """Return a line without a known format: Turkish, bytes that are no text, signs that mean something elsewhere."""
    picked = (
        "Kullanıcı GİRİŞİ başarısız: Ayşe ığdır".encode(),
        "<13>Nov  1 03:10:00 sunucu uygulama[7]: İZMİR şubesi %d nolu kapı 'açık'".encode(),
        b"\xff\xfe bozuk \x80 bayt",
        b'{"match_all":{}} * ? \\ " C:\\Windows\\n',
        b"2001:db8::7 a_b a%b",
    )[number % 5]
    return picked + f" #{number}".encode()


def network(count: int) -> FakeArchive:
    """Return an archive of `count` records of four sources, received around the end of a month."""
    draw = random.Random(20261123)
    archive = FakeArchive()
    numbers = {name: archive.open(name) for name in ("access", "address", "identity")}
    later = archive.open("access")
    makers = [
        ("access", "proxy1", squid),
        ("access", "fw1", forti),
        ("address", "dhcp1", dhcp),
        ("identity", "sunucu1", words),
    ]
    for number in range(count):
        name, source, maker = makers[draw.randrange(len(makers))]
        received = BEFORE + timedelta(seconds=number * 3600 / count, microseconds=draw.randrange(1_000_000))
        segment = later if name == "access" and number > count * 2 // 3 else numbers[name]
        raw = maker(number, draw.choice(["ayse", "-", "AYŞE"])) if maker is squid else maker(number)
        archive.add(segment, raw, received=received, source=source)
    for held in archive.segments[: later - 1]:
        held.closed = True
    return archive


def follows(archive: RecordReader, client: Client, data: Path, **more) -> ElasticFollower:
    """Return a follower with the real parsers."""
    return ElasticFollower(
        archive,
        client,
        folder=place(data),
        lock=data / "run" / "elastic.lock",
        parse=Parsing().parse_block,
        hints=hints,
        **more,
    )


def place(data: Path) -> Path:
    """Return where its cursor stands."""
    return data / "index" / "elastic"


def behind(reader: RecordReader, data: Path, wall: Clock) -> int:
    """Return how many records wait, as another process sees it; -1 where it could not count them all."""
    from some.index.elastic.cursor import reading  # noqa: PLC0415 - beside its only use
    from some.record import Cursor  # noqa: PLC0415 - as above

    with reading(place(data), reader.ledger) as standing:
        found = lag_behind(reader, standing.cursor() if standing else Cursor(), wall)
    return found.records if found.exact else -1


def until(true: Callable[[], bool], what: str, patience_s: float = _PATIENCE_S) -> None:
    """Return when `true` says so; fails when patience ends."""
    ends = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < ends, f"in vain: {what}"
        time.sleep(_LOOK_S)
