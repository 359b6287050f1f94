"""Kim kullandı?: a public address at a moment, or an inner address, a device, a person over a time.

Asking is a POST that registers question and answer and leads to the question's own address, so a reload asks nothing
again; looking at a past answer is written down too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from some.actor import Permission
from some.app.web import frames, lanes
from some.app.web.who_page import Binding, EvidenceLine, GapLine, OtherQuestion, PackageLine, WhoAnswer, WhoPage
from some.errors import BadInput, UsageFault
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from some.app.web.attribution_port import AskedQuestion
    from some.app.web.call import Call
    from some.app.web.ports import Bundle

FIELDS: Final = (
    "public_ip", "public_port", "protocol", "at", "tolerance", "dst_ip", "dst_port",
    "inner_ip", "mac", "person", "site", "from", "to", "request_no", "purpose",
)  # fmt: skip
_TIMES: Final = ("at", "from", "to")
LAYERS: Final = {
    "nat": marked("NAT session"),
    "lease": marked("Lease"),
    "identity": marked("Identity"),
    "proxy": marked("Proxy"),
    "vpn": marked("VPN"),
}
VERDICTS: Final = {
    "certain": (marked("Certain"), "ok", "check"),
    "candidates": (marked("Candidates"), "warn", "note"),
    "gap": (marked("Gap"), "bad", "broken"),
    "": (marked("Whereabouts"), "plain", "list"),
}
REASONS: Final = {
    "no_session": marked("no connection on this address and port was recorded then"),
    "source_silent": marked("what would tell it was not recorded: the source was silent"),
    "no_public_port": marked("the source does not record the public port; found by destination and time only"),
    "estimated": marked("an end is estimated, not recorded"),
    "no_lease": marked("nobody held this address by lease or register"),
    "lease_unknown": marked("the end of the lease is not known"),
    "no_login": marked("nobody had signed in at this address or device"),
    "logged_out": marked("whoever had signed in there had signed out before"),
    "mac_mismatch": marked("two sources name different devices for this address"),
    "shared_host": marked("several people use this host at once"),
    "host_only": marked("the register knows a host there, and no person"),
    "several_holders": marked("several people at one address at one time"),
    "handed_on": marked("the address changed hands between sign-in and connection"),
    "clock": marked("it happened closer to a change than the clocks can tell"),
    "loop": marked("proxies or translations in a circle, or too deep"),
}
KINDS: Final = {
    "username": marked("user name"),
    "phone": marked("phone"),
    "national_id": marked("national id"),
    "mac": marked("device"),
    "host": marked("registered host"),
}


def page(call: Call, given: Mapping[str, str]) -> WhoPage:
    """Return the form, with the answer of question `soru` where the address names one; raises NotFound."""
    number = given.get("soru", "")
    if not number:
        return _page(call, {name: given.get(name, "") for name in FIELDS})
    return told(call, call.edge.ports.attribution.question(call.visitor.actor, number))


def told(call: Call, asked: AskedQuestion, findings: Sequence[str] | None = None) -> WhoPage:
    """Return the page of one question; `findings` are those of a check of its package, None where none was made."""
    siblings = call.edge.ports.attribution.of_request(call.visitor.actor, asked.request_no) if asked.request_no else ()
    others = [
        OtherQuestion(one.number, _subject(one.question), *_verdict(call, one), href(one.number), one is asked)
        for one in siblings
    ]
    return _page(call, _form(call, asked), _answer(call, asked, findings), others)


def ask(call: Call, form: Mapping[str, str]) -> str | WhoPage:
    """Ask, and return the address of the answer; a mistake in the form is the page again, with its sentence."""
    try:
        question = _question(call, form)
        answer = call.edge.ports.attribution.ask(
            call.visitor.actor, question, form.get("request_no", "").strip(), form.get("purpose", "").strip()
        )
    except (BadInput, UsageFault) as error:
        return _page(call, {name: form.get(name, "") for name in FIELDS}, fault=call.fault(error))
    return href(str(answer["number"]))


def replied(call: Call, number: str) -> Bundle:
    """Write, register and return the package of a question; its request number and purpose are the question's."""
    return call.edge.ports.attribution.make_reply(call.visitor.actor, number)


def package(call: Call, number: str) -> Bundle:
    """Return a package again."""
    return call.edge.ports.attribution.reply(call.visitor.actor, number)


def checked(call: Call, question: str, number: str) -> WhoPage:
    """Check a package against register and archive, and show what was found."""
    findings = call.edge.ports.attribution.check_reply(call.visitor.actor, number)
    return told(call, call.edge.ports.attribution.question(call.visitor.actor, question), findings)


def href(number: str) -> str:
    """Return the address of a question."""
    return f"/kim-kullandi?{urlencode({'soru': number})}"


def _page(
    call: Call,
    form: Mapping[str, str],
    answer: WhoAnswer | None = None,
    others: Sequence[OtherQuestion] = (),
    fault: str = "",
) -> WhoPage:
    return WhoPage(
        frame=frames.framed(call, "Who used it?", "who"),
        form=form,
        fault=fault,
        answer=answer,
        others=others,
        offset=call.display.offset(call.now),
    )


def _question(call: Call, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the question in the shape of `some ask`; times are read as people write them here."""
    given = {name: form.get(name, "").strip() for name in FIELDS if form.get(name, "").strip()}
    question: dict[str, Any] = {
        name: given[name] for name in ("public_ip", "public_port", "protocol", "inner_ip", "mac", "person", "site")
        if name in given
    }  # fmt: skip
    for name in _TIMES:
        if name in given:
            question[name] = call.display.parse(given[name]).isoformat()
    if "tolerance" in given:
        question["tolerance"] = given["tolerance"].replace(",", ".")
    if "dst_ip" in given:
        address = f"[{given['dst_ip']}]" if ":" in given["dst_ip"] and "dst_port" in given else given["dst_ip"]
        question["dst"] = f"{address}:{given['dst_port']}" if "dst_port" in given else address
    if "public_ip" not in given:
        question.pop("protocol", None)
    return question


def _form(call: Call, asked: AskedQuestion) -> dict[str, str]:
    form = dict.fromkeys(FIELDS, "")
    for name, value in asked.question.items():
        form[name] = _typed(call, str(value)) if name in _TIMES else str(value)
    host, _, port = form.pop("dst", "").rpartition(":") if ":" in form.get("dst", "") else (form.pop("dst", ""), "", "")
    form["dst_ip"], form["dst_port"] = host.strip("[]"), port
    return form | {"request_no": asked.request_no, "purpose": asked.purpose}


def _typed(call: Call, text: str) -> str:
    return call.display.local(datetime.fromisoformat(text)).strftime("%d.%m.%Y %H:%M:%S")


def _subject(question: Mapping[str, Any]) -> str:
    if "public_ip" in question:
        return (
            f"{question['public_ip']}:{question['public_port']}" if "public_port" in question else question["public_ip"]
        )
    return str(question.get("inner_ip") or question.get("mac") or question.get("person") or "")


def _verdict(call: Call, asked: AskedQuestion) -> tuple[str, str, str]:
    word, tone, mark = VERDICTS[asked.verdict]
    return call._(word), tone, mark


def _answer(call: Call, asked: AskedQuestion, findings: Sequence[str] | None) -> WhoAnswer:
    answer = asked.answer
    word, tone, mark = _verdict(call, asked)
    return WhoAnswer(
        number=asked.number,
        verdict=word,
        tone=tone,
        mark=mark,
        title=_title(call, asked),
        asked_at=asked.asked_at,
        persons=[_binding(call, one, str(one["person"]), _kind(call, one)) for one in answer.get("persons", [])],
        periods=[_binding(call, one, str(one.get("statement", "")), "") for one in answer.get("periods", [])],
        chart=_chart(call, asked),
        lines=[line for one in answer.get("chain", []) for line in _lines(call, one)],
        gaps=[_gap(call, one) for one in answer.get("gaps", [])],
        notes=[str(one) for one in answer.get("notes", [])],
        clock_error_s=float(answer.get("clock_error_s", 0)),
        packages=[
            PackageLine(one.number, one.made_at, one.whole, f"/kim-kullandi/paket/{one.number}")
            for one in asked.replies
        ],
        findings=findings,
        may_reply=call.may(Permission.RECORDS_EXPORT),
    )


def _title(call: Call, asked: AskedQuestion) -> str:
    """Return the lead sentence: it names the session, not the hand that typed."""
    persons = [str(one["person"]) for one in asked.answer.get("persons", [])]
    if asked.verdict == "certain":
        return call._("In the session of {person}").format(person=persons[0])
    if asked.verdict == "candidates":
        return call._("{n} candidates; the records do not decide").format(n=call.display.number(len(persons)))
    if asked.verdict == "gap":
        layers = dict.fromkeys(str(one["layer"]) for one in asked.answer.get("gaps", []))
        named = ", ".join(call._(LAYERS.get(one, one)) for one in layers)
        return call._("The records cannot answer: {layers} is missing").format(layers=named)
    return call._("{n} periods").format(n=call.display.number(len(asked.answer.get("periods", []))))


def _kind(call: Call, one: Mapping[str, Any]) -> str:
    return call._(KINDS[one["kind"]]) if one["kind"] in KINDS else str(one["kind"])


def _binding(call: Call, one: Mapping[str, Any], name: str, kind: str) -> Binding:
    start, end = _shown(call, one.get("from")), _shown(call, one.get("to"))
    return Binding(name, kind, start, end, list(one.get("evidence", [])))


def _lines(call: Call, one: Mapping[str, Any]) -> list[EvidenceLine]:
    start, end = (_shown(call, one.get(key)) for key in ("from", "to"))
    layer = call._(LAYERS.get(one["layer"], one["layer"]))
    return [
        EvidenceLine(layer, str(one["statement"]), start, end, bool(one.get("estimated")), ref)
        for ref in one.get("evidence", []) or [""]
    ]


def _gap(call: Call, one: Mapping[str, Any]) -> GapLine:
    alive = {
        True: marked("the source was sending at that time"),
        False: marked("the source was silent at that time"),
    }.get(one.get("source_alive") is True, "")
    if one.get("source_alive") is None:
        alive = marked("it is not known whether the source was alive")
    text = call._(REASONS[one["reason"]]) if one["reason"] in REASONS else str(one["reason"])
    named = [*one.get("macs", []), *one.get("hosts", []), *([one["address"]] if one.get("address") else [])]
    text += f" ({', '.join(named)})" if named else ""
    return GapLine(call._(LAYERS.get(one["layer"], one["layer"])), text, str(one.get("source") or ""), call._(alive))


def _shown(call: Call, text: str | None) -> str:
    if not text:
        return "–"
    moment = datetime.fromisoformat(text)
    return f"{call.display.day(moment)} {call.display.milli(moment)}"


def _chart(call: Call, asked: AskedQuestion) -> Any:
    """Return the lanes around the asked moment; nothing for a question about a longer time."""
    if "at" not in asked.question or not asked.answer.get("chain"):
        return ""
    moment = datetime.fromisoformat(str(asked.question["at"]))
    error = float(asked.answer.get("clock_error_s", 0)) + float(asked.question.get("tolerance") or 0)
    window = lanes.Window(moment, timedelta(seconds=max(error, 0.5)), timedelta(seconds=max(90.0, 4 * error)))
    rows = [
        lanes.Lane(
            str(one["layer"]), call._(LAYERS.get(one["layer"], one["layer"])), str(one["statement"]),
            _moment(one.get("from")), _moment(one.get("to")), estimated=bool(one.get("estimated")),
        )
        for one in asked.answer["chain"]
    ]  # fmt: skip
    return lanes.chart(rows, window, call.display, call._("Chain of the answer"))


def _moment(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)
