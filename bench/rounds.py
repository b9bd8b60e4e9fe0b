"""Take turns: every round asks every peer, so that a busy moment of the machine meets them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.proxies import DIRECT, Place
from bench.scenarios import WARM_UP, Extent, Measured, Round, Scenario


@dataclass(frozen=True)
class Outcome:
    """All rounds of a scenario: one mapping of peer to figures for each."""

    scenario: Scenario
    rounds: tuple[dict[str, Measured], ...]
    faults: tuple[str, ...]

    @property
    def measures(self) -> list[str]:
        """The names of the figures, in the order they are shown."""
        return list(next(iter(self.rounds[0].values())))

    def values(self, peer: str, measure: str) -> list[float]:
        """Return a peer's figure of each round; empty when it took no part."""
        return [r[peer][measure] for r in self.rounds if peer in r]

    def value(self, peer: str, measure: str) -> float | None:
        """Return the median of a peer's figure."""
        values = self.values(peer, measure)
        return median(values) if values else None

    def ratio(self, peer: str, others: Sequence[str], measure: str) -> float | None:
        """Return the median of the rounds' ratios of a peer to the best of ``others``."""
        if not all(self.values(name, measure) for name in (peer, *others)):
            return None
        best = [min(r[other][measure] for other in others) for r in self.rounds]
        mine = self.values(peer, measure)
        if min(best) <= 0:
            return None
        return median(m / b for m, b in zip(mine, best, strict=True))


def compare(
    place: Place, scenario: Scenario, peers: Sequence[str], rounds: int, extent: Extent
) -> Outcome:
    """Warm every peer, then measure them in turns; who begins moves on with each round."""
    asked = [*peers, *([DIRECT] if scenario.has_direct else [])]
    faults: list[str] = []
    if scenario.is_warmed:
        for peer in asked:
            scenario.run(Round(place, peer, WARM_UP, [], is_tls=scenario.is_tls))
    taken: list[dict[str, Measured]] = []
    for number in range(rounds):
        first = number % len(asked)
        order = asked[first:] + asked[:first]
        turns = (Round(place, p, extent, faults, is_tls=scenario.is_tls) for p in order)
        taken.append({turn.peer: scenario.run(turn) for turn in turns})
        print(f"  {scenario.name}: round {number + 1} of {rounds}", flush=True)
    return Outcome(scenario, tuple(taken), tuple(faults))
