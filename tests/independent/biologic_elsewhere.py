"""Drive a Bio-Logic channel by easy-biologic in a process of its own, and print what it reads as JSON.

easy-biologic loads EClib by `ctypes.WinDLL` and asks whether it runs on Windows: here it gets the shared library that it is given.
"""

import asyncio
import ctypes
import json
import platform
import sys
import types
from pathlib import Path

library, address, folder = sys.argv[1:]


class Loaded:
    """A library in which a name that it has not is a function that fails when it is called."""

    def __init__(self, _path):
        self._library = ctypes.CDLL(library)

    def __getitem__(self, name):
        try:
            return self._library[name]
        except AttributeError:
            return missing(name)


def missing(name):
    def fails(*_words):
        raise NotImplementedError(name)

    fails.__name__ = name
    return fails


platform.system = lambda: "Windows"
ctypes.WinDLL = Loaded
sys.modules["pkg_resources"] = types.SimpleNamespace(resource_filename=lambda _package, name: str(Path(folder) / name))
(Path(folder) / "techniques_version.json").write_text('{"version": "1"}')

from easy_biologic import BiologicDevice  # noqa: E402 - it looks for Windows and for its library as it is imported
from easy_biologic.lib import data_parser, ec_lib, technique_fields  # noqa: E402

OCV = {"Rest_time_T": 3.0, "Record_every_dE": 0.01, "Record_every_dT": 0.5}
CP = {
    "Current_step": [1e-3], "vs_initial": [False], "Duration_step": [5.0], "Step_number": 0, "Record_every_dT": 0.5,
    "Record_every_dE": 1.0, "N_Cycles": 0, "I_Range": 7,
}  # fmt: skip


async def run(device, technique, parameters, kinds):
    device.load_techniques(0, [technique], [parameters], [kinds])
    device.start_channel(0)
    modern = ec_lib.is_in_SP300_family(device.kind)
    fields, rows = data_parser.SP300_Fields if modern else data_parser.VMP3_Fields, []
    while True:
        segment = await device.get_data(0)
        told = (
            data_parser.parse(segment.data, segment.info, getattr(fields, technique.upper()))
            if segment.info.NbRows
            else []
        )
        for row in told:
            time = data_parser.calculate_time(row.t_high, row.t_low, segment.info, segment.values)
            rows.append({"time": time, **row._asdict()})
        if segment.values.State == 0 and not told:
            return rows


def main():
    device = BiologicDevice(address, populate_info=False)
    device.connect()
    told = {"kind": device.kind.name, "channels": [bool(one) for one in device.plugged]}
    told["ocv"] = asyncio.run(run(device, "ocv", OCV, technique_fields.OCV))
    told["cp"] = asyncio.run(run(device, "cp", CP, technique_fields.CP))
    told["values"] = device.get_values(0).Ewe
    device.disconnect()
    print(json.dumps(told))


main()
