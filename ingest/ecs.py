"""The field registry: every field a document may hold, its type and its name on screen.

Everything else derives from it: the schema of the index, the types of the query language, the Elasticsearch mapping,
the headings of tables. Names follow the Elastic Common Schema 9; what ECS lacks stands under `some.`.

Values of a *flat* document, by kind: keyword and text str, long int (64 bit), double float, boolean bool, ip the
canonical text of the address (RFC 5952; an IPv4-mapped address as IPv4), date int microseconds since 1970 UTC.
Where `many` is set the value is a list of them. A field that is absent is not in the document, or None in a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ECS_VERSION = "9.0.0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = 1000
_MICROSECOND = timedelta(microseconds=1)


class FieldKind(StrEnum):
    """Types of fields, named as Elasticsearch names them."""

    KEYWORD = "keyword"
    TEXT = "text"
    LONG = "long"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    IP = "ip"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its dotted name, its kind, its names on screen, and whether it holds a list."""

    name: str
    kind: FieldKind
    label_tr: str
    label_en: str
    many: bool = False


_K, _T, _L, _B, _I, _D = (
    FieldKind.KEYWORD,
    FieldKind.TEXT,
    FieldKind.LONG,
    FieldKind.BOOLEAN,
    FieldKind.IP,
    FieldKind.DATE,
)

FIELDS: tuple[Field, ...] = (
    Field("@timestamp", _D, "Olay zamanı", "Time"),
    Field("message", _T, "İleti", "Message"),
    Field("error.message", _T, "Ayrıştırma hatası", "Parse error"),
    # what happened
    Field("event.action", _K, "Eylem", "Action"),
    Field("event.category", _K, "Olay kategorisi", "Event category", many=True),
    Field("event.code", _K, "Olay kodu", "Event code"),
    Field("event.duration", _L, "Süre (ns)", "Duration (ns)"),
    Field("event.end", _D, "Bitiş zamanı", "End"),
    Field("event.hash", _K, "Özet", "Digest"),
    Field("event.id", _K, "Olay kimliği", "Event id"),
    Field("event.kind", _K, "Olay türü", "Event kind"),
    Field("event.module", _K, "Biçim", "Format"),
    Field("event.original", _T, "Özgün kayıt", "Original record"),
    Field("event.outcome", _K, "Sonuç", "Outcome"),
    Field("event.provider", _K, "Olay sağlayıcısı", "Event provider"),
    Field("event.reason", _K, "Neden", "Reason"),
    Field("event.start", _D, "Başlangıç zamanı", "Start"),
    Field("event.type", _K, "Olay tipi", "Event type", many=True),
    # who spoke to whom
    Field("source.address", _K, "Kaynak adı veya adresi", "Source address"),
    Field("source.bytes", _L, "Gönderilen bayt", "Source bytes"),
    Field("source.domain", _K, "Kaynak makine adı", "Source host name"),
    Field("source.ip", _I, "Kaynak IP", "Source IP"),
    Field("source.mac", _K, "Kaynak MAC", "Source MAC"),
    Field("source.nat.ip", _I, "Kaynak NAT IP (genel adres)", "Source NAT IP (public address)"),
    Field("source.nat.port", _L, "Kaynak NAT portu (genel port)", "Source NAT port (public port)"),
    Field("source.port", _L, "Kaynak port", "Source port"),
    Field("source.user.name", _K, "Kaynak kullanıcı", "Source user"),
    Field("destination.address", _K, "Hedef adı veya adresi", "Destination address"),
    Field("destination.bytes", _L, "Alınan bayt", "Destination bytes"),
    Field("destination.domain", _K, "Hedef makine adı", "Destination host name"),
    Field("destination.ip", _I, "Hedef IP", "Destination IP"),
    Field("destination.mac", _K, "Hedef MAC", "Destination MAC"),
    Field("destination.nat.ip", _I, "Hedef NAT IP", "Destination NAT IP"),
    Field("destination.nat.port", _L, "Hedef NAT portu", "Destination NAT port"),
    Field("destination.port", _L, "Hedef port", "Destination port"),
    Field("client.ip", _I, "İstemci IP", "Client IP"),
    Field("client.mac", _K, "İstemci MAC", "Client MAC"),
    Field("client.port", _L, "İstemci port", "Client port"),
    Field("server.ip", _I, "Sunucu IP", "Server IP"),
    Field("server.port", _L, "Sunucu port", "Server port"),
    Field("network.application", _K, "Uygulama", "Application"),
    Field("network.bytes", _L, "Toplam bayt", "Total bytes"),
    Field("network.direction", _K, "Yön", "Direction"),
    Field("network.forwarded_ip", _I, "Vekil arkasındaki IP (beyan)", "Forwarded IP (claimed)"),
    Field("network.iana_number", _K, "Protokol numarası", "Protocol number"),
    Field("network.name", _K, "Ağ adı", "Network name"),
    Field("network.protocol", _K, "Uygulama protokolü", "Application protocol"),
    Field("network.transport", _K, "Taşıma protokolü", "Transport protocol"),
    # names and pages
    Field("dns.question.class", _K, "DNS sınıfı", "DNS class"),
    Field("dns.question.name", _K, "Sorgulanan alan adı", "DNS question"),
    Field("dns.question.type", _K, "DNS kayıt tipi", "DNS record type"),
    Field("dns.resolved_ip", _I, "Çözülen IP", "Resolved IP", many=True),
    Field("http.request.method", _K, "HTTP yöntemi", "HTTP method"),
    Field("http.request.referrer", _K, "Yönlendiren sayfa", "Referrer"),
    Field("http.response.body.bytes", _L, "Yanıt gövdesi (bayt)", "Response body (bytes)"),
    Field("http.response.mime_type", _K, "İçerik tipi", "Content type"),
    Field("http.response.status_code", _L, "HTTP durum kodu", "HTTP status"),
    Field("http.version", _K, "HTTP sürümü", "HTTP version"),
    Field("url.domain", _K, "Site", "Site"),
    Field("url.original", _K, "İstenen sayfa", "Requested page"),
    Field("url.path", _K, "Sayfa yolu", "Path"),
    Field("url.port", _L, "Site portu", "Site port"),
    Field("url.query", _K, "Sorgu dizesi", "Query string"),
    Field("url.scheme", _K, "URL şeması", "URL scheme"),
    Field("user_agent.original", _K, "Tarayıcı bilgisi", "User agent"),
    # who saw it
    Field("host.hostname", _K, "Makine adı", "Host name"),
    Field("log.level", _K, "Önem düzeyi", "Log level"),
    Field("log.syslog.appname", _K, "Syslog uygulaması", "Syslog application"),
    Field("log.syslog.facility.code", _L, "Syslog tesisi", "Syslog facility"),
    Field("log.syslog.hostname", _K, "Syslog makine adı", "Syslog host name"),
    Field("log.syslog.msgid", _K, "Syslog ileti tipi", "Syslog message type"),
    Field("log.syslog.priority", _L, "Syslog önceliği", "Syslog priority"),
    Field("log.syslog.procid", _K, "Syslog süreç no", "Syslog process id"),
    Field("log.syslog.severity.code", _L, "Syslog önemi", "Syslog severity"),
    Field("log.syslog.structured_data", _K, "Syslog yapısal veri", "Syslog structured data"),
    Field("observer.egress.interface.name", _K, "Çıkış arayüzü", "Egress interface"),
    Field("observer.hostname", _K, "Gözlemleyen makine", "Observer host name"),
    Field("observer.ingress.interface.name", _K, "Giriş arayüzü", "Ingress interface"),
    Field("observer.ip", _I, "Cihaz IP", "Device IP"),
    Field("observer.mac", _K, "Cihaz MAC", "Device MAC"),
    Field("observer.name", _K, "Cihaz adı", "Device name"),
    Field("observer.product", _K, "Ürün", "Product"),
    Field("observer.serial_number", _K, "Cihaz seri no", "Device serial number"),
    Field("observer.type", _K, "Cihaz tipi", "Device type"),
    Field("observer.vendor", _K, "Üretici", "Vendor"),
    Field("process.name", _K, "Süreç adı", "Process name"),
    Field("process.pid", _L, "Süreç no", "Process id"),
    Field("rule.category", _K, "Kural kategorisi", "Rule category"),
    Field("rule.id", _K, "Kural no", "Rule id"),
    Field("rule.name", _K, "Kural adı", "Rule name"),
    Field("user.id", _K, "Kullanıcı kimliği", "User id"),
    Field("user.domain", _K, "Kullanıcı etki alanı", "User domain"),
    Field("user.name", _K, "Kullanıcı adı", "User name"),
    # ours
    Field("some.ref", _K, "Kayıt başvurusu", "Record reference"),
    Field("some.class", _K, "Kayıt sınıfı", "Record class"),
    Field("some.source", _K, "Kayıt kaynağı", "Record source"),
    Field("some.origin", _K, "Geliş yolu", "Origin"),
    Field("some.received_at", _D, "Alınma zamanı", "Received at"),
    Field("some.text", _T, "Arama metni", "Search text"),
    Field("some.encoding", _K, "Karakter kodlaması", "Character encoding"),
    Field("some.claimed_received_at", _D, "Beyan edilen alınma zamanı", "Claimed reception time"),
    Field("some.dropped", _L, "Kaybolan kayıt sayısı", "Records lost"),
    Field("some.assigned.ip", _I, "Verilen IP (VPN)", "Assigned IP (VPN)"),
    Field("some.delay", _L, "Alınma gecikmesi (ms)", "Delay of reception (ms)"),
    Field("some.fact", _K, "Dönem bilgisi", "Interval fact"),
    Field("some.lease.duration", _L, "Kira süresi (sn)", "Lease duration (s)"),
    Field("some.lease.relay", _K, "DHCP aktarıcısı", "DHCP relay"),
    Field("some.login.method", _K, "Kimlik doğrulama yolu", "Login method"),
    Field("some.login.type", _K, "Oturum açma tipi", "Logon type"),
    Field("some.nat.port_first", _L, "Port bloğu başı", "First port of block"),
    Field("some.nat.port_last", _L, "Port bloğu sonu", "Last port of block"),
    Field("some.session.id", _K, "Oturum no", "Session id"),
    Field("some.site", _K, "Yerleşke", "Site"),
    Field("some.unverified_user", _K, "Doğrulanmamış kullanıcı", "Unverified user"),
    Field("some.vdom", _K, "Sanal alan (VDOM)", "Virtual domain"),
)

FIELD: Mapping[str, Field] = MappingProxyType({field.name: field for field in FIELDS})
DATES: frozenset[str] = frozenset(field.name for field in FIELDS if field.kind is FieldKind.DATE)


def date_text(microseconds: int) -> str:
    """Return RFC 3339 UTC: three digits of a second where milliseconds say it exactly, else six.

    `2026-11-23T18:35:43.120Z`, `2026-11-23T18:35:43.123456Z`. Raises OverflowError outside the years 1 to 9999.
    """
    text = (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    text = text.rjust(26, "0")
    return f"{text[:-3]}Z" if microseconds % _MILLISECOND == 0 else f"{text}Z"


def date_microseconds(text: str) -> int:
    """Return the microseconds that `date_text` wrote (any RFC 3339 time with a zone); raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no zone in time {text!r}")
    return (moment - _EPOCH) // _MICROSECOND


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested document of `flat`: dots become objects, dates RFC 3339 text, None is left out."""
    document: dict[str, Any] = {}
    for name, value in flat.items():
        if value is None:
            continue
        *path, leaf = name.split(".")
        place = document
        for step in path:
            place = place.setdefault(step, {})
        place[leaf] = date_text(value) if name in DATES else value
    return document


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat document that `nest` was given; raises ValueError for a date that is none."""
    flat: dict[str, Any] = {}
    _flatten(nested, "", flat)
    return flat


def _flatten(nested: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    for key, value in nested.items():
        name = prefix + key
        if isinstance(value, dict):
            _flatten(value, f"{name}.", flat)
        else:
            flat[name] = date_microseconds(value) if name in DATES else value
