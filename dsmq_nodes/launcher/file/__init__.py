"""From the text of a launch file to the nodes in it, or to its mistakes.

`entries.py` has the model; `compose.py` unfolds groups, copies, includes and arguments. Every
mistake is found in one pass and reported with file, line, column and a suggestion. YAML with the
place of every value comes from `graph/parameters/yaml_source.py`. Nothing here starts a process.
"""
