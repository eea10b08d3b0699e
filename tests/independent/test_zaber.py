"""Zaber's own serial library against our emulated stage."""

from zaber.serial import AsciiDevice, AsciiSerial

from labctl_simulators.wire.zaber import ZaberStage


def test_zabers_own_library_drives_our_stage(bench):
    stage = ZaberStage()
    bench.speed = 100.0
    port = AsciiSerial(bench.serial(stage), timeout=5)
    device = AsciiDevice(port, 1)
    assert device.send("get pos").warning_flag == "WR"
    device.home()
    assert (device.get_position(), device.send("").warning_flag) == (0, "--")
    axis = device.axis(1)
    axis.move_abs(50000)
    assert axis.get_position() == 50000
    axis.move_rel(-1000)
    assert axis.get_position() == 49000
    assert axis.send("1 0 9 get maxspeed").data == "153600"
    refused = axis.send("move abs -1")
    assert (refused.reply_flag, refused.data) == ("RJ", "BADDATA")
    assert device.send("dance").data == "BADCOMMAND"
    axis.move_vel(1000)
    assert axis.get_status() == "BUSY"
    axis.stop()
    assert axis.get_status() == "IDLE"
    assert device.send("warnings").data == "01 NI"
    port.close()
