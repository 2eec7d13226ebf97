"""Where rows come from, and what becomes of them before they reach the lake.

A reader (`csv`, `parquet`, `query`, `interactions`) yields bounded chunks of cells as they are
written in the source; `contract` turns a chunk into typed rows, row ids and faults; `sift` drops
what the lake holds already. Nothing here writes.
"""
