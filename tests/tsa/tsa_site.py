"""A ledger with committed seals and what stamps them, for the tests of the queue."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tsa_forge import NOW, World

from retention.checkpoint import Checkpoint
from retention.tsa.request import StampRequest
from retention.tsa.stamping import Stamper
from retention.tsa.token import Expected, check_reply
from retention.tsa.trust import Trust
from some.clock import SimulatedClock
from some.digest import sha256
from some.durable import Disk
from some.errors import Unavailable

if TYPE_CHECKING:
    from retention.layout import Ledger


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Site:
    """A ledger with committed seals, and what stamps them."""

    ledger: Ledger
    world: World
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(NOW))
    disk: Disk = field(default_factory=Disk)

    def commit(self, count):
        """Put manifests there and the head upon them."""
        for seal in range(1, count + 1):
            path = self.ledger.manifest(seal)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# evidence-manifest v1\n# seal {seal}\n")
        root = hashlib.sha256(b"root").digest()
        self.ledger.head.write_text(Checkpoint(self.ledger.name, count, root).to_text())
        return self

    def stamper(self, *authorities, **options):
        """Return a new stamper, as a new process would have it."""
        trust = Trust(self.world.anchors)
        lock = self.ledger.folder.parent / "run" / "stamp.lock"
        options = {"clock": self.clock, "disk": self.disk, "lock": lock, **options}
        return Stamper(self.ledger, [(one, trust) for one in authorities], **options)

    def local(self, **twists):
        """Return an authority in this process, on the site's clock."""
        forge = self.world.forge(**twists)
        forge.clock = self.clock
        return Local(forge.reply)

    def check(self):
        """Re-derive from bytes: every token is a token of its manifest and request, and is announced to the sealer."""
        stamped = []
        for path in sorted(self.ledger.seals.rglob("*.tsr")):
            seal = int(path.stem.removeprefix("seal-"))
            request = StampRequest.parse(self.ledger.request(seal).read_bytes())
            digest = sha256(self.ledger.manifest(seal).read_bytes())
            assert request.digest == digest
            check_reply(path.read_bytes(), Expected(digest, request.nonce), self.world.anchors, at=self.clock.now())
            stamped.append(seal)
        return stamped

    def markers(self):
        """Return the names in `arrived`, hidden ones too."""
        return sorted(path.name for path in self.ledger.arrived.iterdir()) if self.ledger.arrived.exists() else []

    def bad(self):
        """Return the refused replies that were kept."""
        return sorted(path.name for path in self.ledger.seals.rglob("*.bad-*"))


class Local:
    """An authority without a network; remembers what it was asked."""

    name = "local"

    def __init__(self, answer):
        """Answer with `answer(request)`."""
        self.answer = answer
        self.asked = []

    def ask(self, request):
        """Remember and answer."""
        self.asked.append(request)
        return self.answer(request)

    def credit(self):
        """Say nothing."""
        return

    @property
    def nonces(self):
        """Return the set of (imprint, nonce) that were asked."""
        return {(str(one.digest), one.nonce) for one in map(StampRequest.parse, self.asked)}


def down():
    def answer(request):
        raise Unavailable("tsa.example.org: no connection")

    return Local(answer)
