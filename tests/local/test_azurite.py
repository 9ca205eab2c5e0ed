"""Azurite is started, stopped and found again."""

from pathlib import Path

import pytest
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


def test_without_azurite_the_error_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azurite, "MAIN", tmp_path / "a/b/c/d/main.js")

    with pytest.raises(azurite.AzuriteError, match="make setup"):
        azurite.start(tmp_path)
