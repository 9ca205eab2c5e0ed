"""The user export: everything the deployed app needs beside its triggers.

In reading order:

    settings    what can be configured, read once
    errors      the one small tree of errors
    access      who may export: the Easy Auth principal and its roles
    filters     a caller's OData filter: its syntax, and how it is joined with ours
    request     what a caller may ask for
    users       a user as Microsoft Graph sends it
    columns     the one table of columns and the named sets
    keys        users' ids in little memory
    ranges      which parts a tenant is split into, and which users a range keeps
    splitting   finding even ranges by counting, without IO: time in slices
    counting, merging, beginnings       its parts: what is asked; slices to ranges; splitting by name
    wire        what carries requests below msgraph-sdk: aiohttp
    transport   edge: one request to Microsoft Graph through msgraph-sdk, and the one retry policy
    graph, batches              chains of pages; many questions in one request
    authentication, selection   the columns and the users that are read one by one
    csvblocks   users to CSV bytes
    blobs       edge: Blob Storage
    blockwriter bytes to staged blocks
    results     the results file
    records     the request of an export, and how its blobs are named
    queries     what is asked of Graph for a range
    plan, export, publish       the activities' bodies, joining the two edges
    notify      the activity that tells the caller's callback
    renames     the activity that finds who was renamed meanwhile
    workflow    the orchestrator: plan, then export in lanes side by side, then publish
    operations, running, listing, removal       what a person sees: show, cancel; list; delete
    starting, load              taking a POST once, and how many exports a caller may have running
    api         the HTTP API over them, without Azure Functions

Nothing here knows Azure Functions: that is `function_app.py` alone.
"""
