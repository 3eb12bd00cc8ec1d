"""The reranker of a running desk. A remote one goes by the rules of all models; what it cannot do is done without."""

from collections.abc import Sequence

from app.core.auth import Principal
from app.core.resources import Resources
from app.hosted.asking import Asked, rules_of
from app.inference.operations import Operation
from app.inference.privacy.pseudonyms import Pseudonyms
from app.inference.reranking import RERANKER, RemoteReranker, Reranker, remote_reranker, reranker_of

WAIT_SECONDS = 0.5
"""For a slot: somebody waits for the search, which is nearly as good without."""


class Guarded:
    """Around a remote one, for one person."""

    def __init__(self, resources: Resources, who: Principal, inner: RemoteReranker) -> None:
        self.name = inner.name
        self.passages, self.share = inner.passages, inner.share
        self._resources, self._who, self._inner = resources, who, inner

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Raises ModelBudgetSpent, ModelBusy while it rests, and what the port raises."""
        rules = await rules_of(self._resources)
        hidden = [query, *texts]
        if rules.safety.pseudonymise:
            # One for all, so that question and passage name a person alike.
            pseudonyms = Pseudonyms(regions=rules.safety.phone_regions)
            hidden = [pseudonyms.hidden(text) for text in hidden]
        seconds = self._resources.settings.reranker.timeout_seconds
        asked = Asked(self._resources, self._who, Operation.RERANK, self.name, RERANKER, seconds, WAIT_SECONDS)
        return (await asked.admitted(lambda: self._inner.ask(hidden[0], hidden[1:]), rules)).scores


def reranker_for(resources: Resources, who: Principal) -> Reranker | None:
    """None where none is configured."""
    remote = remote_reranker(resources.settings)
    return reranker_of(resources.settings) if remote is None else Guarded(resources, who, remote)
