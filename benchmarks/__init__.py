"""Side by side with what a user would pick instead: one table of ratios, measured on one machine.

    python -m benchmarks            measures what is missing in results.json and rewrites README.md
    python -m benchmarks --help     the rest

It needs the project's extra `bench`; `make bench` installs it first.
"""
