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
    round       one activity for each lane; ranges that a lane has not read in it remain for the next round
    pass        all rounds over some ranges; renamed users make another one necessary
    execution   one run of an activity; Durable may run the same activity twice
    zombie      an execution that still runs after its export has ended
    staged      what one execution has put into uncommitted blocks, under a prefix of its own
    plan        the ranges of an export, and what tenant and permissions allow
    scope       whose users: the tenant's, deleted ones, the members of a group or of an administrative unit
    sifted      of ranges: the tenant's, of which only members are kept
    saved       a request under a name, perhaps with a schedule; its exports are its runs
    due         of a saved export: a planned time of its schedule is over, and its run has not started yet
    pinned      a blob as it was at one moment (ETag): a comparison reads it as a whole, or fails
    comparison  what has changed between two exports: added, removed and changed users
    partition   of a comparison: some of the users, by a hash of the objectId; each partition is compared by itself
    limit       how many exports a caller may have running
    problem     what is wrong with a request; an error or a warning is what is wrong with an export
"""
