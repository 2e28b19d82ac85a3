"""Every wrong program of corpus/ raises the right class; the text has lines, operands and fix."""

import pytest
from corpus import building, dtypes, running, shapes  # noqa: F401  they register
from wrong import PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_message(program):
    with pytest.raises(program.error) as caught:
        program.run()
    message = str(caught.value)
    missing = [text for text in program.texts if text not in message]
    if program.names_line:
        lines = [*program.lines("WRONG"), *program.lines("MADE")]
        missing += [line for line in lines if line not in message]
    assert not missing, f"not in the message:\n{message}"


def test_there_are_enough():
    assert len(PROGRAMS) >= 60
