"""What the platform's own archive writes, the verifier and the guide accept: two codes, one SPEC."""

from __future__ import annotations

from datetime import timedelta

from archive_kit import NAME, PATIENT_S, TIME, Site, block
from test_bundle import passes, stock

from retention.bundle import export_record, export_seal
from retention.proof import Source
from retention.verify import VerifyOptions, verify
from some.clock import SimulatedClock

__all__ = ["stock"]


def site_of(tmp_path) -> Site:
    return Site(tmp_path / "site", clock=SimulatedClock(TIME))


def codes(site: Site) -> list[str]:
    options = VerifyOptions(site.ledger.folder, NAME, site.clock.now() + timedelta(minutes=1))
    return [finding.code for finding in verify(options).findings]


def test_archive_verifies_after_every_step(tmp_path):
    site = site_of(tmp_path)
    with site.open() as archive:
        assert codes(site) == []
        site.append(archive, *(f"first {number}" for number in range(300)))
        site.append(archive, "second", name="audit")
        assert codes(site) == ["unsealed.records"]
        site.clock.advance(3600)
        archive.seal()
        assert codes(site) == ["stamp.none", "ledger.trial"]
        archive.seal()
        archive.submit(block("third", at=site.clock.now())).result(PATIENT_S)
    assert codes(site) == ["stamp.none", "unsealed.records", "ledger.trial"]
    with site.open() as archive:
        archive.seal()
    assert codes(site) == ["stamp.none", "ledger.trial"]


def test_archive_after_a_crash_verifies(tmp_path):
    """Bytes behind the last whole frame are kept, listed and noted."""
    site = site_of(tmp_path)
    with site.open() as archive:
        appended = site.append(archive, "whole")
        archive.seal()
        site.append(archive, "also whole")
    with site.ledger.segment(appended.first.segment + 1, "access").open("ab") as file:
        file.write(b"\x28\xb5\x2f\xfd torn")
    with site.open() as archive:
        archive.seal()
    found = codes(site)
    assert "segment.torn" in found
    assert "note.torn" in found
    options = VerifyOptions(site.ledger.folder, NAME, site.clock.now())
    assert verify(options).ok


def test_bundles_of_the_archive_pass_by_their_own_guide(tmp_path, stock):
    site = site_of(tmp_path)
    with site.open() as archive:
        appended = site.append(archive, *(f"message {number} ş" for number in range(5000)))
        archive.seal()
        archive.seal()
    source = Source.open(site.ledger.folder, NAME, None, site.clock.now())
    assert passes(export_seal(source, 1, tmp_path / "seal"), stock, tmp_path)
    assert passes(export_record(source, appended.last, tmp_path / "record"), stock, tmp_path)
