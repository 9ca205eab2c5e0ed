"""Whole exports with tenant, faults and redelivered activities drawn at random: complete, or Failed without a file."""

import random
from typing import Any

import pytest

from local.tenant import Tenant
from tests.integration.runner import Connect, Context, run_export
from tests.integration.truth import check_complete

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "throttle", "rate": 0.1},
    {"kind": "throttle", "rate": 0.1, "retry_after": 2},
    {"kind": "status", "status": 500, "rate": 0.1},
    {"kind": "status", "status": 503, "rate": 0.1},
    {"kind": "reset", "rate": 0.05},
    {"kind": "truncate", "rate": 0.05},
    {"kind": "unauthorized", "rate": 0.05},
    {"kind": "expired_token", "rate": 0.05},
    {"kind": "repeat_link", "rate": 0.02},
    {"kind": "foreign_link", "rate": 0.002},
    {"kind": "empty_page", "rate": 0.1},
    {"kind": "duplicate_user", "rate": 0.3},
    {"kind": "ignore_filter", "rate": 0.002},
    {"kind": "count_lag", "rate": 0.5, "share": 0.1},
    {"kind": "wrong_type", "rate": 0.002},
)
outcomes: list[str] = []


SEEDS = [*range(10), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(10, 40))]


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_file_has_each_user_once_or_there_is_none(connected: Connect, seed: int) -> None:
    chance = random.Random(seed)
    tenant = Tenant(
        users=chance.choice([0, 1, 5, 600, 1500, 3000]),
        # Two peoples for all seeds: making one takes longer than its export. The faults are each seed's own.
        seed=seed % 2,
        shape=chance.choice(["normal", "burst", "oneday", "null90", "b2c"]),
        fractions=chance.random() < 0.5,
        batch_text=chance.choice(["number", "base64"]),
        method_errors=chance.choice([0, 0.05]),
    )
    tenant.faults.seed = seed
    for fault in chance.sample(FAULTS, chance.randint(0, 4)):
        tenant.faults.add(**fault)
    settings = {
        "EXPORT_RANGE_USERS": str(chance.choice([50, 300, 1500, 20_000])),
        "EXPORT_PARALLEL": str(chance.choice([1, 4, 32])),
    }
    columns = "documented" if tenant.users < 1500 else "profile"
    async with connected(tenant, **settings) as edges:
        context = Context(edges, {}, twice=chance.choice([0, 0.2]), chance=chance)
        done = await run_export(edges, columns=columns, context=context)
    outcomes.append(done.results["status"])
    if done.results["status"] in {"Completed", "CompletedWithErrors"}:
        check_complete(done.csv, tenant)
        assert (done.results["status"] == "CompletedWithErrors") == bool(done.results["errors"])
    else:
        assert done.results["status"] == "Failed"
        assert done.results["errors"][-1]["reason"]
        assert done.csv is None


def test_most_of_these_exports_succeed() -> None:
    """Otherwise the test above would show little."""
    assert len([each for each in outcomes if each.startswith("Completed")]) >= len(outcomes) / 2
