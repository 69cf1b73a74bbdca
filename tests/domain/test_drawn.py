"""Are names drawn once, in every thread and process?"""

import os
from concurrent.futures import ThreadPoolExecutor

from gateway.domain.drawn import drawn_digits


def test_names_are_128_bits_in_hexadecimal_digits() -> None:
    assert len(bytes.fromhex(drawn_digits())) == 16


def _many() -> list[str]:
    return [drawn_digits() for _ in range(2000)]


def test_no_name_is_drawn_twice_by_threads_that_draw_together() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawing = [pool.submit(_many) for _ in range(8)]
    drawn = [name for names in drawing for name in names.result()]
    assert len(set(drawn)) == len(drawn)


def test_a_forked_process_draws_its_own() -> None:
    drawn_digits()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, "".join([drawn_digits() for _ in range(100)]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        theirs = told.read()
    ours = {drawn_digits() for _ in range(1000)}
    assert not ours & {theirs[at : at + 32] for at in range(0, len(theirs), 32)}
