"""From the text of a launch file to the nodes it describes, or to its mistakes.

`entries.py` has the model; `compose.py` unfolds groups, copies, includes and arguments. Every
mistake is found in one pass and told with file, line, column and a suggestion. YAML with the place
of every value comes from `graph/parameters/yaml_source.py`. Nothing here starts a process.
"""
