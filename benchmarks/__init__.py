"""What the export costs, measured beside other ways to do the same, in one run on one simulated tenant.

processes.py   a program as a process of its own: time, CPU, peak memory; and the same of a running process
tenant.py      the simulated tenant alone
truth.py       is every user in a CSV exactly once?
export.py      one export through the HTTP API, from the POST to the downloaded CSV
peers/         other ways to the same file, each a program of its own
limits/        what no export can be quicker than, each a program of its own
parts/         what is measured: each gives a Section
figures.py     medians, spreads, ratios, exponents
report.py      the sections as Markdown and JSON; charts.py draws two of them
"""
