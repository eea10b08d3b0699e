"""The short form of rig S."""

from tests.crash.soak import soak


async def test_a_quarter_of_an_hour_of_mixed_channels_holds_no_more_at_its_end(tmp_path, seed):
    seen = await soak(tmp_path / "data", 12, 0.25, seed, speed=300.0)
    assert seen.wrong == []
    assert seen.rows > 0
    assert seen.orders > 0
