"""Which log is written: where, under what name, signed by whom, and on what disk?"""

from collections.abc import Sequence
from dataclasses import field

from gateway.audit.disk import Disk
from gateway.audit.marks import Marks
from gateway.audit.note import Checkpoint, SigningKey, VerifierKey, signed
from gateway.audit.opening import Unfit, read_whole
from gateway.audit.places import Places
from gateway.audit.tree import Tree
from gateway.domain.value import value


@value
class Log:
    """A folder of journals. ``name`` begins the origin of every checkpoint; all of ``keys`` sign each of them.

    ``also`` are public keys of those that signed earlier, and sign no more.
    """

    places: Places
    name: str
    keys: Sequence[SigningKey]
    disk: Disk = field(default_factory=Disk)
    marks: Marks = field(default_factory=Marks)
    also: Sequence[VerifierKey] = ()

    @property
    def trusted(self) -> tuple[VerifierKey, ...]:
        """The public halves of the keys, and those of earlier ones."""
        return (*[key.verifier for key in self.keys], *self.also)

    def mark(self, of: str) -> Checkpoint | None:
        """How far an epoch, or ``registry``, had come when this gateway last signed it; raises as ``Marks.of`` does."""
        return self.marks.of(of, self.origin(of), self.trusted)

    def origin(self, of: str) -> str:
        """The origin of an epoch, or of ``registry``."""
        return f"{self.name}/{of}"

    def checkpoint(self, of: str, tree: Tree) -> tuple[Checkpoint, bytes]:
        """The checkpoint of a tree, and the signed note that says so."""
        found = Checkpoint(origin=self.origin(of), size=tree.size, root=tree.root)
        return found, signed(found.text, self.keys)

    def publish_keys(self) -> None:
        """Lay the public keys beside the journals, for whoever has no better copy; under the registry's lock.

        Raises:
            OSError: they cannot be written.
        """
        text = "".join([f"{key}\n" for key in self.trusted]).encode()
        path = self.places.public_key
        try:
            there = read_whole(path)
        except (FileNotFoundError, Unfit):
            there = b""
        if there != text:
            self.disk.publish(path, text)
