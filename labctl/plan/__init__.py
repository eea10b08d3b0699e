"""Protocol + cell + capabilities -> Plan: numbers in SI, loops kept as loops, everything that a run needs, stored whole."""
