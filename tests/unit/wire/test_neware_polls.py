"""What a poll of many channels of a Neware cycler reads at once: the same bits as one channel after the other, and nothing that is damaged."""

import asyncio
import random
from copy import deepcopy
from dataclasses import fields

import pytest

from labctl.driver import Bounds, Galvanostatic, Loop, Potentiostatic, Program, ProgramStep, RecordRule, Rest, Threshold
from labctl.errors import WireError
from labctl.sample import Batch, ChannelRows
from labctl_drivers.neware.conversation import Conversation
from labctl_drivers.neware.records import Draining, take_records
from labctl_drivers.neware.replies import END, parsed, records_at_once, records_in, states_in
from labctl_drivers.neware.steady import take_steadily

# a reply of BTS 8 in the shape of those that were captured: a space before the end of an element, and `auxid` in the echo
DOWNLOAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\r\n<bts version="1.0">\r\n  <cmd>donwload_resp</cmd>\r\n'
    '  <download devtype="27" devid="21" subdevid="1" chlid="1" testid="143" startpos="{first}" count="1000" auxid="0" />\r\n'
    "{records}</bts>\n\n#\r\n"
)
RECORD = (
    '    <data seqid="{}" stepid="{}" cycleid="{}" steptype="dc" testtime="{}" atime="2025-12-28 22:29:05" volt="{:.15g}" '
    'curr="{:.15g}" cap="{:.15g}" eng="{:.15g}" />\r\n'
)
STATES = (
    b'<?xml version="1.0" encoding="UTF-8" ?>\n<bts version="1.0">\n<cmd>getchlstatus_resp</cmd>\n<list count="3">\n'
    b'<status ip="127.0.0.1" devtype="22" devid="3" subdevid="2" chlid="8" reservepause="0" >working</status>\n'
    b'<status ip="127.0.0.1" devtype="22" devid="3" subdevid="1" chlid="6" reservepause="0" >stop</status>\n'
    b'<status ip="127.0.0.1" devtype="22" devid="3" subdevid="1" chlid="3" reservepause="0" >finish</status>\n'
    b"</list>\n</bts>\n\n#\r\n"
)
BOUNDS = Bounds(voltage=(-4.2, 4.2), current=(-2.0, 2.0))
ACCEPTED = ("donwload_resp",)


def download(first, rows):
    body = "".join(RECORD.format(*row) for row in rows)
    listed = f'  <list count="{len(rows)}">\r\n{body}  </list>\r\n' if rows else '  <list count="0" />\r\n'
    return DOWNLOAD.format(first=first, records=listed).encode()


def program(*rules):
    def step(line, mode, *ends):
        return ProgramStep(line, mode, ends, rules, BOUNDS)

    high = Threshold("voltage", above=True, value=4.0, number=0)
    return Program(
        1,
        (
            step(1, Galvanostatic(-0.5)),
            step(2, Rest()),
            step(3, Galvanostatic(0.5), high),
            step(4, Potentiostatic(4.0, 0.5), Threshold("current", above=False, value=0.05, number=0)),
            Loop(to=0, passes=50),
        ),
    )


class Course:
    """Records of one channel, as they come."""

    def __init__(self, random_):
        self.random = random_
        self.last, self.step, self.cycle, self.since, self.cap, self.eng = 0, 1, 1, 0, 0.0, 0.0

    def rows(self, count):
        draw, rows = self.random, []
        for _ in range(count):
            self.last += 1
            if draw.random() < 0.02:
                self.step, self.cycle = (self.step + 1, self.cycle) if self.step < 4 else (1, self.cycle + 1)
                self.since, self.cap, self.eng = 0, 0.0, 0.0
            elif self.last > 1:
                self.since += draw.choice((0, 500, 500, 1000))
            current = {1: -0.5, 2: 0.0, 3: 0.5, 4: draw.uniform(0.05, 0.5)}[self.step] * draw.choice(
                (1.0, 1.0, 1.0, -1.0)
            )
            volt = draw.uniform(-0.2, 4.1)
            self.cap += abs(current) * draw.random() / 3600
            self.eng += abs(volt * current) * draw.random() / 3600
            rows.append((self.last, self.step, self.cycle, self.since, volt, current, self.cap, self.eng))
        return rows


def columns(batch):
    return [
        (item.name, value if isinstance(value := getattr(batch, item.name), int | dict | None) else value.tobytes())
        for item in fields(Batch)
    ]


def carried(draining):
    return [getattr(draining, item.name) for item in fields(draining) if item.name not in {"found", "waiting"}]


@pytest.mark.parametrize("seed", range(8))
def test_what_goes_on_in_all_channels_at_once_has_the_bits_of_one_after_the_other(seed):
    draw = random.Random(seed)
    every, thinned = program(RecordRule(every=1.0)), program(RecordRule(every=1.0, until=5.0), RecordRule(every=60.0))
    together = [Draining(draw.choice((every, every, thinned)), after=draw.choice((-1.0, -1.0, 4.2))) for _ in range(12)]
    alone = deepcopy(together)
    courses = [Course(draw) for _ in together]
    steady = 0
    for _ in range(40):
        blocks = [course.rows(draw.choice((0, 3, 5, 5, 5, 6))) for course in courses]
        replies = [download(1, rows) for rows in blocks]
        found = records_at_once(replies)
        assert found is not None
        assert found.counts == [len(rows) for rows in blocks]
        rows, others = take_steadily(found, [str(at) for at in range(len(together))], together)
        for at, (draining, one, reply) in enumerate(zip(together, alone, replies, strict=True)):
            if blocks[at]:
                take_records(records_in(parsed(reply, ACCEPTED)), one)
            if at in others:
                take_records(found.of(at), draining)
            taken = [] if rows is None or str(at) not in rows.channels else [rows.of(rows.channels.index(str(at)))]
            assert list(map(said, [*draining.found, *taken])) == list(map(said, one.found))
            assert carried(draining) == carried(one)
            steady += sum(map(len, taken))
            draining.found.clear()
            one.found.clear()
    assert steady > 500


def said(reading):
    return columns(reading) if isinstance(reading, Batch) else reading


def test_rows_of_several_replies_are_joined_channel_by_channel():
    readers = [Draining(program()) for _ in range(3)]
    for reader in readers:
        take_records(records_in(parsed(download(1, [(1, 1, 1, 0, 3.0, -0.5, 0.0, 0.0)]), ACCEPTED)), reader)
        reader.found.clear()
    rows = [(2, 1, 1, 500, 3.1, -0.5, 1e-4, 3e-4), (3, 1, 1, 1000, 3.2, -0.5, 2e-4, 6e-4)]
    parts = [
        take_steadily(records_at_once([download(2, rows[:count])]), [name], [reader])[0]
        for name, reader, count in zip("abc", readers, (1, 2, 1), strict=True)
    ]
    whole = ChannelRows.joined(parts)
    assert whole.channels == ("a", "b", "c")
    assert [whole.of(place).time.tolist() for place in range(3)] == [[0.5], [0.5, 1.0], [0.5]]
    assert columns(whole.of(1)) == columns(parts[1].of(0))


GOOD = download(1, [(1, 1, 1, 0, 3.7, -0.5, 0.001, 0.0037), (2, 1, 1, 500, 3.6, -0.5, 0.002, 0.0074)])


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (b'volt="3.7"', b'volt="3,7"'), (b'volt="3.7"', b'volt="nan"'), (b'volt="3.7"', b'volt="1e999"'),
        (b'volt="3.7"', b'volt=""'), (b'volt="3.7"', b'volt="0x1"'), (b'volt="3.7" ', b""), (b'volt="3.7"', b"volt=3.7"),
        (b"</list>", b"</lost>"), (b"</bts>", b""), (b"donwload_resp", b"inquire_resp"), (b"<data seqid", b"<data<seqid"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_no_record_and_an_error_of_ours(what, instead):
    damaged = GOOD.replace(what, instead, 1)
    assert damaged != GOOD
    assert records_at_once([GOOD, damaged]) is None
    with pytest.raises(WireError):
        records_in(parsed(damaged, ACCEPTED))


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (b'seqid="1" stepid="1"', b'stepid="1" seqid="1"'), (b"    <data", b"<!-- a word --><data"), (b'"dc"', b'"&#x5145;"'),
        (b'volt="3.7"', b'volt="+3.7"'), (b"/>\r\n    <data", b"></data>\r\n    <data"),
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_left_to_the_parser(what, instead):
    other = GOOD.replace(what, instead, 1)
    assert other != GOOD
    assert records_at_once([GOOD, other]) is None
    assert len(records_in(parsed(other, ACCEPTED))) == 2


def test_states_are_read_in_their_order():
    assert states_in(STATES) == ["working", "stop", "finish"]
    assert states_in(STATES.replace(b"stop<", b"st<!-- -->op<")) == ["working", "stop", "finish"]
    with pytest.raises(WireError):
        states_in(STATES.replace(b'chlid="6"', b"chlid=6"))


# --- one request at a time --------------------------------------------------------------------------------------------


class Peer:
    """The other end: answers each request, however the replies are cut into packets, and notes what came between two of them."""

    def __init__(self, size=64, more=b""):
        self.size, self.more = size, more
        self.came: list[bytes] = []

    async def serve(self, reader, writer):
        while request := await reader.read(65536):
            self.came.append(request)
            reply = b"reply to " + request.removesuffix(END) + bytes(b"." * 300) + END + self.more
            for begin in range(0, len(reply), self.size):
                writer.write(reply[begin : begin + self.size])
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()


async def asked(peer, requests, **more):
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    try:
        loop = asyncio.get_running_loop()
        port = server.sockets[0].getsockname()[1]
        _, conversation = await loop.create_connection(lambda: Conversation(END, 4096), "127.0.0.1", port)
        try:
            return await conversation.ask(requests, **{"within": 5.0, "most": 10**6, **more})
        finally:
            conversation.close()
            await asyncio.sleep(0)
    finally:
        server.close()
        await server.wait_closed()


REQUESTS = [b"%d" % number + END for number in range(40)]


@pytest.mark.parametrize("size", [7, 311, 312, 100_000])
async def test_the_next_request_goes_out_when_the_reply_before_it_is_whole(size):
    peer = Peer(size)
    replies = await asked(peer, REQUESTS)
    assert peer.came == REQUESTS
    assert [reply.partition(b".")[0] for reply in replies] == [b"reply to %d" % number for number in range(40)]


async def test_no_more_is_asked_once_the_replies_are_very_many():
    peer = Peer()
    assert len(await asked(peer, REQUESTS, most=1000)) == 4
    assert peer.came == REQUESTS[:4]


async def test_what_nobody_asked_for_ends_the_conversation():
    with pytest.raises(OSError, match="nobody asked for"):
        await asked(Peer(100_000, b"more" + END), REQUESTS)
    assert len(await asked(Peer(100_000, b"\r\n"), REQUESTS[:1])) == 1


async def test_a_reply_longer_than_any_ends_the_conversation():
    with pytest.raises(OSError, match="more than 4096 bytes"):
        await asked(Peer(100_000, b""), [b"x" * 5000 + END])


async def test_a_reply_that_does_not_come_is_waited_for_no_longer_than_it_may():
    class Silent(Peer):
        async def serve(self, reader, writer):
            await reader.read(65536)
            await reader.read(65536)
            writer.close()

    with pytest.raises(TimeoutError):
        await asked(Silent(), REQUESTS, within=0.05)


async def test_a_peer_that_floods_an_idle_line_is_cut_off_and_fills_no_memory():
    lost = asyncio.Event()

    async def flood(_, writer):
        try:
            while not writer.is_closing():
                writer.write(bytes(65536))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            lost.set()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    loop, port = asyncio.get_running_loop(), server.sockets[0].getsockname()[1]
    _, conversation = await loop.create_connection(lambda: Conversation(END, 4096), "127.0.0.1", port)
    async with asyncio.timeout(10.0):
        await lost.wait()
    with pytest.raises(OSError, match="closed"):
        await conversation.ask(REQUESTS, 5.0, 10**6)
    server.close()
    await server.wait_closed()
