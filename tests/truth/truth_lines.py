"""Lines as the devices write them; the shapes only, every value is invented. `d` is device time in milliseconds."""

from __future__ import annotations

import json
import time
from typing import Any

from truth_world import SECOND, local

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def bsd(d: int) -> str:
    t = local(d)
    return f"{_MONTHS[t.tm_mon - 1]} {t.tm_mday:2d} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"


def iso_seconds(d: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+03:00", local(d))


def iso_ms(d: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local(d))}.{d % SECOND:03d}000+03:00"


def _span(ms: int) -> str:
    s = ms // SECOND
    return f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}"


def colons(mac: str) -> str:
    return mac.lower().replace("-", ":")


def _forti(d: int, logid: str, kind: str, level: str) -> str:
    t = local(d)
    return (
        f"<189>date={time.strftime('%Y-%m-%d', t)} time={time.strftime('%H:%M:%S', t)} "
        f'devname="FW-MERKEZ" devid="FG100TEST0000001" eventtime={d}{d * 7919 % 1000000:06d} tz="+0300" '
        f'logid="{logid}" {kind} level="{level}" vd="root" '
    )


def fortigate_session(d: int, f: dict[str, Any]) -> str:
    """Traffic line: message 13 at the end of a session, 20 in between. `f.duration` in milliseconds."""
    logid, action = ("0000000013", "close") if f["ended"] else ("0000000020", "accept")
    head = _forti(d, logid, 'type="traffic" subtype="forward"', "notice")
    proto = 6 if f["transport"] == "tcp" else 17
    user = f' user="{f["user"]}"' if f.get("user") else ""
    mac = f' srcmac="{colons(f["mac"])}"' if f.get("mac") else ""
    return (
        f'{head}srcip={f["inner_ip"]} srcport={f["inner_port"]} srcintf="lan" '
        f'dstip={f["target_ip"]} dstport={f["target_port"]} dstintf="wan1" sessionid={f["session"]} proto={proto} '
        f'action="{action}" policyid=12 service="HTTPS" trandisp="snat" transip={f["public_ip"]} '
        f"transport={f['public_port']} duration={f['duration'] // SECOND} sentbyte=1188 rcvdbyte=1224{mac}{user}"
    )


def fortigate_fsso(d: int, user: str, ip: str, *, on: bool) -> str:
    logid, verb, words = ("0102043014", "logon", "logged on") if on else ("0102043015", "logoff", "logged off")
    head = _forti(d, logid, 'type="event" subtype="user"', "notice")
    return (
        f'{head}logdesc="FSSO {verb} authentication status" srcip={ip} user="{user}" server="FSSO-DC1" '
        f'action="FSSO-{verb}" msg="FSSO-{verb} event from FSSO-DC1: user {user} {words} {ip}"'
    )


def fortigate_vpn(d: int, f: dict[str, Any]) -> str:
    """SSL-VPN tunnel up, or down (`f.up`)."""
    logid, verb = ("0101039947", "up") if f["up"] else ("0101039948", "down")
    head = _forti(d, logid, 'type="event" subtype="vpn"', "information")
    tail = "" if f["up"] else f" duration={f['duration'] // SECOND} sentbyte=90211 rcvdbyte=1800211"
    why = "tunnel established" if f["up"] else "User requested termination of service"
    said = "established" if f["up"] else "shutdown"
    return (
        f'{head}logdesc="SSL VPN tunnel {verb}" action="tunnel-{verb}" tunneltype="ssl-tunnel" tunnelid={f["tunnel"]} '
        f'remip={f["remote"]} tunnelip={f["ip"]} user="{f["user"]}" group="vpn" dst_host="N/A"{tail} '
        f'reason="{why}" msg="SSL tunnel {said}"'
    )


def dhcpd(d: int, verb: str, ip: str, mac: str, host: str) -> str:
    """ISC dhcpd with the lease's length, as vendor builds write it; the header has whole seconds."""
    head = f"<30>{iso_seconds(d)} dhcp-merkez dhcpd[1204]: "
    if verb == "ACK":
        return f"{head}DHCPACK on {ip} to {colons(mac)} ({host}) via eth1 relay 10.20.30.1 lease-duration 600"
    return f"{head}DHCPRELEASE of {ip} from {colons(mac)} ({host}) via eth1 (found)"


def windows_dhcp(d: int, verb: str, ip: str, mac: str, host: str) -> str:
    number = {"Assign": 10, "Renew": 11, "Release": 12}[verb]
    stamp = time.strftime("%m/%d/%y,%H:%M:%S", local(d))
    return f"{number},{stamp},{verb},{ip},{host}.belediye.example,{mac.replace('-', '')},,{d % 100000000},0,,,,,,,,,0"


def asa(d: int, text: str) -> str:
    t = local(d)
    stamp = f"{_MONTHS[t.tm_mon - 1]} {t.tm_mday:02d} {t.tm_year} {time.strftime('%H:%M:%S', t)}"
    return f"<166>{stamp} asa-kultur : %ASA-6-{text}"


def asa_built(d: int, number: int, f: dict[str, Any]) -> str:
    code = 302013 if f["transport"] == "tcp" else 302015
    target = f"{f['target_ip']}/{f['target_port']}"
    return asa(
        d,
        f"{code}: Built outbound {f['transport'].upper()} connection {number} for outside:{target} ({target}) "
        f"to inside:{f['inner_ip']}/{f['inner_port']} ({f['public_ip']}/{f['public_port']})",
    )


def asa_teardown(d: int, number: int, took: int, f: dict[str, Any]) -> str:
    code, why = (302014, " TCP FINs") if f["transport"] == "tcp" else (302016, "")
    what = f"{f['transport'].upper()} connection {number}"
    return asa(
        d,
        f"{code}: Teardown {what} for outside:{f['target_ip']}/{f['target_port']} "
        f"to inside:{f['inner_ip']}/{f['inner_port']} duration {_span(took)} bytes 5400{why}",
    )


def asa_translation(d: int, f: dict[str, Any], took: int | None) -> str:
    """305011 (`took` None) or 305012."""
    sides = (
        f"dynamic {f['transport'].upper()} translation from inside:{f['inner_ip']}/{f['inner_port']} "
        f"to outside:{f['public_ip']}/{f['public_port']}"
    )
    return asa(d, f"305011: Built {sides}" if took is None else f"305012: Teardown {sides} duration {_span(took)}")


def mikrotik_packet(d: int, state: str, flags: str, f: dict[str, Any]) -> str:
    """One logged packet; the first may come without its NAT part (`state` new)."""
    inside, target = f"{f['inner_ip']}:{f['inner_port']}", f"{f['target_ip']}:{f['target_port']}"
    nat = f", NAT ({inside}->{f['public_ip']}:{f['public_port']})->{target}" if "snat" in state else ""
    proto = f"TCP ({flags})" if f["transport"] == "tcp" else "UDP"
    return (
        f"<134>{iso_seconds(d)} rt-kutuphane firewall,info kayit forward: in:bridge-lan out:ether1-wan, "
        f"connection-state:{state} src-mac {colons(f['mac'])}, proto {proto}, {inside}->{target}{nat}, len 71"
    )


def mikrotik_dhcp(d: int, ip: str, mac: str, host: str, *, assigned: bool) -> str:
    verb = "assigned" if assigned else "deassigned"
    return f"<174>{bsd(d)} hs-kutuphane dhcp,info dhcp-misafir {verb} {ip} for {mac.replace('-', ':')} {host}"


def mikrotik_hotspot(d: int, user: str, ip: str, *, out: str | None) -> str:
    what = "logged in" if out is None else f"logged out: {out}"
    return f"<174>{bsd(d)} hs-kutuphane hotspot,account,info,debug {user} ({ip}): {what}"


def filterlog(d: int, f: dict[str, Any]) -> str:
    """Pass rule on the inside interface: one line when a connection begins, inner addresses only."""
    number, tail = (6, ",0,S,3995901112,,64240,,mss") if f["transport"] == "tcp" else (17, ",40")
    return (
        f"<134>1 {iso_ms(d)} fw-spor.belediye.example filterlog 92653 - - 146,,,1535324496,igb1,match,pass,in,4,0x0,,"
        f"63,32554,0,DF,{number},{f['transport']},60,{f['inner_ip']},{f['target_ip']},{f['inner_port']},"
        f"{f['target_port']}{tail}"
    )


def pfsense_portal(d: int, verb: str, user: str, mac: str, ip: str) -> str:
    return f"<38>{bsd(d)} portal-spor logportalauth[11593]: Zone: misafir - {verb}: {user}, {colons(mac)}, {ip}"


def pfsense_dhcpd(d: int, ip: str, mac: str, host: str) -> str:
    return f"<30>{bsd(d)} portal-spor dhcpd[1204]: DHCPACK on {ip} to {colons(mac)} ({host}) via igb1"


def radius_detail(d: int, f: dict[str, Any]) -> str:
    """One paragraph of FreeRADIUS' detail file, with its empty line."""
    t = local(d)
    user = f["user"].replace("\\", "\\\\")  # the server escapes what it writes between quotes
    lines = [
        f"{time.strftime('%a', t)} {_MONTHS[t.tm_mon - 1]} {t.tm_mday:2d} {time.strftime('%H:%M:%S', t)} {t.tm_year}",
        f'\tAcct-Session-Id = "{f["session"]}"',
        f"\tAcct-Status-Type = {f['status']}",
        f'\tUser-Name = "{user}"',
        f"\tNAS-IP-Address = {f['nas']}",
        f'\tCalling-Station-Id = "{f["mac"]}"',
        '\tCalled-Station-Id = "02-00-5E-00-00-01:belediye"',
        "\tNAS-Port-Type = Wireless-802.11",
    ]
    if f.get("ip"):
        lines.append(f"\tFramed-IP-Address = {f['ip']}")
    if f["status"] != "Start":
        lines.append(f"\tAcct-Session-Time = {f['took'] // SECOND}")
    lines.append(f'\tEvent-Timestamp = "{_MONTHS[t.tm_mon - 1]} {t.tm_mday:2d} {time.strftime("%Y %H:%M:%S", t)} +03"')
    return "\n".join([*lines, f"\tTimestamp = {d // SECOND}", ""])


def windows_security(d: int, event: int, fields: dict[str, str], computer: str = "DC1") -> str:
    """Return a Security event of the domain controller or a PC, as winlogbeat ships it."""
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(d // SECOND))}.{d % SECOND:03d}Z"
    return json.dumps(
        {
            "@timestamp": stamp,
            "agent": {"type": "winlogbeat", "version": "8.0.0"},
            "event": {"code": event, "kind": "event", "outcome": "success"},
            "host": {"name": f"{computer}.belediye.example"},
            "winlog": {
                "channel": "Security",
                "computer_name": f"{computer}.belediye.example",
                "event_data": fields,
                "event_id": event,
                "provider_name": "Microsoft-Windows-Security-Auditing",
                "record_id": d % 10000000,
                "time_created": stamp,
            },
        },
        separators=(",", ":"),
    )


def squid(d: int, f: dict[str, Any]) -> str:
    """Return the documented custom format: client's port, and the proxy's own outgoing address and port."""
    return (
        f"{d // SECOND}.{d % SECOND:03d} {f['took']:6d} {f['inner_ip']} {f['inner_port']} TCP_MISS/200 4512 GET "
        f"http://{f['target_ip']}/ {f['user'] or '-'} HIER_DIRECT/{f['target_ip']} text/html "
        f"{f['own_ip']} {f['own_port']}"
    )
