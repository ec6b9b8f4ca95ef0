"""The component: one class for each interface that the world in ../wit/actions.wit exports."""

from collections import Counter

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import Finding, Outcome, Verdict


class Greetings(exports.Greetings):
    def greet(self, name: str, excited: bool | None) -> str:
        if not name.strip():
            raise Err("there is nobody to greet: the name is empty")
        log.write(log.Level.INFO, f"greeting {name}")
        return f"hello {name}" + ("!" if excited else "")


class Checks(exports.Checks):
    def names_are_unique(self, names: list[str]) -> Verdict:
        twice = [name for name, count in Counter(names).items() if count > 1]
        return Verdict(
            outcome=Outcome.FAILED if twice else Outcome.PASSED,
            summary=f"{len(twice)} of {len(names)} names are there more than once",
            findings=[Finding(name, "it is there more than once", "rename one") for name in twice],
        )
