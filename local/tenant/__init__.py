"""A simulated Microsoft Graph tenant, as strict as the documents say, for tests, the demo and benchmarks.

What Microsoft says is data, with its source: data/ has properties and types, permissions, what may be filtered how, and
products. In reading order: metadata (the properties), membership (groups and units), cultures, entitlements and people
(names, personas), directory (users as bytes), relations, runs and match (which users a filter matches), odata and rules
(what a filter may say), query and listing (what a list asks, and its pages), faults and spoil, throttle, permissions,
tenant (all of it together), calls and routes (a request taken apart), lists, person, registration and tenantwide (the
answers), batch, graph (requests to answers), server (the socket).
"""

from local.tenant.calls import Answer, Call
from local.tenant.faults import Rule
from local.tenant.graph import answer
from local.tenant.server import serve
from local.tenant.tenant import GROUPS, Tenant, create_user, delete_user, update_user

__all__ = ["GROUPS", "Answer", "Call", "Rule", "Tenant", "answer", "create_user", "delete_user", "serve", "update_user"]
