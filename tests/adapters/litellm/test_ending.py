import pytest

from adapters.litellm.ending import Ending

SAID = [
    b'data: {"candidates": [{"content": {}, "finishReason": "STOP"}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\n',
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
    b"data: {}\r\n\r\ndata: [DONE]\r\n\r\n",
    b"data:[DONE]\n\n",
    b"\x00\x00\x00\x9a\x0b:event-type\x07\x00\x0bmessageStop\x0d:content-type",
    b'{"done":true,"done_reason":"stop"}\n',
    # Gemini's other form: one array, line by line.
    b'[{"candidates": [\n  {\n    "finishReason": "STOP"\n  }\n]\n}\n]',
    b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]},"finishReason":"STOP"}]}\r',
]
NOT_SAID = [
    b"",
    b'data: {"choices":[{"delta":{},"finish_reason":null}]}\n\n',
    b'data: {"text": "x,\\"finishReason\\": \\"STOP\\""}\n\n',
    b'data: {"text": "\\ndata: [DONE]"}\n\n',
    b'data: {"text": "data: [DONE]"}\n\n',
    b"[DONE]\n",
    b"messageStop",
    # What a model gives to a tool may be called like an ending.
    b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"finishReason":"STOP"}}}]}}]}\n\n',
    b'{"message":{"tool_calls":[{"function":{"arguments":{"a":[{"done_reason":"stop"}]}}}]},"done":false}\n',
    b'data: {"delta":{"tool_use":{"input":{"stop_reason":"end_turn"}}}}\n\n',
    b'data: {"tool_calls":[{"parameters":{"finish_reason":"COMPLETE"}}]}\n\n',
]


@pytest.mark.rows
@pytest.mark.parametrize(("stream", "said"), [*[(one, True) for one in SAID], *[(one, False) for one in NOT_SAID]])
def test_whether_a_stream_is_at_its_end_is_seen_wherever_it_is_cut(stream: bytes, *, said: bool) -> None:
    for cut in range(len(stream) + 1):
        ending = Ending()
        ending.feed(stream[:cut])
        ending.feed(stream[cut:])
        ending.finish()
        assert ending.said is said
    ending = Ending()
    for byte in stream:
        ending.feed(bytes([byte]))
    ending.finish()
    assert ending.said is said


def test_an_ending_whose_line_is_cut_off_was_not_said() -> None:
    ending = Ending()
    ending.feed(b'data: {"choices":[{"finish_reason":"stop"')
    assert not ending.said
    ending.feed(b"}]}\n")
    assert ending.said
