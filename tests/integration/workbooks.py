"""What other programs read in a workbook: rows of cells, the header first."""

import asyncio
import csv
import io
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

CHECK = os.environ.get("XLSX_CHECK")
"""Microsoft's validator and reader (Open XML SDK): the program's path, where there is one."""


async def by_microsoft(path: Path) -> dict[str, list[list[Any]]]:
    """The rows of each sheet as the Open XML SDK reads them; fails when its validator finds anything."""
    command = [str(CHECK), str(path)]
    checked = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[:2000]
    read = await asyncio.to_thread(subprocess.run, [*command, "--rows"], capture_output=True, text=True, check=True)
    sheets: dict[str, list[list[Any]]] = {}
    for line in read.stdout.splitlines():
        sheet, cells = json.loads(line)
        sheets.setdefault(sheet, []).append(cells)
    return sheets


async def by_libreoffice(path: Path, *filters: str) -> list[list[list[str]]]:
    """The rows of each sheet, as LibreOffice shows the cells; `filters`: how it is to read the file."""
    # A sheet each, UTF-8, comma and quotes, cells as shown.
    to = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    out = path.parent / "shown"
    command = ["soffice", f"-env:UserInstallation=file://{path.parent}/office", "--headless", *filters]
    command += ["--convert-to", to, "--outdir", str(out), str(path)]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=120, capture_output=True)
    files = sorted(out.glob("*.csv"), key=lambda file: (len(file.name), file.name))
    return [[*csv.reader(io.StringIO(file.read_bytes().decode(), newline=""))] for file in files]


def is_whole(path: Path) -> bool:
    """Every file of the archive has the size and the CRC that it says."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None and archive.namelist()[0] == "[Content_Types].xml"
