"""From the text of a launch file to the nodes that it describes, or to its mistakes."""
