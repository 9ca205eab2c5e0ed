"""The sign-in methods of a persona, as `/authentication/methods` gives them."""

import json
import random

from local.tenant.cultures import Culture

PHONE_IDS = {
    "mobile": "3179e48a-750b-4051-897c-87b9720928f7",
    "alternateMobile": "b6332ec1-7057-4abe-9331-3d72feddfe41",
    "office": "e37fc753-ff3b-4958-9484-eaa9425c82bc",
}
EMAIL_ID = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f"
PASSWORD_ID = "28c10230-6103-485e-b985-444c60001490"  # noqa: S105 - the fixed id of the method, no secret
_PASSWORD = {
    "@odata.type": "#microsoft.graph.passwordAuthenticationMethod",
    "id": PASSWORD_ID,
    "password": None,
    "createdDateTime": None,
}
PASSWORD_ALONE = json.dumps([_PASSWORD])


def methods(rng: random.Random, here: Culture, kind: str) -> list[dict[str, object]]:
    """The `value` of the answer, with the person left out."""
    value: list[dict[str, object]] = [dict(_PASSWORD)]
    numbers = {"mobile": "+31 6%(d4)s%(d4)s", "alternateMobile": "+1 206555%(d4)s", "office": "+1 425555%(d4)sx%(d3)s"}
    for phone, share in (("mobile", 0.6), ("alternateMobile", 0.15), ("office", 0.1)):
        if rng.random() < share:
            state = "ready" if phone == "mobile" else "notSupported"
            own = {"id": PHONE_IDS[phone], "phoneNumber": numbers[phone], "phoneType": phone, "smsSignInState": state}
            value.append({"@odata.type": "#microsoft.graph.phoneAuthenticationMethod", **own})
    if rng.random() < 0.3:
        own = {"id": EMAIL_ID, "emailAddress": "%(sam)s@gmail.example"}
        value.append({"@odata.type": "#microsoft.graph.emailAuthenticationMethod", **own})
    if kind == "cloud":
        own = {"id": "%(id)s", "displayName": f"{here.usage} phone"}
        value.append({"@odata.type": "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod", **own})
    rng.shuffle(value)
    return value
