from typing import Any

import pytest


def _turn(number: int, scenario: str, contender: str, **figures: float) -> dict[str, Any]:
    return {
        "round": number, "scenario": scenario, "contender": contender, "load_average": 0.5, "figures": figures,
        "histograms": {"latency_us": {"1000": 5}},
    }  # fmt: skip


def _whole(number: int, contender: str, rate: float, p50: float) -> list[dict[str, Any]]:
    figures = {"rate": rate, "cpu_us": 1e6 / rate, "latency_p50": p50, "latency_p99": 2 * p50}
    return [_turn(number, scenario, contender, **figures) for scenario in ("whole c=1", "whole c=32")]


def _spread(median: float) -> dict[str, float]:
    return {"median": median, "low": median * 0.9, "high": median * 1.1}


@pytest.fixture
def raw() -> dict[str, Any]:
    """A small run, invented: two rounds, the second of which is twice as slow; in it litellm was not measured."""
    turns = [
        *_whole(0, "direct", 40_000, 0.02), *_whole(0, "bare", 8_000, 0.1), *_whole(0, "gateway chat", 2_600, 0.4),
        *_whole(0, "litellm", 100, 7.0),
        *_whole(1, "bare", 4_000, 0.2), *_whole(1, "gateway chat", 1_300, 0.8), *_whole(1, "direct", 20_000, 0.04),
        *(_turn(0, "stream c=32", name, token_rate=6400, cpu_us=cpu, first_p50=1.0, delay_p50=0.1)
          for name, cpu in (("direct", 10.0), ("bare", 20.0), ("gateway chat", 36.0))),
    ]  # fmt: skip
    return {
        "about": {
            "began": "2026-01-01T00:00:00+00:00", "python": "3.11.0", "interpreter": "CPython 3.11, optimised",
            "processor": "A processor", "processors": 2, "versions": {"splitgate": "0.1.0"}, "rounds": 2,
            "seconds": 1.0, "others": {"portkey": "1.0"}, "left_out": {"nginx": "not on this machine"},
        },
        "scenarios": [
            {"name": "whole c=1", "connections": 1, "body_bytes": 2048, "chunks": 0, "calls": False},
            {"name": "whole c=32", "connections": 32, "body_bytes": 2048, "chunks": 0, "calls": False},
            {"name": "stream c=32", "connections": 32, "body_bytes": 2048, "chunks": 100, "calls": False},
        ],
        "turns": turns,
        "skipped": [{"what": "whole c=256", "contender": "litellm", "why": "nothing was answered"}],
        "startup": {"starts": [{"server": "splitgate serve", "seconds": _spread(1.2), "times": [1.2]}], "aim_s": 1.5},
        "memory": {"rows": [
            {"process": "gateway.worker 1", "after": "start", "rss_mb": 300, "pss_mb": 200, "own_mb": 1},
            {"process": "gateway.worker 1", "after": "load", "rss_mb": 110, "pss_mb": 90, "own_mb": 80},
            {"process": "supervisor", "after": "load", "rss_mb": 500, "pss_mb": 500, "own_mb": 1},
        ], "aim_mb": 120},
        "bodies": {"threshold": 1.25, "contenders": [
            {"contender": name, "growth": growth, "linear": growth < 1.25, "rows": [
                {"bytes": size, "rate": _spread(1), "cpu_us": _spread(size * each), "ns_per_byte": _spread(each)}
                for size in (65536, 4_000_000)
            ]} for name, growth, each in (("bare", 1.0, 0.01), ("gateway", 1.5, 0.03))
        ]},
        "workers": {
            "rows": [
                {"workers": n, "rate": _spread(n * 2000), "cpu_us": _spread(500), "busiest": _spread(1)} for n in (1, 2)
            ],
            "measured": _spread(1.2), "by_cpu": _spread(1.9), "shared": True, "aim": 1.8,
        },
        "fsync": {key: _spread(value) for key, value in {
            "added_without": 0.3, "added_with": 1.5, "journal": 1.2, "append": 0.7, "append_p99": 3.0, "rest": 0.5,
        }.items()} | {"filesystem": "ext4"},
        "flood": {
            "connections": 32, "refusals": _spread(20_000), "cpu_us_per_refusal": _spread(40),
            "alone": {"p50": _spread(0.4), "p99": _spread(1)}, "flooded": {"p50": _spread(1.4), "p99": _spread(3)},
        },
        "records": {
            "requests": 10, "journal_bytes": 2400.0, "journal_records": 2.0, "request_bytes": 2256, "answer_bytes": 440,
        },
        "redis": {"limits": "requests", "at_once": 64, "cpu_us": _spread(60), "commands": _spread(11)},
        "rules": {"rows": [{"rules": 1, "rate": _spread(2000), "cpu_us": _spread(400)}], "us_per_rule": _spread(0.4)},
    }  # fmt: skip
