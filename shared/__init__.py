"""The user export: everything that the deployed app needs, apart from its triggers (`function_app.py`).

Packages by role. Imports go downwards only: api, compare, export, then storage, files and ranges, then graph, then
settings and errors.

    api         the HTTP API: the only package that knows HTTP statuses
    compare     one comparison of two exports: its orchestrator, and the bodies of its activities
    export      one export: the orchestrator (`workflow`, `rounds`) and the bodies of its activities (`plan`, `report`,
                `read`, `check`, `publish`, `notify`, `clean`)
    storage     Blob Storage: the only importer of azure.storage, and the name of every blob and block
    files       what the files hold, without IO: columns, CSV rows, results
    ranges      how a tenant is split into ranges, without IO
    graph       Microsoft Graph: the only importer of msgraph-sdk, kiota and aiohttp
    schedules   when an NCRONTAB schedule comes next, without IO
    page        the "Bulk operation results" page
    settings    every setting, read once
    errors      the one small tree of errors

The words of the code, one for each thing:

    range       a part of the tenant that is read as one chain: users created between two times, or named alike
    chain       the pages of one range, one after the other
    lane        ranges that one activity reads, one after the other
    round       one activity for each lane; what a lane has not read then is its remaining ranges, for the next round
    pass        all rounds over some ranges; renamed users make another one necessary
    execution   one run of an activity; Durable may run the same activity twice
    staged      what one execution has put into uncommitted blocks, under a prefix of its own
    plan        the ranges of an export, and what tenant and permissions allow
    scope       whose users: the tenant's, deleted ones, the members of a group or of an administrative unit
    sifted      of ranges: the tenant's, of which only members are kept
    saved       a request under a name, perhaps with a schedule; its exports are its runs
    due         of a saved export: the time that its schedule has planned is over, and nothing has started
    comparison  what has changed between two exports: added, removed and changed users
    partition   of a comparison: the users whose objectIds fall into it; one of many that are compared on their own
    limit       how many exports a caller may have running
    problem     what is wrong with a request; an error or a warning is what is wrong with an export
"""
