"""A simulated Microsoft Graph tenant, as strict as the documents say, for tests, the demo and benchmarks.

What Microsoft says is data, with its source: data/ has properties and types, permissions, what may be filtered how, and
products; and made-up names and words. In reading order:

    metadata, membership                    the properties of a user; groups and units
    cultures, entitlements, sign_in_methods, people
                                            names and personas
    directory, populate, rendering          users as bytes, made by a tenant's shape, and as JSON
    relations                               managers and sponsors
    odata_reader, odata, odata_parser       filters as text, as a tree, and from one to the other
    rules, runs, match                      what a filter may ask, and which users it matches
    page_tokens, query, listing             what a list asks, and its pages
    faults, spoil, throttle, permissions    what goes wrong, and what is refused
    tenant                                  all of it together
    calls, routes                           a request taken apart
    domains, lists, delta, person, registration, tenantwide, batch
                                            the answers
    graph, server                           from requests to answers; the socket
"""

from local.tenant.calls import Answer, Call
from local.tenant.faults import Rule
from local.tenant.graph import answer
from local.tenant.server import serve
from local.tenant.tenant import GROUPS, Tenant, create_user, delete_user, update_user

__all__ = ["GROUPS", "Answer", "Call", "Rule", "Tenant", "answer", "create_user", "delete_user", "serve", "update_user"]
