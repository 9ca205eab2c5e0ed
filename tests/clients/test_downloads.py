"""The files through their links: in parts, again, by several readers at once, and with the programs that people use."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas
import polars
import pytest

from local.serve import Serving
from tests.conftest import USERS
from tests.waiting import wait

COLUMNS = ["objectId", "userPrincipalName", "displayName", "postalCode"]
KINDS: dict[str, dict[str, Any]] = {
    "csv": {"format": "csv", "excel": False},
    "csv.gz": {"format": "csv", "excel": False, "compress": True},
    "xlsx": {"format": "xlsx"},
    "jsonl": {"format": "jsonl"},
    "jsonl.gz": {"format": "jsonl", "compress": True},
}
Rows = dict[str, tuple[str, ...]]
"""By object id; an empty cell is an empty text."""


@pytest.fixture(scope="module")
def links(serving: Serving) -> dict[str, str]:
    """A link to all users in each format."""
    with httpx.Client(base_url=f"{serving.url}/api") as http:
        started = {
            kind: http.post("exports", json={"columns": COLUMNS, "fileName": kind.replace(".", "-"), **options})
            for kind, options in KINDS.items()
        }

        def ended(url: str) -> Any:
            return wait(lambda: (a := http.get(url)).status_code == 200 and a.json(), f"the end of {url}")

        return {kind: ended(each.headers["Location"])["download"]["file"] for kind, each in started.items()}


@pytest.fixture(scope="module")
def files(links: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    found = {kind: folder / f"users.{kind}" for kind in links}
    for kind, path in found.items():
        path.write_bytes(httpx.get(links[kind]).content)
    return found


@pytest.fixture(scope="module")
def truth(files: dict[str, Path]) -> Rows:
    """What the tenant has, as jsonl has it, where nothing is quoted, guessed or converted."""
    return rows_of(map(json.loads, files["jsonl"].read_text().splitlines()))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture(scope="module")
def whole(links: dict[str, str], http: httpx.Client) -> httpx.Response:
    return http.get(links["csv"])


def rows_of(rows: Any) -> Rows:
    return {row["objectId"]: tuple("" if row[name] is None else str(row[name]) for name in COLUMNS) for row in rows}


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-99", slice(10, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=0-999999999", slice(0, None)),
    ],
)
def test_a_part_can_be_read(
    links: dict[str, str], http: httpx.Client, whole: httpx.Response, asked: str, part: slice
) -> None:
    answer = http.get(links["csv"], headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == whole.content[part]
    assert answer.headers["Content-Range"].endswith(f"/{len(whole.content)}")


def test_a_download_that_broke_off_goes_on_and_only_with_the_same_file(
    links: dict[str, str], http: httpx.Client, whole: httpx.Response
) -> None:
    first = http.get(links["csv"], headers={"Range": "bytes=0-499"})
    rest = {"Range": "bytes=500-", "If-Match": first.headers["ETag"]}
    assert first.content + http.get(links["csv"], headers=rest).content == whole.content
    # Of another file no byte is joined.
    assert http.get(links["csv"], headers={**rest, "If-Match": '"another"'}).status_code == 412


def test_who_has_the_file_gets_it_not_again(links: dict[str, str], http: httpx.Client, whole: httpx.Response) -> None:
    again = http.get(links["csv"], headers={"If-None-Match": whole.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    changed = http.get(links["csv"], headers={"If-None-Match": '"another"'})
    assert (changed.status_code, changed.content) == (200, whole.content)


def test_four_readers_at_once_get_the_parts_of_one_file(links: dict[str, str], whole: httpx.Response) -> None:
    size = len(whole.content)
    bounds = [size * part // 4 for part in range(5)]

    def read(part: int) -> bytes:
        asked = {"Range": f"bytes={bounds[part]}-{bounds[part + 1] - 1}", "If-Match": whole.headers["ETag"]}
        return httpx.get(links["csv"], headers=asked).raise_for_status().content

    with ThreadPoolExecutor(4) as threads:
        assert b"".join(threads.map(read, range(4))) == whole.content


def test_a_compressed_file_arrives_compressed(links: dict[str, str], http: httpx.Client) -> None:
    """No client unpacks it by itself: then its size would differ from the one in the results."""
    answer = http.get(links["csv.gz"])
    assert "Content-Encoding" not in answer.headers
    assert gzip.decompress(answer.content).startswith(b"objectId,")


def by_pandas(file: Path) -> Any:
    match file.name.partition(".")[2]:
        case "csv" | "csv.gz":
            frame = pandas.read_csv(file, dtype=str, keep_default_na=False)
        case "xlsx":
            frame = pandas.read_excel(file, dtype=str, keep_default_na=False)
        case _:
            frame = pandas.read_json(file, lines=True, dtype=False)
            frame = frame.astype(object).where(frame.notna(), None)
    return frame.to_dict("records")


def by_polars(file: Path) -> Any:
    match file.name.partition(".")[2]:
        case "csv" | "csv.gz":
            frame = polars.read_csv(file, infer_schema=False)
        case "xlsx":
            frame = polars.read_excel(file, engine="openpyxl", infer_schema_length=0)
        case _:
            frame = polars.read_ndjson(file)
    return frame.to_dicts()


def by_duckdb(file: Path) -> Any:
    kind = file.name.partition(".")[2]
    with duckdb.connect() as db:
        if kind == "xlsx":
            _load_excel(db)
            read = f"read_xlsx('{file}', all_varchar=true)"
        elif kind.startswith("csv"):
            read = f"read_csv('{file}', all_varchar=true)"
        else:
            read = f"read_json('{file}')"
        found = db.sql(f"SELECT * FROM {read}")  # noqa: S608 - our own names
        return [dict(zip(found.columns, map(_text, row), strict=True)) for row in found.fetchall()]


def _text(value: Any) -> Any:
    return value if value is None else str(value)


def _load_excel(db: duckdb.DuckDBPyConnection) -> None:
    extension = pytest.importorskip("duckdb_extension_excel", reason="NOT TESTED: DuckDB's extension excel is missing.")
    folder = Path(extension.__file__).parent
    (file,) = folder.rglob("excel.duckdb_extension*")
    if f"v{duckdb.__version__}" not in str(file) and duckdb.__version__ not in str(file):
        pytest.skip("NOT TESTED: DuckDB's extension excel is of another version.")
    db.load_extension(str(file))


def by_libreoffice(file: Path) -> Any:
    if not shutil.which("soffice"):
        pytest.skip("NOT TESTED: LibreOffice is not installed: `make programs`.")
    folder = file.parent / f"libreoffice-{file.name}"
    # Comma, quote, UTF-8, and every cell as it is shown.
    to = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    # All columns are text, as the wizard offers: else a zero in front is lost.
    text = ["--infilter=CSV:44,34,76,1,1/2/2/2/3/2/4/2"] if file.suffix == ".csv" else []
    command = ["soffice", profile, "--headless", *text, "--convert-to", to, "--outdir", str(folder), str(file)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    (made,) = folder.glob("*.csv")
    return pandas.read_csv(made, dtype=str, keep_default_na=False).to_dict("records")


READERS: dict[Callable[[Path], Any], tuple[str, ...]] = {
    by_pandas: (*KINDS,),
    by_polars: (*KINDS,),
    by_duckdb: (*KINDS,),
    by_libreoffice: ("csv", "xlsx"),
}


@pytest.mark.parametrize(
    ("read", "kind"),
    [pytest.param(read, kind, id=f"{read.__name__}-{kind}") for read, kinds in READERS.items() for kind in kinds],
)
def test_every_user_is_read_as_the_tenant_has_them(
    files: dict[str, Path], truth: Rows, read: Callable[[Path], Any], kind: str
) -> None:
    assert len(truth) == USERS
    assert rows_of(read(files[kind])) == truth
