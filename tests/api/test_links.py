"""Links to the files: for one of them, to read, for a while, over https; signed by a key or by an identity."""

import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import httpx
import jwt
import pytest
from azure.storage.blob.aio import BlobServiceClient

from local import azurite
from local.serve import Serving
from shared.storage import blobs, connection, sas
from shared.storage.connection import Storage
from tests.edges import FreshTokens, settings_for

NAME, OTHER = "1/Ünïcode-用户.csv", "1/other.csv"
FILE_NAME = "Ünïcode-用户; x.csv"
CONTENT = b"userPrincipalName\r\nann@contoso.com\r\n"


@dataclass(frozen=True, slots=True)
class Linked:
    """A storage with two files, an HTTP client that trusts it, and a link to the first of them."""

    storage: Storage
    http: httpx.AsyncClient
    link: str

    @property
    def query(self) -> dict[str, str]:
        return {name: value[0] for name, value in parse_qs(urlsplit(self.link).query).items()}


def identity() -> FreshTokens:
    """An unsigned sign-in: Azurite looks at issuer, audience and times only."""
    now = int(datetime.now(UTC).timestamp())
    claims: dict[str, Any] = {"aud": "https://storage.azure.com", "nbf": now - 60, "iat": now - 60, "exp": now + 600}
    claims |= {"oid": "11059fcc-5514-4800-b5f8-49808b9cfab6", "tid": "ab1f708d-50f6-404c-a006-d71b2ac7a606"}
    claims |= {"iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/"}
    return FreshTokens(jwt.encode(claims, "x" * 32, "HS256"))


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Azurite]:
    with azurite.running(Path(tmp_path_factory.mktemp("secure")), secure=True) as running:
        yield running


@asynccontextmanager
async def linked_by(storage: Storage, trust: ssl.SSLContext | bool) -> AsyncIterator[Linked]:
    async with storage.service, httpx.AsyncClient(verify=trust) as http:
        await blobs.write(storage, NAME, CONTENT)
        await blobs.write(storage, OTHER, CONTENT)
        now = datetime.now(UTC)
        yield Linked(storage, http, await sas.link(storage, NAME, FILE_NAME, now, now + timedelta(minutes=60)))


@pytest.fixture(params=["account key", "identity"])
async def linked(request: pytest.FixtureRequest, serving: Serving, secure: azurite.Azurite) -> AsyncIterator[Linked]:
    """Once signed with the account's key (http), once with a user delegation key (https)."""
    if request.param == "account key":
        async with linked_by(connection.connect(settings_for(serving.storage), None), True) as found:
            yield found
        return
    # As `connection.connect` makes it, but with trust in a certificate that nobody else knows.
    trusted = str(secure.certificate)
    service = BlobServiceClient(secure.endpoint, credential=identity(), connection_verify=trusted, retry_total=0)
    storage = Storage(service, service.get_container_client("exports"), by_identity=True)
    async with linked_by(storage, ssl.create_default_context(cafile=trusted)) as found:
        yield found


async def test_it_gives_the_file_under_its_own_name_whatever_its_letters(linked: Linked) -> None:
    answer = await linked.http.get(linked.link)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; ")
    assert unquote(disposition.partition("filename*=UTF-8''")[2]) == FILE_NAME
    assert re.search(r'filename="([ -~]*)"', disposition)


async def test_it_says_read_this_blob_from_some_minutes_ago_until_it_expires(linked: Linked) -> None:
    found = linked.query
    assert (found["sp"], found["sr"]) == ("r", "b")
    start, end = (datetime.fromisoformat(found[name]) for name in ("st", "se"))
    assert end - start == timedelta(minutes=75)
    assert timedelta(minutes=-16) < start - datetime.now(UTC) < timedelta(minutes=-14)
    assert ("skoid" in found) == linked.storage.by_identity


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_nothing_can_be_changed_with_it(linked: Linked, method: str) -> None:
    answer = await linked.http.request(method, linked.link, headers={"x-ms-blob-type": "BlockBlob"}, content=b"")
    assert answer.status_code in {400, 403, 405}
    assert (await linked.http.get(linked.link)).content == CONTENT


async def test_no_other_blob_can_be_read_or_listed_with_it(linked: Linked) -> None:
    query = urlsplit(linked.link).query
    container = linked.storage.container.url
    for url in (f"{container}/{OTHER}?{query}", f"{container}?restype=container&comp=list&{query}"):
        assert (await linked.http.get(url)).status_code == 403


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("se", "2099-01-01T00%3A00%3A00Z"),
        ("st", "2020-01-01T00%3A00%3A00Z"),
        ("sp", "rw"),
        ("sr", "c"),
        ("spr", "http"),
        ("rscd", "inline"),
        ("sig", "AAAA"),
        ("sig", ""),
    ],
)
async def test_a_link_that_was_changed_is_refused(linked: Linked, name: str, value: str) -> None:
    changed = re.sub(rf"(?<=[?&]){name}=[^&]*", f"{name}={value}", linked.link)
    assert changed != linked.link
    assert (await linked.http.get(changed)).status_code == 403


async def test_after_its_time_it_opens_nothing(linked: Linked) -> None:
    now = datetime.now(UTC)
    old = await sas.link(linked.storage, NAME, FILE_NAME, now - timedelta(hours=2), now - timedelta(hours=1))
    assert (await linked.http.get(old)).status_code == 403


async def test_a_file_name_does_not_get_out_of_its_quotes(linked: Linked) -> None:
    now = datetime.now(UTC)
    link = await sas.link(linked.storage, NAME, 'a"; filename="b; x=\'.csv', now, now + timedelta(minutes=5))
    disposition = (await linked.http.get(link)).headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename=\"a_; filename=_b; x='.csv\"; filename*=UTF-8''a%22%3B")


@pytest.mark.parametrize("minutes", [1, 60, 7 * 24 * 60])
async def test_every_time_that_the_setting_allows_can_be_signed(linked: Linked, minutes: int) -> None:
    now = datetime.now(UTC)
    link = await sas.link(linked.storage, NAME, FILE_NAME, now, now + timedelta(minutes=minutes))
    assert (await linked.http.get(link)).status_code == 200


async def test_the_storages_log_can_tell_whose_link_it_was(linked: Linked) -> None:
    """A link that the account's key has signed can not have a correlation id.

    Azurite refuses one that has: it leaves the id (scid) out of the text that it checks the signature of, where Azure
    documents it. So only the other is followed here.
    https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#version-2020-12-06-and-later
    """
    now, correlation = datetime.now(UTC), str(uuid4())
    expires = now + timedelta(minutes=5)
    link = await sas.link(linked.storage, NAME, FILE_NAME, now, expires, correlation_id=correlation)
    expected = [correlation] if linked.storage.by_identity else None
    assert parse_qs(urlsplit(link).query).get("scid") == expected
    if not expected:
        assert (await linked.http.get(link)).status_code == 200


@pytest.mark.parametrize(("ip_range", "status"), [("127.0.0.1", 200), ("", 200), ("203.0.113.0-203.0.113.9", None)])
async def test_it_can_be_bound_to_addresses(linked: Linked, ip_range: str, status: int | None) -> None:
    """The emulator does not look at the address; the link says it, and it is signed."""
    now = datetime.now(UTC)
    link = await sas.link(linked.storage, NAME, FILE_NAME, now, now + timedelta(minutes=5), ip_range=ip_range)
    assert parse_qs(urlsplit(link).query).get("sip") == ([ip_range] if ip_range else None)
    if status:
        assert (await linked.http.get(link)).status_code == status
    changed = re.sub(r"sip=[^&]*", "sip=0.0.0.0-255.255.255.255", link)
    if ip_range:
        assert (await linked.http.get(changed)).status_code == 403


@pytest.mark.parametrize(
    ("host", "protocol"), [("127.0.0.1:1", "https,http"), ("a.blob.core.windows.net", "https"), ("10.0.0.1", "https")]
)
async def test_only_on_loopback_it_may_go_over_plain_http(host: str, protocol: str) -> None:
    settings = settings_for(
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={azurite.KEY};BlobEndpoint=https://{host}/;"
    )
    storage = connection.connect(settings, None)
    async with storage.service:
        link = await sas.link(storage, NAME, FILE_NAME, datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1))
    assert parse_qs(urlsplit(link).query)["spr"] == [protocol]
