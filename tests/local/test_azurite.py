"""Azurite is started, stopped and found again."""

from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient

from local import azurite


def test_blobs_are_still_there_after_a_restart_on_the_same_port(tmp_path: Path) -> None:
    with (
        azurite.running(tmp_path) as first,
        BlobServiceClient.from_connection_string(first.connection_string) as client,
    ):
        client.create_container("exports").upload_blob("a.csv", b"one,two")
    with (
        azurite.running(tmp_path, first.port) as second,
        BlobServiceClient.from_connection_string(first.connection_string) as client,
    ):
        assert second.port == first.port
        assert client.get_blob_client("exports", "a.csv").download_blob().readall() == b"one,two"


def test_what_azurite_has_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    with (
        azurite.running(tmp_path) as first,
        BlobServiceClient.from_connection_string(first.connection_string) as client,
    ):
        container = client.create_container("exports")
        for number in range(20):
            container.upload_blob(f"{number}", b"one,two")
        first.process.kill()
        first.process.wait()
    with (
        azurite.running(tmp_path, first.port) as second,
        BlobServiceClient.from_connection_string(second.connection_string) as client,
    ):
        container = client.get_container_client("exports")
        assert {container.download_blob(f"{number}").readall() for number in range(20)} == {b"one,two"}


class _Identity:
    """Any unsigned token will do: Azurite's basic check looks at issuer, audience and times."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        import time

        import jwt

        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "nbf": now - 60,
            "iat": now - 60,
            "exp": now + 600,
        }
        return AccessToken(jwt.encode(claims, "x" * 32, "HS256"), now + 600)


def test_over_https_an_identity_is_enough(tmp_path: Path) -> None:
    with (
        azurite.running(tmp_path, secure=True) as service,
        BlobServiceClient(
            service.endpoint, credential=_Identity(), connection_verify=str(service.certificate)
        ) as client,
    ):
        client.create_container("exports")
        assert [each.name for each in client.list_containers()] == ["exports"]


def test_without_azurite_the_error_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azurite, "MAIN", tmp_path / "a/b/c/d/main.js")

    with pytest.raises(azurite.AzuriteError, match="make setup"):
        azurite.start(tmp_path)
