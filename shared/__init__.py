"""The user export: everything that the deployed app needs, apart from its triggers (`function_app.py`).

Packages by role. Imports go downwards only: api, export, then storage, files and ranges, then graph, then settings and
errors.

    api         the HTTP API: the only package that knows HTTP statuses
    export      one export: the orchestrator (`workflow`) and the bodies of its activities (`plan`, `read`, `check`,
                `publish`, `notify`, `clean`)
    storage     Blob Storage: the only importer of azure.storage, and the name of every blob and block
    files       what the files hold, without IO: columns, CSV rows, results
    ranges      how a tenant is split into ranges, without IO
    graph       Microsoft Graph: the only importer of msgraph-sdk, kiota and aiohttp
    page        the "Bulk operation results" page
    settings    every setting, read once
    errors      the one small tree of errors
"""
