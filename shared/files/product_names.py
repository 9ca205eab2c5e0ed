"""Names of Microsoft's products by the id of their SKU, from Microsoft's page of product names.

https://learn.microsoft.com/entra/identity/users/licensing-service-plan-reference
The table has common products, from the page (October 2025) or its CSV (January 2026). Products in both have the same
ids and part numbers. The CSV has all products, and can replace this table (EXPORT_LICENSE_NAMES).
"""

import csv
import io
from pathlib import Path

from shared.graph.user_parts import Product

_TABLE = Path(__file__).with_name("product_names.csv")
_NAME, _PART, _ID = "Product_Display_Name", "String_Id", "GUID"


def read_csv(content: bytes) -> dict[str, Product]:
    """The names by SKU id, from Microsoft's CSV, which has a line for each service plan of a product.

    Raises ValueError when it has other columns.
    """
    lines = csv.DictReader(io.StringIO(_text(content), newline=""))
    if not {_NAME, _PART, _ID} <= set(lines.fieldnames or ()):
        raise ValueError(f"a CSV with the columns {_NAME}, {_PART} and {_ID} is expected")
    return {
        line[_ID].strip().lower(): Product((line[_PART] or line[_ID]).strip(), (line[_NAME] or line[_ID]).strip())
        for line in lines
        if (line[_ID] or "").strip()
    }


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # Microsoft has sometimes published it so.


PRODUCTS = read_csv(_TABLE.read_bytes())
