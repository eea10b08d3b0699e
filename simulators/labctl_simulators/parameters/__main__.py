"""Keep the shipped parameter files as composed: `python -m labctl_simulators.parameters`."""

from labctl_simulators.parameters import keep

if __name__ == "__main__":
    keep()
