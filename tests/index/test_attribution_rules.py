"""One case for each sentence of the rules of the answer: tiny worlds, and what must be answered about them."""

from __future__ import annotations

import pytest
from attribution_kit import INNER, M1, M2, PUBLIC, TARGET, Case, gaps, told

from ingest.declared import NatPorts
from some.index.attribution.answer import as_json
from some.index.facts.fact import Layer


def plain() -> Case:
    """Session 09:30-10:00 of a device leased since 09:00, whose user ayse is signed in at the portal 09:05-12:00."""
    case = Case()
    case.session("09:30", "10:00")
    case.lease("09:00", M1, hours=8)
    case.login("09:05", "12:00", "ayse")
    for source in ("fw", "dhcp", "portal"):
        case.speaks(source, "06:00", "18:00")
    return case


class TestVerdict:
    def test_certain_all_connections_were_opened_by_one_individual(self):
        answer = plain().ask("09:45")

        assert told(answer) == ("certain", ["ayse"])
        assert gaps(answer) == []
        assert [one.layer for one in answer.chain] == ["nat", "lease", "identity"]

    def test_idle_time_between_connections_does_not_matter(self):
        case = plain()
        case.session("10:20", "10:30", inner_port=51023)

        assert told(case.ask("10:10", tolerance=900)) == ("certain", ["ayse"])

    def test_the_same_person_through_two_devices_is_still_certain(self):
        case = plain()
        case.session("09:40", "10:00", inner="10.20.0.6", target_ip="203.0.113.81")
        case.login("09:00", "12:00", "AYSE@belediye.example", inner="10.20.0.6", mac=M2)

        answer = case.ask("09:45")

        assert told(answer) == ("certain", ["ayse"])
        assert len(answer.persons) == 1

    def test_several_individuals_are_candidates(self):
        case = plain()
        case.session("09:40", "10:00", inner="10.20.0.6", target_ip="203.0.113.81")
        case.login("09:00", "12:00", "mehmet", inner="10.20.0.6", mac=M2)

        assert told(case.ask("09:45")) == ("candidates", ["ayse", "mehmet"])

    def test_a_destination_leaves_one_of_several(self):
        case = plain()
        case.session("09:40", "10:00", inner="10.20.0.6", target_ip="203.0.113.81")
        case.login("09:00", "12:00", "mehmet", inner="10.20.0.6", mac=M2)

        assert told(case.ask("09:45", target=(TARGET, 443))) == ("certain", ["ayse"])
        assert told(case.ask("09:45", target=("203.0.113.81", None))) == ("certain", ["mehmet"])

    def test_a_second_session_that_nobody_can_name_leaves_candidates_with_a_gap(self):
        case = plain()
        case.session("09:40", "10:00", inner="10.20.0.7", target_ip="203.0.113.81")
        case.lease("09:00", M2, hours=8, inner="10.20.0.7")

        answer = case.ask("09:45")

        assert told(answer) == ("candidates", ["ayse"])
        assert ("identity", "no_login") in gaps(answer)

    @pytest.mark.parametrize(
        "asked",
        [{"port": 40113}, {"transport": "udp"}, {"target": ("203.0.113.99", 443)}, {"target": (TARGET, 80)}],
        ids=["port", "protocol", "destination", "destination port"],
    )
    def test_nobody_used_it(self, asked):
        answer = plain().ask("09:45", **asked)

        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("nat", "no_session")]
        assert answer.gaps[0].source_alive is True
        assert answer.gaps[0].sources == ("fw",)

    def test_nobody_used_it_while_its_source_was_silent(self):
        case = plain()
        case.minutes["fw"] = {}
        case.speaks("fw", "06:00", "10:30")
        case.speaks("fw", "12:00", "18:00")

        answer = case.ask("11:00")

        assert gaps(answer) == [("nat", "source_silent")]
        assert answer.gaps[0].source_alive is False

    def test_one_missing_layer_is_a_gap(self):
        case = plain()
        case.facts = [one for one in case.facts if one.layer is not Layer.IDENTITY]
        case.login("08:00", "08:30", "ayse", inner="10.20.0.99")

        answer = case.ask("09:45")

        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("identity", "no_login")]
        assert answer.gaps[0].macs == (M1,)
        assert answer.gaps[0].sources == ("portal",)
        assert answer.gaps[0].source_alive is True


class TestOwner:
    def test_a_lease_handed_on_under_a_lingering_session_does_not_move_the_session(self):
        case = Case()
        case.session("09:30", "15:00")
        case.lease("09:00", M1, hours=2)
        case.lease("12:00", M2, hours=2)
        case.login("09:05", "11:00", "ayse", inner=None, mac=M1, method="radius")
        case.login("12:05", "16:00", "mehmet", inner=None, mac=M2, method="radius")

        answer = case.ask("14:00")

        assert told(answer) == ("certain", ["ayse"])
        person = as_json(answer)["persons"][0]
        assert (person["from"][11:16], person["to"][11:16]) == ("09:30", "11:00")

    def test_whoever_signed_in_after_the_opening_is_not_the_owner(self):
        case = plain()
        case.facts = [one for one in case.facts if one.layer is not Layer.IDENTITY]
        case.login("09:40", "12:00", "mehmet")

        assert told(case.ask("09:45"))[0] == "gap"


class TestWindow:
    @pytest.mark.parametrize(
        ("asked", "verdict"),
        [("10:00:03", "gap"), ("10:00:02", "certain"), ("09:29:58", "certain"), ("09:29:57", "gap")],
    )
    def test_clock_error_and_rounding_widen_it_and_nothing_else_does(self, asked, verdict):
        case = plain()
        case.source("fw", clock=(_clock(0, 1.5),))

        assert told(case.ask(asked))[0] == verdict  # 1.5 s of clock, 1 s of whole seconds

    def test_the_askers_tolerance_widens_it(self):
        assert told(plain().ask("10:00:10"))[0] == "gap"
        assert told(plain().ask("10:00:10", tolerance=10))[0] == "certain"

    def test_a_fraction_needs_no_second_of_rounding(self):
        case = Case()
        case.session("09:30:00.25", "10:00:00.75")
        case.login("09:05", "12:00", "ayse")

        assert told(case.ask("10:00:01"))[0] == "gap"

    def test_the_clock_error_is_the_largest_of_the_layers_used(self):
        case = plain()
        case.source("dhcp", clock=(_clock(0, 4),))
        case.source("portal", clock=(_clock(1, 2),))

        assert case.ask("09:45").clock_error_s == 4.0

    def test_a_declared_offset_moves_the_device_time(self):
        case = plain()
        case.source("fw", clock=(_clock(3600, 0),))

        assert told(case.ask("09:45"))[0] == "gap"
        assert told(case.ask("08:45"))[0] == "gap"  # 08:30-09:00: before the sign-in

        case.login("08:00", "09:00", "mehmet")
        assert told(case.ask("08:45")) == ("certain", ["mehmet"])


def _clock(offset, error):
    from ingest.declared import ClockPeriod  # noqa: PLC0415

    return ClockPeriod(None, None, offset, error)


class TestPersons:
    def test_a_mac_alone_is_no_person(self):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("09:00", M1, hours=8, host="pc-7")

        answer = case.ask("09:45")

        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("identity", "no_login")]
        assert {one.person for one in answer.devices} == {M1, "pc-7"}
        assert answer.gaps[0].source_alive is None  # nobody ever told of sign-ins there

    def test_a_mac_that_was_let_in_without_a_person_is_no_person(self):
        case = Case()
        case.session("09:30", "10:00")
        case.login("09:00", "12:00", "00:00:5e:00:53:01", method="radius", mac=M1)

        answer = case.ask("09:45")

        assert told(answer) == ("gap", [])
        assert answer.gaps[0].macs == (M1,)

    def test_the_register_makes_a_host_a_person(self):
        case = Case()
        case.session("09:30", "10:00", site="merkez")
        case.host(person="ayse", start="00:00")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_the_register_counts_only_while_its_line_holds(self):
        case = Case()
        case.session("09:30", "10:00", site="merkez")
        case.host(person="ayse", end="09:00")
        case.host(person="mehmet", start="09:00")

        assert told(case.ask("09:45")) == ("certain", ["mehmet"])

    def test_a_registered_host_without_a_person_is_a_gap(self):
        case = Case()
        case.session("09:30", "10:00", site="merkez")
        case.host(host="sunucu-1")

        answer = case.ask("09:45")

        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("identity", "host_only")]
        assert answer.gaps[0].hosts == ("sunucu-1",)

    def test_a_shared_host_gives_candidates(self):
        case = Case()
        case.session("09:30", "10:00", site="merkez", person="mehmet")
        case.host(host="ts-1", multi_user=True)
        case.login("09:00", None, "ayse", method="directory", source="dc", site="merkez")
        case.login("09:10", "12:00", "mehmet", method="directory", source="dc", site="merkez")

        answer = case.ask("09:45")

        assert told(answer) == ("candidates", ["ayse", "mehmet"])
        assert ("identity", "shared_host") in gaps(answer)

    def test_a_shared_host_where_nobody_is_known_is_a_gap(self):
        case = Case()
        case.session("09:30", "10:00", site="merkez")
        case.host(host="kiosk-1", multi_user=True)

        answer = case.ask("09:45")

        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("identity", "shared_host")]

    def test_a_shared_hosts_own_log_names_the_session(self):
        case = Case()
        case.session("09:30", "10:00", site="merkez")
        case.session("09:30", "10:00", site="merkez", source="ts-1", port=None, public_ip=None, person="mehmet")
        case.host(host="ts-1", multi_user=True)
        case.login("09:00", None, "ayse", method="directory", source="dc", site="merkez")

        assert told(case.ask("09:45")) == ("certain", ["mehmet"])

    def test_spellings_of_one_person_are_one(self):
        case = plain()
        case.login("09:00", "12:00", "BELEDIYE\\AYSE", source="radius", method="radius", mac=M1)

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    @pytest.mark.parametrize(
        ("written", "kind", "name"),
        [("0532 000 00 00", "phone", "+905320000000"), ("12345678901", "national_id", "12345678901")],
    )
    def test_kinds_of_names(self, written, kind, name):
        case = Case()
        case.session("09:30", "10:00")
        case.login("09:05", "12:00", written)

        person = case.ask("09:45").persons[0]
        assert (person.kind, person.person) == (kind, name)

    def test_lease_and_firewall_name_different_devices(self):
        case = Case()
        case.session("09:30", "10:00", mac=M2)
        case.lease("09:00", M1, hours=8)
        case.login("09:05", "12:00", "ayse", inner=None, mac=M1, method="radius")

        answer = case.ask("09:45")

        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("identity", "mac_mismatch")]
        assert set(answer.gaps[0].macs) == {M1, M2}

    def test_the_firewalls_device_is_enough_without_a_lease(self):
        case = Case()
        case.session("09:30", "10:00", mac=M2)
        case.login("09:05", "12:00", "ayse", inner=None, mac=M2, method="radius")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_a_silent_lease_source_is_missing_too_unless_the_session_names_the_device(self):
        def case() -> Case:
            made = Case()
            made.lease("08:00", M2, hours=8)
            made.speaks("dhcp", "06:00", "08:30")
            made.speaks("dhcp", "12:00", "14:00")
            made.speaks("portal", "06:00", "18:00")
            return made

        named, nameless = case(), case()
        named.session("09:30", "10:00", mac=M1)
        nameless.session("09:30", "10:00")

        assert gaps(named.ask("09:45")) == [("identity", "no_login")]
        assert gaps(nameless.ask("09:45")) == [("lease", "source_silent"), ("identity", "no_login")]


class TestIdentity:
    @pytest.mark.parametrize("method", ["portal", "radius", "vpn", "firewall"])
    def test_no_lease_is_needed_where_identity_is_bound_to_the_address(self, method):
        case = Case()
        case.session("09:30", "10:00")
        case.login("09:05", "12:00", "ayse", method=method)

        answer = case.ask("09:45")
        assert told(answer) == ("certain", ["ayse"])
        assert answer.chain[-1].layer == ("vpn" if method == "vpn" else "identity")

    def test_the_session_names_its_user(self):
        case = Case()
        case.session("09:30", "10:00", person="BELEDIYE\\Ayse")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    @pytest.mark.parametrize("name", ["PC-0412$", "host/pc-0412"])
    def test_machine_accounts_are_no_persons(self, name):
        case = Case()
        case.session("09:30", "10:00", person=name)
        case.login("09:05", "12:00", name)

        assert told(case.ask("09:45"))[0] == "gap"

    def test_a_directory_logon_is_certain_between_two_sightings(self):
        case = Case()
        case.session("09:30", "10:00")
        case.sign("login", "09:00", "ayse", method="directory", source="dc1")
        case.sign("login", "11:00", "ayse", method="directory", source="dc2")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_a_directory_logon_that_is_never_seen_again_gives_candidates(self):
        case = Case()
        case.session("09:30", "10:00")
        case.sign("login", "09:00", "ayse", method="directory", source="dc")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse"])
        assert gaps(answer) == [("identity", "estimated")]

    def test_somebody_else_in_between_breaks_it(self):
        case = Case()
        case.session("09:30", "10:00")
        case.sign("login", "09:00", "ayse", method="directory", source="dc")
        case.sign("login", "09:20", "mehmet", method="directory", source="dc")
        case.sign("login", "11:00", "ayse", method="directory", source="dc")

        verdict, names = told(case.ask("09:45"))
        assert verdict == "candidates"
        assert "mehmet" in names

    def test_another_device_in_between_breaks_it(self):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("08:55", M1, hours=8)
        case.lease("09:20", M2, hours=8)
        case.lease("10:50", M1, hours=8)
        case.sign("login", "09:00", "ayse", method="directory", source="dc")
        case.sign("login", "11:00", "ayse", method="directory", source="dc")

        answer = case.ask("09:45")
        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("identity", "no_login")]

    def test_a_device_that_roams_to_another_address_keeps_its_sightings(self):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("08:55", M1, hours=8, inner="10.20.0.77")
        case.lease("09:20", M1, hours=8)
        case.sign("login", "09:00", "ayse", method="directory", source="dc", inner="10.20.0.77")
        case.sign("login", "11:00", "ayse", method="directory", source="dc")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_a_silence_between_the_sightings_breaks_it(self):
        case = Case()
        case.session("09:30", "10:00")
        case.sign("login", "09:00", "ayse", method="directory", source="dc")
        case.sign("login", "11:00", "ayse", method="directory", source="dc")
        case.speaks("dc", "06:00", "09:10")
        case.speaks("dc", "10:30", "14:00")

        assert told(case.ask("09:45"))[0] == "candidates"

    def test_two_persons_at_one_address_at_one_time_are_both_shown(self):
        case = plain()
        case.login("09:00", "12:00", "mehmet", source="fw", method="fsso")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse", "mehmet"])

    def test_signed_out_before_the_opening(self):
        case = plain()
        case.facts = [one for one in case.facts if one.layer is not Layer.IDENTITY]
        case.login("09:05", "09:20", "ayse")

        assert gaps(case.ask("09:45")) == [("identity", "logged_out")]

    def test_a_restart_ends_every_login_of_its_device(self):
        from ingest.fact_words import FactWord  # noqa: PLC0415

        case = Case()
        case.session("09:30", "10:00")
        case.login("09:00", None, "ayse", source="radius", method="radius", device="10.20.0.1")
        case.fact(Layer.IDENTITY, FactWord.RESTART, "radius", "09:20", device="10.20.0.1", closes=True)

        assert told(case.ask("09:45"))[0] == "gap"

    def test_a_restart_elsewhere_ends_nothing(self):
        from ingest.fact_words import FactWord  # noqa: PLC0415

        case = Case()
        case.session("09:30", "10:00")
        case.login("09:00", "11:00", "ayse", source="radius", method="radius", device="10.20.0.1")
        case.fact(Layer.IDENTITY, FactWord.RESTART, "radius", "09:20", device="10.20.0.2", closes=True)

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_interim_records_extend_a_login(self):
        case = Case()
        case.session("09:30", "10:00")
        case.sign("login", "09:00", "ayse", method="radius", session="s1", inner=None, mac=M1)
        case.sign("login.seen", "09:50", "ayse", method="radius", session="s1", mac=M1)

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_an_estimated_end_gives_at_most_candidates(self):
        case = Case()
        case.session("09:30", "10:00")
        case.login("09:05", None, "ayse")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse"])
        assert gaps(answer) == [("identity", "estimated")]

    def test_the_next_login_ends_the_open_one(self):
        case = Case()
        case.session("09:30", "10:00")
        case.login("08:00", None, "mehmet")
        case.login("09:05", "12:00", "ayse")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_a_login_whose_address_went_to_another_device_holds_no_longer(self):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("08:00", M1, hours=1)
        case.lease("09:10", M2, hours=8)
        case.login("08:05", None, "ayse")

        answer = case.ask("09:45")
        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("identity", "no_login")]


class TestLease:
    def test_a_lease_ends_when_it_was_promised_to(self):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("08:00", M1, hours=1)
        case.login("08:05", "12:00", "ayse", inner=None, mac=M1, method="radius")
        case.speaks("dhcp", "06:00", "18:00")

        answer = case.ask("09:45")
        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("lease", "no_lease")]
        assert answer.gaps[0].sources == ("dhcp",)
        assert answer.gaps[0].source_alive is True

    def test_a_lease_without_a_promised_end_gives_candidates(self):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("08:00", M1)
        case.login("08:05", "12:00", "ayse", inner=None, mac=M1, method="radius")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse"])
        assert gaps(answer) == [("lease", "lease_unknown")]

    def test_a_renewal_after_the_opening_proves_it(self):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("08:00", M1)
        case.lease("11:00", M1)
        case.login("08:05", "12:00", "ayse", inner=None, mac=M1, method="radius")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    @pytest.mark.parametrize("how", ["released", "handed on"])
    def test_a_lease_ends_at_release_and_at_the_next_grant(self, how):
        case = Case()
        case.session("09:30", "10:00")
        case.lease("08:00", M1, hours=8)
        case.login("08:05", "12:00", "ayse", inner=None, mac=M1, method="radius")
        if how == "released":
            case.release("09:00", M1)
        else:
            case.lease("09:00", M2, hours=8)

        assert told(case.ask("09:45"))[0] == "gap"

    def test_a_silence_breaks_a_lease_last_seen_before_it(self):
        case = Case()
        case.session("11:30", "12:00")
        case.lease("08:00", M1, hours=8)
        case.login("08:05", "12:00", "ayse", inner=None, mac=M1, method="radius")
        case.speaks("dhcp", "06:00", "09:00")
        case.speaks("dhcp", "11:00", "14:00")

        assert told(case.ask("11:45"))[0] == "candidates"

        case.lease("11:10", M1, hours=8)
        assert told(case.ask("11:45")) == ("certain", ["ayse"])

    def test_equal_private_ranges_of_two_sites_are_two_networks(self):
        case = Case()
        case.session("09:30", "10:00", site="merkez")
        case.login("09:05", "12:00", "mehmet", site="sube")
        case.login("09:05", "12:00", "ayse", site="merkez")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])


class TestPorts:
    def test_shared_ports_serve_several_at_once(self):
        case = plain()
        case.point("session.opened", "09:35", inner="10.20.0.6", target_ip="203.0.113.81", session="7")
        case.login("09:00", "12:00", "mehmet", inner="10.20.0.6")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse", "mehmet"])

    def test_exclusive_ports_end_with_the_next_opening(self):
        case = Case()
        case.source("fw", nat_ports=NatPorts.EXCLUSIVE)
        case.point("session.opened", "09:00", inner="10.20.0.6", session="7")
        case.session("09:30", "10:00")
        case.login("08:00", "12:00", "ayse")
        case.login("08:00", "12:00", "mehmet", inner="10.20.0.6")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])
        answer = case.ask("09:15")
        assert told(answer) == ("candidates", ["mehmet"])
        assert ("nat", "estimated") in gaps(answer)

    def test_the_next_translation_ends_the_open_one(self):
        case = Case()
        case.point("translation.opened", "09:00", inner="10.20.0.6")
        case.point("translation.opened", "09:30")
        case.point("translation.closed", "10:00")
        case.login("08:00", "12:00", "ayse")
        case.login("08:00", "12:00", "mehmet", inner="10.20.0.6")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])
        assert told(case.ask("09:15")) == ("candidates", ["mehmet"])
        assert told(case.ask("09:45", target=(TARGET, 443))) == ("certain", ["ayse"])

    def test_a_block_holds_its_ports_for_every_protocol(self):
        case = Case()
        more = {"port": None, "inner_port": None, "transport": None, "port_first": 40000, "port_last": 40255}
        case.point("block.opened", "09:00", **more)
        case.point("block.closed", "11:00", **more)
        case.login("08:00", "12:00", "ayse")

        assert told(case.ask("09:45", port=40100, transport="udp")) == ("certain", ["ayse"])
        assert told(case.ask("09:45", port=40256))[0] == "gap"

    def test_opening_and_closing_records_are_one_connection(self):
        case = Case()
        case.point("session.opened", "09:00", session="77")
        case.point("session.closed", "10:00", session="77", public_ip=None, port=None)
        case.login("08:00", "12:00", "ayse")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])
        assert len(case.ask("09:45").chain[0].evidence) == 2

    def test_an_opening_without_its_closing_is_estimated(self):
        case = Case()
        case.point("session.opened", "09:00", session="77")
        case.login("08:00", "12:00", "ayse")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse"])
        assert gaps(answer) == [("nat", "estimated")]

    def test_a_session_seen_alive_after_the_time_is_proven(self):
        case = Case()
        case.session("09:00", "09:50", word="session.seen", session="77", closes=False)
        case.login("08:00", "12:00", "ayse")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])
        assert told(case.ask("09:55"))[0] == "candidates"

    def test_session_numbers_come_again_after_a_restart(self):
        case = Case()
        case.point("session.opened", "07:00", session="77", inner_port=50000, target_ip="203.0.113.1")
        case.point("session.closed", "07:10", session="77", inner_port=50000, target_ip="203.0.113.1")
        case.point("session.opened", "09:00", session="77")
        case.point("session.closed", "10:00", session="77")
        case.login("06:00", "12:00", "ayse")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])
        assert told(case.ask("08:00"))[0] == "gap"

    def test_two_firewalls_that_tell_one_session_tell_one_connection(self):
        case = plain()
        case.session("09:30", "10:00", source="fw-b")

        answer = case.ask("09:45")
        assert told(answer) == ("certain", ["ayse"])
        assert len([one for one in answer.chain if one.layer == "nat"]) == 1

    def test_a_silence_breaks_that_nobody_else_used_the_port(self):
        case = Case()
        case.session("09:30", "10:00")
        case.login("09:05", "12:00", "ayse")
        case.speaks("fw", "06:00", "09:40")
        case.speaks("fw", "09:55", "14:00")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse"])
        assert ("nat", "source_silent") in gaps(answer)
        assert told(case.ask("09:45", target=(TARGET, 443))) == ("certain", ["ayse"])
        assert told(case.ask("09:45", target=(TARGET, None)))[0] == "candidates"


class TestPortless:
    def sophos(self) -> Case:
        case = Case()
        case.session("09:30", "10:00", port=None)
        case.login("09:05", "12:00", "ayse")
        return case

    def test_a_source_without_public_ports_answers_by_destination_and_time(self):
        answer = self.sophos().ask("09:45", target=(TARGET, 443))

        assert told(answer) == ("certain", ["ayse"])
        assert "no public port" in answer.notes[0].text()

    def test_without_the_destination_it_gives_candidates(self):
        answer = self.sophos().ask("09:45")

        assert told(answer) == ("candidates", ["ayse"])
        assert gaps(answer) == [("nat", "no_public_port")]

    def test_two_individuals_to_one_destination_are_candidates(self):
        case = self.sophos()
        case.session("09:30", "10:00", port=None, inner="10.20.0.6")
        case.login("09:05", "12:00", "mehmet", inner="10.20.0.6")

        assert told(case.ask("09:45", target=(TARGET, 443))) == ("candidates", ["ayse", "mehmet"])

    def test_a_question_without_a_port_says_so(self):
        answer = plain().ask("09:45", port=None)

        assert told(answer) == ("candidates", ["ayse"])
        assert "No port" in answer.notes[0].text()
        assert told(plain().ask("09:45", port=None, target=(TARGET, 443))) == ("certain", ["ayse"])

    def test_a_source_that_tells_public_sides_is_not_asked_for_untranslated_sessions(self):
        case = plain()
        case.session("09:40", "10:00", port=None, public_ip=None, inner="10.20.0.9", target_ip="10.30.0.1")
        case.session("08:40", "08:50", port=40001, inner="10.20.0.9")
        case.login("09:05", "12:00", "mehmet", inner="10.20.0.9")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])
        assert told(case.ask("09:45", port=40999))[0] == "gap"
        assert told(case.ask("09:45", port=None)) == ("candidates", ["ayse"])

    def test_only_the_site_of_the_address_is_meant_by_sessions_without_a_public_side(self):
        case = Case()
        case.site("merkez", PUBLIC)
        case.site("sube", "198.51.100.99")
        for site, name in (("merkez", "ayse"), ("sube", "mehmet")):
            case.session("09:30", "10:00", port=None, public_ip=None, site=site, source=f"pf-{site}")
            case.login("09:05", "12:00", name, site=site)

        assert told(case.ask("09:45", target=(TARGET, 443))) == ("certain", ["ayse"])


class TestChain:
    def proxied(self) -> Case:
        case = Case()
        case.session("09:30", "10:00", inner="10.20.0.200", inner_port=33001)
        case.session(
            "09:30", "09:31", word="session.proxied", source="squid", public_ip="10.20.0.200", port=33001,
            inner=INNER, inner_port=51022,
        )  # fmt: skip
        case.login("09:05", "12:00", "ayse")
        return case

    def test_a_proxy_is_a_translation_too(self):
        answer = self.proxied().ask("09:30:30")

        assert told(answer) == ("certain", ["ayse"])
        assert [one.layer for one in answer.chain] == ["nat", "proxy", "identity"]

    def test_a_proxy_connection_after_its_request_is_open_to_whoever_comes_next(self):
        answer = self.proxied().ask("09:45")

        assert told(answer) == ("candidates", ["ayse"])
        assert gaps(answer) == [("proxy", "estimated")]

    def test_a_proxy_that_names_no_session_is_the_missing_layer(self):
        answer = self.proxied().ask("09:30:30", port=40112)
        assert answer.verdict == "certain"

        case = self.proxied()
        case.session("09:32", "10:00", inner="10.20.0.200", inner_port=33777, port=40222)
        answer = case.ask("09:45", port=40222)

        assert told(answer) == ("gap", [])
        assert gaps(answer) == [("proxy", "no_session")]

    def test_a_proxy_connection_that_two_clients_used_gives_candidates(self):
        case = self.proxied()
        case.session(
            "09:44", "09:46", word="session.proxied", source="squid", public_ip="10.20.0.200", port=33001,
            inner="10.20.0.6",
        )  # fmt: skip
        case.login("09:05", "12:00", "mehmet", inner="10.20.0.6")

        assert told(case.ask("09:45")) == ("candidates", ["ayse", "mehmet"])

    def test_a_vpn_names_whom_it_gave_the_address(self):
        case = Case()
        case.session("09:30", "10:00", inner="10.99.0.7")
        case.login("09:05", "12:00", "ayse", inner="10.99.0.7", method="vpn", source="vpn")

        answer = case.ask("09:45")
        assert told(answer) == ("certain", ["ayse"])
        assert answer.chain[-1].layer == "vpn"

    def test_a_vpn_address_that_nobody_had_is_the_missing_layer(self):
        case = Case()
        case.session("09:30", "10:00", inner="10.99.0.7")
        case.login("07:05", "08:00", "ayse", inner="10.99.0.7", method="vpn", source="vpn")

        assert gaps(case.ask("09:45")) == [("vpn", "logged_out")]

    def test_a_circle_is_cut(self):
        case = Case()
        case.session("09:30", "10:00", inner="10.1.0.1", inner_port=1001)
        case.session("09:30", "10:00", public_ip="10.1.0.1", port=1001, inner="10.1.0.2", inner_port=1002, source="a")
        case.session("09:30", "10:00", public_ip="10.1.0.2", port=1002, inner="10.1.0.1", inner_port=1001, source="b")

        assert gaps(case.ask("09:45")) == [("proxy", "loop")]


class TestClocksInTheAnswer:
    def test_an_unknown_clock_counts_two_minutes_and_the_answer_says_so(self):
        case = Case(clocks=False)
        case.session("09:30", "10:00")
        case.login("09:05", "12:00", "ayse")

        answer = case.ask("09:45")
        assert told(answer) == ("certain", ["ayse"])
        assert answer.clock_error_s == 120
        assert {one.known for one in answer.clocks} == {"unknown"}
        assert any("Nothing is known of the clock" in one.text() for one in answer.notes)

    def test_a_binding_within_two_unknown_clocks_of_the_opening_proves_nothing(self):
        case = Case(clocks=False)
        case.session("09:30", "10:00")
        case.login("09:28", "12:00", "ayse")

        answer = case.ask("09:45")
        assert told(answer) == ("candidates", ["ayse"])
        assert gaps(answer) == [("identity", "clock")]

    def test_one_clock_is_not_off_against_itself(self):
        case = Case(clocks=False)
        case.session("09:30", "10:00")
        case.login("09:28", "12:00", "ayse", source="fw", method="firewall")

        assert told(case.ask("09:45")) == ("certain", ["ayse"])

    def test_a_measured_clock_says_so(self):
        case = Case(clocks=False)
        case.session("09:30", "10:00")
        case.login("09:05", "12:00", "ayse", source="fw", method="firewall")
        case.speaks("fw", "06:00", "18:00", delays={1: 5, 2: 5, 3: 5})

        answer = case.ask("09:45")
        assert answer.clocks[0].known == "measured"
        assert answer.clock_error_s < 2
