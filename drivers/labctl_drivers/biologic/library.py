"""EClib by ctypes: structures, functions and error codes.

Facts: the vendor's header as republished (structures packed by 4) and the user's guide of the EC-Lab Development Package 6.11,
as quoted by public clients. Every call blocks; the library serialises them itself. Nothing of the vendor's is shipped: the station
file says where the library lies.
"""

import ctypes
import sys
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_double, c_float, c_int32, c_uint8, c_uint32, sizeof
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labctl.errors import InstrumentError, SettingRefused, Unreachable, WireError

WORDS: Final = 1000  # of one answer of BL_GetData
KERNEL: Final = 5  # firmware that the library talks to
FIRMWARE: Final = {
    0: "none",
    1: "EC-Lab's own",
    4: "an unknown one",
    5: "the library's",
    8: "an invalid one",
    10: "ecal",
}
LOST: Final = frozenset({-1, -2, -200, -201, -202, -203, -204, -205, -206})
REFUSED: Final = frozenset({-3, -4, -9, -13, -14, -15, *range(-309, -299), *range(-405, -399)})
ERRORS: Final = {
    -1: "not connected", -2: "a connection is in progress", -3: "no board in that channel", -4: "invalid parameters",
    -5: "a file is missing", -6: "the function failed", -7: "no channel", -8: "invalid configuration",
    -9: "EC-Lab's firmware is loaded in the channel: close EC-Lab, then load the library's (`load_firmware: true`)",
    -10: "the library is not loaded", -12: "a function is in progress", -13: "the channel runs already",
    -14: "the device is not allowed", -200: "communication failed", -201: "no connection", -202: "busy",
    -203: "invalid address", -207: "too many connections", -308: "no firmware is loaded: `load_firmware: true` loads it",
    -309: "the firmware does not fit the board", -400: "the technique's file is missing beside the library",
    -401: "the technique does not fit the firmware: power-cycle the instrument after EC-Lab, then load the firmware",
    -402: "the technique's file is corrupted", -403: "the technique cannot be loaded", -405: "the channel's memory is full",
}  # fmt: skip
MODERN: Final = frozenset({12, 16, 20, 21, 27, 32})  # VMP-300 family: VMP-300, SP-300, VSP-300, SP-200, SP-240, BP-300
NAMES: Final = {5: "VMP3", 6: "VSP", 12: "VMP-300", 13: "SP-50", 14: "SP-150", 16: "SP-300", 20: "VSP-300", 21: "SP-200",
                27: "SP-240", 32: "BP-300", 33: "VMP-3e", 34: "VSP-3e", 35: "SP-50e", 36: "SP-150e"}  # fmt: skip


class PackedStructure(Structure):
    """A structure of the library's header, packed by 4."""

    _layout_ = "ms"
    _pack_ = 4


def integers(names: str) -> list[tuple[str, type[c_int32]]]:
    """Return fields of 32-bit integers."""
    return [(name, c_int32) for name in names.split()]


class DeviceInfos(PackedStructure):
    """What BL_Connect says of the instrument."""

    _fields_ = integers("code ram cpu channels slots firmware year month day display connected")


class ChannelInfos(PackedStructure):
    """What a channel is."""

    _fields_ = integers(
        "channel board_version serial firmware firmware_version xilinx amp amps lcboard zboard res1 res2 memory filled "
        "state max_range min_range max_bandwidth techniques"
    )


class CurrentValues(PackedStructure):
    """What a channel measures and does now."""

    _fields_ = [
        ("state", c_int32), ("filled", c_int32), ("timebase", c_float), ("ewe", c_float), ("ewe_min", c_float),
        ("ewe_max", c_float), ("ece", c_float), ("ece_min", c_float), ("ece_max", c_float), ("e_overflow", c_int32),
        ("current", c_float), ("range", c_int32), ("i_overflow", c_int32), ("elapsed", c_float), ("frequency", c_float),
        ("compensation", c_float), ("saturation", c_int32), ("option_error", c_int32), ("option_place", c_int32),
    ]  # fmt: skip


class DataInfos(PackedStructure):
    """What the words of BL_GetData are."""

    _fields_ = [
        *integers("skipped rows columns technique identity process loop"),
        ("start", c_double),
        ("pad", c_int32),
    ]


class EccParam(PackedStructure):
    """One parameter of a technique."""

    _fields_ = [("label", c_char * 64), ("type", c_int32), ("value", c_int32), ("index", c_int32)]


class EccParams(PackedStructure):
    """The parameters of a technique, passed by value."""

    _fields_ = [("count", c_int32), ("list", POINTER(EccParam))]


SIZES: Final = {DeviceInfos: 44, ChannelInfos: 76, CurrentValues: 76, DataInfos: 40, EccParam: 76, EccParams: 12}
"""Bytes of the header's structures on a 64-bit machine."""
OFFSETS: Final = ((DataInfos, "start", 28), (EccParams, "list", 4))


def see_sizes() -> None:
    """Compare what ctypes makes of the structures with the header: another packing reads rubbish without an error.

    Raises:
        InstrumentError: One of them differs.
    """
    for kind, size in SIZES.items():
        if sizeof(kind) != size:
            raise InstrumentError(f"EClib: wanted {kind.__name__} of {size} bytes, found {sizeof(kind)}", safe=True)
    for kind, name, offset in OFFSETS:
        if getattr(kind, name).offset != offset:
            raise InstrumentError(
                f"EClib: wanted {kind.__name__}.{name} at byte {offset}, found {getattr(kind, name).offset}", safe=True
            )


@dataclass(frozen=True, slots=True)
class EccValue:
    """A parameter of a technique: its type in the library is that of the value (bool, int or float)."""

    label: str
    value: float | bool
    index: int = 0


@dataclass(frozen=True, slots=True)
class DataBlock:
    """Rows of one layout as the library gives them.

    Attributes:
        technique: Index of the technique in the list that runs.
        process: Of a spectrum: 0 rows, 1 points.
        columns: Words of a row.
        start: When the technique began, s after the channel did.
        timebase: s of one tick.
        words: Row after row.
        skipped: Rows were lost before these, since the channel's memory was full.
        overload: A voltage or current was beyond its range.
    """

    technique: int
    process: int
    columns: int
    start: float
    timebase: float
    words: NDArray[np.uint32]
    skipped: bool = False
    overload: bool = False


def load(path: str) -> Any:
    """Load the library: by the Windows convention there, by C's elsewhere.

    Raises:
        Unreachable: It is not there, or is for another machine.
    """
    see_sizes()
    loader = getattr(ctypes, "WinDLL", ctypes.CDLL) if sys.platform == "win32" else ctypes.CDLL
    try:
        return loader(path)
    except OSError as error:
        raise Unreachable(f"{path}: wanted EClib, found {error}", safe=True) from error


class EcLibrary:
    """The functions of one connection; all of them block."""

    def __init__(self, path: str) -> None:
        """Load the library at a path.

        Raises:
            Unreachable: It cannot be loaded.
        """
        self._library = load(path)
        self._library.BL_LoadTechnique.argtypes = [
            c_int32, c_uint8, c_char_p, EccParams, c_uint8, c_uint8, c_uint8,
        ]  # fmt: skip
        self._library.BL_DefineSglParameter.argtypes = [c_char_p, c_float, c_int32, POINTER(EccParam)]
        self._id: int | None = None

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection."""
        return self._id is not None

    def connect(self, address: str, timeout: int) -> DeviceInfos:
        """Connect to an instrument; `timeout` in s."""
        self.disconnect()
        number, infos = c_int32(), DeviceInfos()
        self._see(
            self._library.BL_Connect(address.encode(), c_uint8(timeout), byref(number), byref(infos)),
            f"reach {address}",
        )
        self._id = number.value
        return infos

    def disconnect(self) -> None:
        """Let go of the connection; channels go on."""
        if self._id is not None:
            self._library.BL_Disconnect(c_int32(self._id))
            self._id = None

    def infos(self, channel: int) -> ChannelInfos:
        """Return what a channel is."""
        infos = ChannelInfos()
        self._call("BL_GetChannelInfos", channel, byref(infos))
        return infos

    def values(self, channel: int) -> CurrentValues:
        """Return what a channel does."""
        values = CurrentValues()
        self._call("BL_GetCurrentValues", channel, byref(values))
        return values

    def load_firmware(self, channel: int, binary: str, xlx: str) -> None:
        """Put the library's own firmware into a channel; what EC-Lab had there is evicted.

        The array has a flag for each channel from the first on, 1 for one that is selected (the library's C header).
        """
        length = channel + 1
        selected, results = (c_uint8 * length)(), (c_int32 * length)()
        selected[channel] = 1
        number, files = c_int32(self._known()), (binary.encode() or None, xlx.encode() or None)
        code = self._library.BL_LoadFirmware(number, selected, results, c_uint8(length), c_uint8(0), c_uint8(1), *files)
        self._see(code or results[channel], f"load the firmware of channel {channel}")

    def load_techniques(self, channel: int, techniques: Sequence[tuple[str, Sequence[EccValue]]]) -> None:
        """Put techniques, (file, parameters), into a channel in place of all that it had."""
        for place, (file, parameters) in enumerate(techniques):
            ends = c_uint8(place == 0), c_uint8(place == len(techniques) - 1)
            self._load(channel, file, parameters, ends)

    def _load(self, channel: int, file: str, parameters: Sequence[EccValue], ends: tuple[c_uint8, c_uint8]) -> None:
        array = (EccParam * len(parameters))()
        for place, parameter in enumerate(parameters):
            self._define(parameter, array[place])
        packed = EccParams(len(parameters), ctypes.cast(array, POINTER(EccParam)))
        self._call("BL_LoadTechnique", channel, file.encode(), packed, *ends, c_uint8(0))

    def start(self, channel: int) -> None:
        """Run the techniques of a channel."""
        self._call("BL_StartChannel", channel)

    def stop(self, channel: int) -> None:
        """Leave a channel at open circuit."""
        self._call("BL_StopChannel", channel)

    def data(self, channel: int) -> tuple[DataBlock | None, CurrentValues]:
        """Take the next rows out of a channel's memory; None where none wait."""
        words, infos, values = (c_uint32 * WORDS)(), DataInfos(), CurrentValues()
        self._call("BL_GetData", channel, words, byref(infos), byref(values))
        count = infos.rows * infos.columns
        if not 0 <= count <= WORDS:
            raise WireError(f"channel {channel}: wanted at most {WORDS} words, found {infos.rows} x {infos.columns}")
        if not count:
            return None, values
        rows = np.frombuffer(memoryview(words), dtype=np.uint32, count=count).copy()
        overload = bool(values.e_overflow or values.i_overflow or values.saturation)
        block = DataBlock(
            infos.technique,
            infos.process,
            infos.columns,
            infos.start,
            values.timebase,
            rows,
            infos.skipped > 0,
            overload,
        )
        return block, values

    def _define(self, parameter: EccValue, place: EccParam) -> None:
        label, index = parameter.label.encode(), c_int32(parameter.index)
        value = parameter.value
        if isinstance(value, bool):
            code = self._library.BL_DefineBoolParameter(label, c_uint8(value), index, byref(place))
        elif isinstance(value, int):
            code = self._library.BL_DefineIntParameter(label, c_int32(value), index, byref(place))
        else:
            code = self._library.BL_DefineSglParameter(label, c_float(value), index, byref(place))
        self._see(code, f"define {parameter.label}")

    def _call(self, name: str, channel: int, *arguments: Any) -> None:
        code = getattr(self._library, name)(c_int32(self._known()), c_uint8(channel), *arguments)
        self._see(code, f"{name} of channel {channel}")

    def _known(self) -> int:
        if self._id is None:
            raise Unreachable("EClib: not connected")
        return self._id

    def _see(self, code: int, what: str) -> None:
        """Raise what a code means; a connection that is lost is let go of.

        Raises:
            Unreachable: The connection is lost, or was never there.
            SettingRefused: The instrument does not take it as things are.
            WireError: Anything else.
        """
        if code == 0:
            return
        words = f"EClib: wanted to {what}, found {code}: {ERRORS.get(code, 'see the user guide')}"
        if code in LOST:
            self.disconnect()
            raise Unreachable(words)
        raise SettingRefused(words) if code in REFUSED else WireError(words)
