"""What the unit tests share."""

import pytest
from hypothesis import settings

from shared.settings import Settings

# Slow machines are no failures.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture(scope="session")
def defaults() -> Settings:
    """The settings of an app on Azure that has Easy Auth, all others as they are by default."""
    return Settings.from_env({"EXPORT_STORAGE": "UseDevelopmentStorage=true", "WEBSITE_AUTH_ENABLED": "True"})
