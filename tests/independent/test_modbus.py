"""pymodbus's client against our emulated chamber, and our driver against pymodbus's server, in both kinds of frames."""

import asyncio
import socket
import struct

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer

from labctl_drivers.chamber import Modbus
from labctl_simulators.wire.modbus import ACTUAL, LED_BY_HAND, MANUAL, MODE, WANTED, EmulatedModbus, words

FRAMERS = {False: FramerType.RTU, True: FramerType.SOCKET}


@pytest.mark.parametrize("tcp", FRAMERS)
def test_their_client_sets_and_reads_our_chamber(bench, tcp):
    device = EmulatedModbus(tcp=tcp)
    with ModbusTcpClient("127.0.0.1", port=bench.socket(device), framer=FRAMERS[tcp]) as client:
        assert not client.write_registers(MANUAL, words(60.0)).isError()
        assert not client.write_registers(MODE, [LED_BY_HAND]).isError()
        bench.began -= 1e4
        for register in (WANTED, ACTUAL):
            low, high = client.read_holding_registers(register, count=2).registers
            assert struct.unpack(">f", struct.pack(">HH", high, low))[0] == pytest.approx(60.0)
        assert client.read_holding_registers(3, count=1).isError()


@pytest.mark.parametrize("tcp", FRAMERS)
async def test_our_driver_sets_and_reads_their_server(tcp):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    block = ModbusSequentialDataBlock(1, [0] * 64)
    context = ModbusServerContext(devices=ModbusDeviceContext(hr=block), single=True)
    server = ModbusTcpServer(context, framer=FRAMERS[tcp], address=("127.0.0.1", port))
    serving = asyncio.create_task(server.serve_forever())
    driver = Modbus(
        f"socket://127.0.0.1:{port}",
        map="own",
        registers={"actual": 4, "wanted": 8, "set": 8, "mode": 12, "manual": 5},
        tcp=tcp,
    )
    try:
        for _ in range(200):
            try:
                await driver.open()
            except Exception:  # noqa: BLE001 - it does not listen yet
                await asyncio.sleep(0.02)
            else:
                break
        assert await driver._in_thread(lambda: driver.set(-12.5)) == -12.5
        assert (await driver.status("1")).text == "0.0 degC"
    finally:
        await driver.close()
        await server.shutdown()
        serving.cancel()
