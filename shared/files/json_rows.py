"""Users to JSON Lines (jsonlines.org): one object for each; its keys are the columns, its values keep Graph's types."""

from collections.abc import Sequence

import msgspec

from shared.files.columns import Column
from shared.graph.users import User

_ENCODER = msgspec.json.Encoder()


def rows(users: Sequence[User], columns: Sequence[Column]) -> bytes:
    """One object per user, each on a line of its own."""
    headers = [column.header for column in columns]
    table = [map(column.value, users) for column in columns]
    return _ENCODER.encode_lines([dict(zip(headers, row, strict=True)) for row in zip(*table, strict=True)])
