"""What the people of the simulated tenant are like: names of many scripts, and personas.

A **persona** is a user with the person left out: a JSON text per Graph property in which `%(given)s`, `%(upn)s`,
`%(created)s`... stand for what is a person's own (see rendering.facts). A tenant of a million users shares 2,048
personas, so that a user costs a few bytes until a page shows it, and a row costs one `%`. Difficult cells (formulas,
quotes, line breaks, empty texts, nulls) are in the personas on purpose: exports get them wrong.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from local.tenant.cultures import CULTURES, Culture
from local.tenant.entitlements import entitlements
from local.tenant.metadata import DATA, PROPERTIES, is_list
from local.tenant.sign_in_methods import methods

PERSONAS = 2048
TENANT = "contoso.onmicrosoft.com"


@dataclass(frozen=True, slots=True)
class Persona:
    """A user with the person left out. `texts`: JSON of each property; `methods`: of the sign-in methods."""

    culture: int
    alias: str
    suffix: str
    texts: dict[str, str]
    methods: str


_WORDS: dict[str, list[str]] = json.loads((DATA / "words.json").read_text())

_SHARES = [culture.share for culture in CULTURES]
_ALIASES = (
    ("{g}.{s}",) * 9
    + ("{G}.{S}",) * 5
    + ("{g1}{s}",) * 4
    + ("{g}",) * 2
    + ("{s}_{g}", "{s}{g1}", "{g}-{s}", "{n}", "{n}")
)
# Legal in a UPN and no letter: a split by first letter without a catch-all loses these people.
_ODD_ALIASES = ("_svc-{g}", "#room.{s}", "~{g}", "'{s}", "-{g}.{s}", "!{g}", "^{s}", "_{n}", "7{g}")
_RAW = ("created", "deleted")
_KINDS = ("cloud", "synced", "guest", "minor", "service")
_ENTITLEMENTS = 40  # different ones for each kind
_NOTHING = {name: "[]" if is_list(name) else "null" for name in PROPERTIES}
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=4)  # tests make many tenants of few seeds, and this is most of the time that a small one takes
def personas(seed: int, b2c: bool = False) -> tuple[Persona, ...]:
    """The `PERSONAS` personas of a tenant, the same for the same seed."""
    rng, more = random.Random(f"personas {seed}"), random.Random(f"entitlements {seed}")
    kinds: dict[str, list[dict[str, str]]] = {}
    for kind in ("local",) if b2c else _KINDS:
        made = (entitlements(more, kind) for _ in range(_ENTITLEMENTS))
        kinds[kind] = [{name: _template(value) for name, value in each.items()} for each in made]
    return tuple(_persona(rng, kinds, more) for _ in range(PERSONAS))


@lru_cache(maxsize=4)
def templates(seed: int, b2c: bool = False) -> dict[Any, list[str | None]]:
    """Of rows of these personas, by what is selected and hidden: rendering.py fills it, and all their tenants share
    it.
    """
    return {}


def _maybe(
    rng: random.Random, values: Sequence[str], null: float = 0.15, empty: float = 0.01, odd: float = 0.03
) -> str | None:
    chance = rng.random()
    if chance < null:
        return None
    if chance < null + empty:
        return ""
    if chance < null + empty + odd:
        return rng.choice(_WORDS["odd"])
    return rng.choice(values)


def _persona(rng: random.Random, kinds: dict[str, list[dict[str, str]]], more: random.Random) -> Persona:
    """`kinds` has the entitlements of each kind of persona. `more` chooses among them, so that `rng` gives the same
    names when entitlements are added.
    """
    culture = rng.choices(range(len(CULTURES)), _SHARES)[0]
    b2c = "local" in kinds
    kind = "local" if b2c else rng.choices(_KINDS, (40, 36, 15, 6, 3))[0]
    here = CULTURES[culture]
    guest, synced = kind == "guest", kind == "synced"
    home = (
        rng.choice(("fabrikam.com", "gmail.com", "outlook.com", "adatum.co.uk", "wingtip-toys.example"))
        if guest
        else here.domain
    )
    alias = rng.choice(_ODD_ALIASES if rng.random() < 0.02 else _ALIASES)
    suffix = f"_{home}#EXT#@{TENANT}" if guest else f"@{home if rng.random() < 0.9 else TENANT}"
    if b2c:
        alias, suffix = "{u}", f"@{TENANT}"
    values = {
        **_names_of(rng, kind, culture, home),
        **_work(rng, here),
        **_account(rng, kind, home, alias),
        "onPremisesSyncEnabled": True if synced else rng.choice((None, None, None, False)),
        "onPremisesSamAccountName": "%(sam)s" if synced else None,
        "onPremisesDomainName": "corp.contoso.com" if synced else None,
        "onPremisesDistinguishedName": "CN=%(surname)s\\, %(given)s,OU=Users,DC=corp,DC=contoso,DC=com"
        if synced
        else None,
        "onPremisesImmutableId": "%(immutable)s==" if synced else None,
        "onPremisesLastSyncDateTime": "2026-%(md)sT04:00:00Z" if synced else None,
    }
    texts = _NOTHING | more.choice(kinds[kind]) | {name: _template(value) for name, value in values.items()}
    return Persona(culture, alias, suffix, texts, _template(methods(rng, here, kind)))


def _template(value: object) -> str:
    text = _ENCODER.encode(value)
    for name in _RAW:  # these bring their own quotes, or are null
        text = text.replace(f'"%({name})s"', f"%({name})s")
    return text


def _names_of(rng: random.Random, kind: str, culture: int, home: str) -> dict[str, object]:
    here = CULTURES[culture]
    eastern = here.usage in ("CN", "JP", "KR", "VN")
    usual = "%(surname)s %(given)s" if eastern else "%(given)s %(surname)s"
    shown = rng.choice(
        (usual,) * 14
        + (
            "%(surname)s, %(given)s",
            '%(given)s "Bob" %(surname)s',
            "%(given)s %(surname)s (Contoso)",
            "%(surname)s %(given)s",
        )
    )
    if rng.random() < 0.03:
        shown = rng.choice(
            (
                "=%(given)s+%(surname)s",
                "+%(given)s",
                "-%(surname)s",
                "@%(given)s %(surname)s",
                "\t%(given)s",
                "%(given)s\n%(surname)s",
            )
        )
    bare = kind == "service"
    mail = {"guest": f"%(alias)s@{home}", "service": None, "local": None}.get(kind, f"%(alias)s@{here.domain}")
    if rng.random() < 0.08:
        mail = None
    others = rng.choice(([], [], ["%(sam)s@gmail.example"], ["%(sam)s@gmail.example", "o'%(sam)s+x@privé.example"]))
    return {
        "id": "%(id)s",
        "userPrincipalName": "%(upn)s",
        "displayName": "Service account %(sam)s" if bare else shown,
        "givenName": None if bare or rng.random() < 0.05 else "%(given)s",
        "surname": None if bare or rng.random() < 0.05 else "%(surname)s",
        "mail": mail,
        "mailNickname": "%(alias)s",
        "otherMails": [mail] if kind == "guest" and mail else others,
        "proxyAddresses": [f"SMTP:{mail}", "smtp:%(sam)s@" + TENANT] if mail and kind != "guest" else [],
        "imAddresses": [mail] if mail and kind == "cloud" else [],
        "createdDateTime": "%(created)s",
        "deletedDateTime": "%(deleted)s",
        "preferredLanguage": rng.choice((None, here.language, here.language)),
        "identities": _identities(rng, kind),
    }


def _identities(rng: random.Random, kind: str) -> list[dict[str, object]]:
    own: dict[str, object] = {"signInType": "userPrincipalName", "issuer": TENANT, "issuerAssignedId": "%(upn)s"}
    if kind == "guest":
        issuer = rng.choice(("ExternalAzureAD", "MicrosoftAccount", "google.com", "mail"))
        return [{"signInType": "federated", "issuer": issuer, "issuerAssignedId": None}, own]
    if kind == "local":
        return [{"signInType": "emailAddress", "issuer": TENANT, "issuerAssignedId": "%(sam)s@gmail.example"}, own]
    return [] if rng.random() < 0.02 else [own]


def _work(rng: random.Random, here: Culture) -> dict[str, object]:
    mobile = rng.choice((None, "+31 6 %(d4)s%(d4)s", "+1 (425) 555-%(d4)s", here.phone, "06-%(d4)s%(d4)s", here.phone))
    desk = rng.choice(([], [here.phone], [here.phone], [here.phone + " ext. %(d3)s"], ["", here.phone]))
    return {
        "jobTitle": _maybe(rng, _WORDS["titles"]),
        "department": _maybe(rng, _WORDS["departments"]),
        "companyName": _maybe(rng, _WORDS["companies"], null=0.4),
        "officeLocation": _maybe(rng, _WORDS["offices"], null=0.4),
        "streetAddress": _maybe(rng, here.streets, null=0.3),
        "city": _maybe(rng, (here.city,), odd=0.005),
        "state": here.state if rng.random() < 0.8 else None,
        "postalCode": _maybe(rng, (here.postal,), odd=0),
        "country": _maybe(rng, (here.country,), odd=0),
        "usageLocation": rng.choice((here.usage, here.usage, None)),
        "mobilePhone": mobile,
        "businessPhones": desk,
        "faxNumber": rng.choice((None, None, None, here.phone)),
        "employeeId": rng.choice(("%(number)s", "%(number)s", "E-00%(d4)s", None)),
        "employeeType": rng.choice(("Employee", "Contractor", "Vendor", None)),
        "employeeHireDate": rng.choice((None, "2019-%(md)sT00:00:00Z")),
    }


def _account(rng: random.Random, kind: str, home: str, alias: str) -> dict[str, object]:
    guest, minor = kind == "guest", kind == "minor"
    group: str | None = None
    consent: str | None = None
    legal: str | None = None
    if minor:
        group, consent = "Minor", rng.choice(("Granted", "Denied", "NotRequired", None))
        known = {"Granted": "MinorWithParentalConsent", "NotRequired": "MinorNoParentalConsentRequired"}
        legal = known.get(consent or "", "MinorWithoutParentalConsent")
    elif rng.random() < 0.1:
        group = legal = rng.choice(("Adult", "NotAdult"))
    return {
        "userType": "Guest" if guest else rng.choices(("Member", None), (97, 3))[0],
        "accountEnabled": rng.random() < 0.88,
        "creationType": {"guest": "Invitation", "local": "LocalAccount"}.get(kind),
        "externalUserState": rng.choice(("Accepted", "Accepted", "PendingAcceptance")) if guest else None,
        "externalUserStateChangeDateTime": "2024-%(md)sT09:30:00Z" if guest else None,
        "ageGroup": group,
        "consentProvidedForMinor": consent,
        "legalAgeGroupClassification": legal,
        "showInAddressList": rng.choice((None, True, False)),
        "passwordPolicies": rng.choice((None, None, "DisablePasswordExpiration")),
        "lastPasswordChangeDateTime": "2025-%(md)sT07:45:00Z",
        "signInSessionsValidFromDateTime": "2025-%(md)sT07:45:00Z",
        "signInActivity": rng.choice(
            (
                None,
                {
                    "lastSignInDateTime": "2026-%(md)sT08:15:00Z",
                    "lastNonInteractiveSignInDateTime": "2026-%(md)sT11:02:37Z",
                    "lastSuccessfulSignInDateTime": "2026-%(md)sT08:15:00Z",
                },
            )
        ),
    }
