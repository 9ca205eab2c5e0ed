"""A simulated Microsoft Graph tenant, as strict as the documents say, for tests, the demo and benchmarks.

In reading order: cultures and people (names, personas), directory (users as bytes), runs and match (which users a
filter matches), odata (what a filter may say), listing (queries and pages), faults, throttle, tenant (all of it
together), calls, resources and graph (requests to answers), server (the socket).
"""

from local.tenant.calls import Answer, Call
from local.tenant.faults import Rule
from local.tenant.graph import answer
from local.tenant.server import serve
from local.tenant.tenant import GROUPS, Tenant, create_user, delete_user, update_user

__all__ = ["GROUPS", "Answer", "Call", "Rule", "Tenant", "answer", "create_user", "delete_user", "serve", "update_user"]
