"""What parsing costs: microseconds of CPU for each record, over a seeded stream of invented lines.

    PYTHONPATH=. .venv/bin/python bench/bench_parse.py [--records 60000] [--block 5000] [--rounds 3]

Prints one row for the mixed stream (45 % FortiGate, the shares of a municipality's firewall, proxy, web, DHCP and
hosts) in one block stream, as if one undeclared source sent it all, one for the same stream split by source, and one
for each format. CPU time of this process, best of the rounds. `warm` follows another stream of the same kind, as in a
follower that has run for a while; `cold` pays for learning the layouts and filling the memories.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import TYPE_CHECKING

from ingest.parsing import Parsing, SourceHints

if TYPE_CHECKING:
    from collections.abc import Callable

RECEIVED = 1_795_458_950_000_000
FIRST = 1_795_458_900
SHARES = {
    "fortigate": 45, "squid": 12, "filterlog": 10, "netfilter": 10, "dhcpd": 3, "web": 10, "rfc5424": 10,
}  # fmt: skip


def _inside(dice: random.Random) -> str:
    return f"10.20.{dice.randrange(16)}.{dice.randrange(1, 250)}"


def _outside(dice: random.Random) -> str:
    return f"203.0.113.{min(int(dice.paretovariate(0.7)), 254)}"


def _mac(dice: random.Random) -> str:
    return f"00:00:5e:00:{dice.randrange(16):02x}:{dice.randrange(256):02x}"


def fortigate(dice: random.Random, second: int) -> str:
    """Return a FortiGate line; a third has a user, one in eight is a webfilter line."""
    clock = f"21:{second // 60 % 60:02d}:{second % 60:02d}"
    nanos = (FIRST + second) * 10**9 + dice.randrange(10**9)
    port = dice.randrange(1024, 65536)
    who = f' user="user{dice.randrange(400)}" group="personel" authserver="ad"' if dice.random() < 1 / 3 else ""
    head = (
        f'<189>date=2026-11-23 time={clock} devname="FW-MERKEZ-01" devid="FG200FTEST00001" '
        f'eventtime={nanos} tz="+0300" '
    )
    if dice.random() < 1 / 8:
        return (
            f'{head}logid="0317013312" type="utm" subtype="webfilter" eventtype="ftgd_allow" level="notice" vd="root" '
            f'policyid=12 sessionid={dice.randrange(10**8)}{who} srcip={_inside(dice)} srcport={port} srcintf="vlan20" '
            f'srcintfrole="lan" dstip={_outside(dice)} dstport=443 dstintf="wan1" dstintfrole="wan" proto=6 '
            f'service="HTTPS" hostname="www{dice.randrange(200)}.example.org" profile="personel" action="passthrough" '
            f'reqtype="direct" url="https://www.example.org/a/{dice.randrange(10**6)}?k={dice.randrange(99)}" '
            f'sentbyte={dice.randrange(10**5)} rcvdbyte={dice.randrange(10**6)} direction="outgoing" '
            f'msg="URL belongs to an allowed category in policy" method="domain" cat=52 '
            f'catdesc="Information Technology"'
        )
    return (
        f'{head}logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip={_inside(dice)} '
        f'srcname="PC-{dice.randrange(400):04d}" srcport={port} srcintf="vlan20" srcintfrole="lan" '
        f'dstip={_outside(dice)} dstport={dice.choice((443, 443, 80, 53))} dstintf="wan1" dstintfrole="wan" '
        f'srccountry="Reserved" dstcountry="Turkey" sessionid={dice.randrange(10**8)} proto={dice.choice((6, 6, 17))} '
        f'action="{dice.choice(("close", "accept", "client-rst"))}" policyid=12 policytype="policy" '
        f'poluuid="5b1f1e3c-0000-51ee-0000-c9d2f1a4b3e6" policyname="ic-ag-internet" service="HTTPS" trandisp="snat" '
        f'transip=198.51.100.{dice.randrange(10, 14)} transport={port} appcat="unscanned" '
        f"duration={dice.randrange(600)} sentbyte={dice.randrange(10**5)} rcvdbyte={dice.randrange(10**6)} "
        f"sentpkt={dice.randrange(999)} rcvdpkt={dice.randrange(999)} "
        f'srcmac="{_mac(dice)}" mastersrcmac="{_mac(dice)}" srcserver=0 osname="Windows"{who}'
    )


def squid(dice: random.Random, second: int) -> str:
    """Return a Squid line in native format with the client's port."""
    return (
        f"{FIRST + second}.{dice.randrange(1000):03d} {dice.randrange(900):6d} {_inside(dice)} "
        f"{dice.randrange(1024, 65536)} TCP_MISS/200 {dice.randrange(10**5)} GET "
        f"http://www{dice.randrange(200)}.example.org/a/{dice.randrange(10**6)}.css "
        f"user{dice.randrange(400)} HIER_DIRECT/{_outside(dice)} text/css"
    )


def filterlog(dice: random.Random, second: int) -> str:
    """Return a pfSense filterlog line; no parser here knows it, so its cost is that of the syslog header."""
    return (
        f"<134>Nov 23 21:{second // 60 % 60:02d}:{second % 60:02d} pf1 filterlog[92653]: 7,,,1000000102,vtnet0.5,match,"
        f"pass,in,4,0x0,,64,{dice.randrange(65536)},0,DF,6,tcp,60,{_inside(dice)},{_outside(dice)},"
        f"{dice.randrange(65536)},443,0,S,{dice.randrange(10**9)},,64240,,mss"
    )


def netfilter(dice: random.Random, second: int) -> str:
    """Return an nftables line; its cost is that of the syslog header."""
    return (
        f"<4>Nov 23 21:{second // 60 % 60:02d}:{second % 60:02d} gw2 kernel: [{second}.{dice.randrange(10**6):06d}] "
        f"nat: IN=br0 OUT=ppp0 MAC={_mac(dice)}:00:00:5e:00:00:01:08:00 SRC={_inside(dice)} DST={_outside(dice)} "
        f"LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID={dice.randrange(65536)} DF PROTO=TCP "
        f"SPT={dice.randrange(65536)} DPT=443 WINDOW=64240"
    )


def dhcpd(dice: random.Random, second: int) -> str:
    """Return an ISC dhcpd line."""
    return (
        f"<30>Nov 23 21:{second // 60 % 60:02d}:{second % 60:02d} dhcp1 dhcpd[1204]: DHCPACK on {_inside(dice)} to "
        f"{_mac(dice)} (pc-{dice.randrange(400):04d}) via eth1"
    )


def web(dice: random.Random, second: int) -> str:
    """Return an nginx line with the ports of RFC 6302."""
    return (
        f"192.0.2.{dice.randrange(1, 255)} - - [23/Nov/2026:21:{second // 60 % 60:02d}:{second % 60:02d} +0300] "
        f'"GET /duyuru/{dice.randrange(10**5)}?s={dice.randrange(20)} HTTP/1.1" 200 {dice.randrange(10**5)} '
        f'"https://www.example.org/" "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0" '
        f"{dice.randrange(1024, 65536)} 198.51.100.10 443"
    )


def rfc5424(dice: random.Random, second: int) -> str:
    """Return an sshd message under an RFC 5424 header."""
    return (
        f"<86>1 2026-11-23T21:{second // 60 % 60:02d}:{second % 60:02d}.{dice.randrange(10**6):06d}+03:00 "
        f"host{dice.randrange(40):02d}.example.org sshd {dice.randrange(65536)} - - Accepted publickey for "
        f"user{dice.randrange(400)} from {_inside(dice)} port {dice.randrange(65536)} ssh2: ED25519 SHA256:invented"
    )


MAKERS: dict[str, Callable[[random.Random, int], str]] = {
    "fortigate": fortigate, "squid": squid, "filterlog": filterlog, "netfilter": netfilter, "dhcpd": dhcpd, "web": web,
    "rfc5424": rfc5424,
}  # fmt: skip


def stream(records: int, shares: dict[str, int], seed: int = 5651) -> list[tuple[str, bytes]]:
    """Return (format, line) pairs of a seeded stream, 1,000 records to a second."""
    dice = random.Random(seed)
    names = dice.choices(list(shares), list(shares.values()), k=records)
    return [(name, MAKERS[name](dice, at // 1000).encode()) for at, name in enumerate(names)]


def once(parsing: Parsing, messages: list[bytes], block: int) -> float:
    """Return the CPU microseconds for each record."""
    hints = SourceHints("bench", "access")
    begun = time.process_time()
    for at in range(0, len(messages), block):
        part = messages[at : at + block]
        parsing.parse_block(part, [RECEIVED] * len(part), hints, ["udp:192.0.2.7:51022"] * len(part))
    return (time.process_time() - begun) / len(messages) * 1e6


def cost(messages: list[bytes], before: list[bytes], block: int, rounds: int) -> tuple[float, float]:
    """Return the least cost over the rounds, warm and cold."""
    warm = cold = float("inf")
    for _ in range(rounds):
        cold = min(cold, once(Parsing(), messages, block))
        parsing = Parsing()
        once(parsing, before, block)
        warm = min(warm, once(parsing, messages, block))
    return warm, cold


def by_name(records: list[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """Return the lines of a stream by format."""
    found: dict[str, list[bytes]] = {}
    for name, line in records:
        found.setdefault(name, []).append(line)
    return found


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--records", type=int, default=60_000)
    options.add_argument("--block", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    mixed, before = stream(given.records, SHARES), stream(given.records, SHARES, seed=12)
    lines, earlier = by_name(mixed), by_name(before)
    costs = {name: cost(lines[name], earlier[name], given.block, given.rounds) for name in lines}
    whole = cost([line for _, line in mixed], [line for _, line in before], given.block, given.rounds)
    warm, cold = (sum(costs[name][at] * len(lines[name]) for name in lines) / len(mixed) for at in (0, 1))
    print(f"{'stream':12} {'records':>8} {'bytes':>6} {'warm us':>8} {'cold us':>8}")
    mean = sum(len(line) for _, line in mixed) / len(mixed)
    print(f"{'mixed':12} {len(mixed):8} {mean:6.0f} {whole[0]:8.2f} {whole[1]:8.2f}")
    print(f"{'by source':12} {len(mixed):8} {mean:6.0f} {warm:8.2f} {cold:8.2f}")
    for name, found in lines.items():
        size = sum(map(len, found)) / len(found)
        print(f"{name:12} {len(found):8} {size:6.0f} {costs[name][0]:8.2f} {costs[name][1]:8.2f}")


if __name__ == "__main__":
    main()
