"""What the alarms keep: it grows with what is on its way, not with the years."""

from labctl.store.notices import KEPT, Notices, OutboxMessage

DAY = 86400.0
A_DAY = 100  # messages: an awkward station
EVERY = 10  # days: what is not written is counted as if it were
LARGEST = 50e6  # bytes


def test_a_year_of_messages_stays_small_and_what_went_long_ago_is_gone(tmp_path):
    text = "A1 tripped: voltage 4.31 V beyond 4.3 V\n" * 12
    with Notices(tmp_path) as notices:
        notices._base.execute("PRAGMA synchronous = OFF")  # what a disk takes for it is no matter here
        for day in range(0, 365, EVERY):
            now = day * DAY
            made = [
                OutboxMessage(f"{day}-{number}", "lab", now, "page", "[bench] A1 tripped", text)
                for number in range(A_DAY)
            ]
            notices.store(day, "{}", made, 0, now)
            for message in made:
                notices.went(message, now)
        kept = notices.messages(1_000_000)
    assert EVERY * len(kept) <= A_DAY * (KEPT / DAY + 2 * EVERY)
    assert EVERY * sum(file.stat().st_size for file in tmp_path.glob("notices.db*")) < LARGEST
