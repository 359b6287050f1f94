"""Roles and duties, read from `config/roles.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from some import strict_yaml
from some.actor import Permission
from some.errors import SettingsFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from some.strict_yaml import Located, Path, Plain

ALWAYS = frozenset({Permission.SELF_MANAGE})
"""What every account may, whatever its roles."""

LANGUAGES = {"tr", "en"}


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions (a *duty* has none); `label` and `about` map a language to text."""

    name: str
    label: Mapping[str, str]
    about: Mapping[str, str]
    permissions: frozenset[Permission]
    is_duty: bool


@dataclass(frozen=True, slots=True)
class RoleBook:
    """Every role that may be given."""

    roles: Mapping[str, Role]
    apart: tuple[frozenset[str], ...]

    def permissions_of(self, names: Iterable[str]) -> frozenset[Permission]:
        """Return what `names` together permit; a role that the file no longer knows permits nothing."""
        granted = [self.roles[name].permissions for name in names if name in self.roles]
        return ALWAYS.union(*granted)

    def administrator_roles(self) -> frozenset[str]:
        """Return the roles that may manage accounts."""
        return frozenset(role.name for role in self.roles.values() if Permission.ACCOUNTS_MANAGE in role.permissions)

    def known(self, names: Iterable[str]) -> frozenset[str]:
        """Return `names` as a set; raises SettingsFault for one that does not exist."""
        names = frozenset(names)
        missing = sorted(names - self.roles.keys())
        if missing:
            msg = f"no such role: {', '.join(missing)}; expected some of: {', '.join(sorted(self.roles))}"
            raise SettingsFault(msg)
        return names

    def conflicts(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        """Return the groups of roles that one person should not hold together, and `names` do."""
        names = frozenset(names)
        return [tuple(sorted(group)) for group in self.apart if group <= names]


def read_roles(text: str, where: str) -> RoleBook:
    """Return the roles that the YAML `text` of the file `where` holds; raises SettingsFault naming the place."""
    document = strict_yaml.load(text, where)
    tree = _mapping(document, document.value, (), {"roles", "duties", "apart"})
    roles: dict[str, Role] = {}
    for section, is_duty in (("roles", False), ("duties", True)):
        for name, body in _mapping(document, tree.get(section, {}), (section,)).items():
            if name in roles:
                raise document.fault((section, name), "the name is a role already; expected another", at_key=True)
            roles[name] = _role(document, name, body, (section, name), is_duty=is_duty)
    book = RoleBook(roles, _apart(document, tree, roles))
    if not book.administrator_roles():
        expected = f"no role holds {Permission.ACCOUNTS_MANAGE.value}; nobody could manage accounts"
        raise document.fault(("roles",), expected)
    return book


def _apart(document: Located, tree: Mapping[str, Plain], roles: Mapping[str, Role]) -> tuple[frozenset[str], ...]:
    groups = []
    for at, group in enumerate(_texts(document, tree.get("apart", []), ("apart",), depth=1)):
        names = _texts(document, group, ("apart", at))
        for place, name in enumerate(names):
            if name not in roles:
                raise document.fault(("apart", at, place), f"no such role: {name}")
        groups.append(frozenset(str(name) for name in names))
    return tuple(groups)


def _role(document: Located, name: str, body: Plain, path: Path, *, is_duty: bool) -> Role:
    allowed = {"label", "about"} | (set() if is_duty else {"permissions"})
    tree = _mapping(document, body, path, allowed)
    if "label" not in tree:
        raise document.fault(path, "expected a label in tr and en", at_key=True)
    permissions = set()
    for at, text in enumerate(_texts(document, tree.get("permissions", []), (*path, "permissions"))):
        try:
            permissions.add(Permission(str(text)))
        except ValueError as error:
            known = ", ".join(sorted(Permission))
            raise document.fault((*path, "permissions", at), f"no such permission; expected one of: {known}") from error
    label = _mapping(document, tree["label"], (*path, "label"), LANGUAGES)
    about = _mapping(document, tree.get("about", {}), (*path, "about"), LANGUAGES)
    return Role(name, _spoken(label), _spoken(about), frozenset(permissions), is_duty)


def _spoken(texts: Mapping[str, Plain]) -> dict[str, str]:
    return {language: str(text) for language, text in texts.items()}


def _mapping(document: Located, value: Plain, path: Path, allowed: set[str] | None = None) -> dict[str, Plain]:
    if not isinstance(value, dict):
        raise document.fault(path, "expected a mapping")
    for key in value:
        if allowed is not None and key not in allowed:
            raise document.fault(
                (*path, key), f"unknown key; expected one of: {', '.join(sorted(allowed))}", at_key=True
            )
    return value


def _texts(document: Located, value: Plain, path: Path, *, depth: int = 0) -> list[Plain]:
    wanted = list if depth else str
    if not isinstance(value, list) or not all(isinstance(part, wanted) for part in value):
        raise document.fault(path, "expected a list of lists of names" if depth else "expected a list of names")
    return value
