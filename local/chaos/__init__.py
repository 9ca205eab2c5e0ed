"""`python -m local chaos`: rounds of `kill -9`. Real processes die at random moments of an export, and each export must
end with every user exactly once, or with a clear failure.

    kinds.py     what a round does, drawn from its kind and seed
    rounds.py    the command: all rounds
    play.py      plays a round: the caller, the blows, the evidence
    stage.py     the processes
    engines.py   what runs the orchestrations: the local engine, or Microsoft's extension
    caller.py    the caller of the API
    compared.py  two exports of two states of the tenant, for a comparison
    small_partitions.py  the app that these are played with
    judge.py     what is a violation
    changes.py   the same of a comparison's file
    table.py     the table in benchmarks/chaos.md
"""
