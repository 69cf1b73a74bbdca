from benchmarks.kinds.records import left_by
from benchmarks.kinds.redis import AT_ONCE, commands_of, counted_of

STATS = """\
# Commandstats\r
cmdstat_evalsha:calls=3,usec=90,usec_per_call=30.00,rejected_calls=0,failed_calls=0\r
cmdstat_hset:calls=20,usec=9,usec_per_call=0.45,rejected_calls=0,failed_calls=0\r
cmdstat_client|setinfo:calls=4,usec=1,usec_per_call=0.25,rejected_calls=0,failed_calls=0\r
cmdstat_time:calls=3,usec=1,usec_per_call=0.33,rejected_calls=0,failed_calls=0\r
"""


def test_commands_are_those_that_scripts_run() -> None:
    assert commands_of(STATS) == 23


def test_what_redis_took_is_told_with_how_much_a_core_of_it_does() -> None:
    counted = counted_of({"redis": [{"cpu_us": 40.0, "commands": 11.0}, {"cpu_us": 60.0, "commands": 11.0}]})
    assert (counted.cpu_us.median, counted.at_once) == (50.0, AT_ONCE)
    assert counted.lines[0].endswith("so 20,000 requests/s a core")


def test_a_request_leaves_an_intent_and_an_outcome() -> None:
    lines = [b'{"phase":"config"}\n', b'{"phase":"intent"}\n', b'{"phase":"outcome"}\n', b'{"phase":"heartbeat"}\n']
    assert left_by(lines) == (1, len(lines[1]) + len(lines[2]), 2)
