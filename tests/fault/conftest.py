"""Gathers what was tried, also from parallel runs, and prints it as a table at the end. It stands in fault.txt of the build directory, too."""

import pytest

from fault.trial import COUNT
from lib.host import BUILD


@pytest.fixture
def tell_points(record_property):
    """A test that tries points lets the others know how many."""
    COUNT.lines.clear()
    yield
    for name, line in COUNT.lines.items():
        record_property("points", [name, dict(line)])


class Gathered:
    """In the process that prints."""

    def __init__(self):
        self.count = type(COUNT)()

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties if report.when == "teardown" else []:
            if name == "points":
                for column, number in value[1].items():
                    self.count.add(value[0], column, number)

    def pytest_terminal_summary(self, terminalreporter):
        if not self.count.lines:
            return
        table = list(self.count.table())
        terminalreporter.section("points at which a fault was tried")
        for line in table:
            terminalreporter.write_line(line)
        (BUILD / "fault.txt").write_text("\n".join(table) + "\n")


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gathered())
