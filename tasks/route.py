"""The router as this installation has it: its model, its cache, and what was asked and sent just before."""

import secrets
from collections.abc import Sequence
from functools import partial

from agents.guess import GatewayGuess
from agents.router import Router
from domains.intent import Routed, Turn
from domains.llm import Payer
from services import memory
from services.wiring import World
from tasks import count


def route(world: World, tenant_id: int, query: str, session: Sequence[Turn], *, request: str) -> Routed:
    """Return where ``query`` goes. ``session`` are the person's earlier turns; ``request`` names who pays a model.

    The digest that was just sent counts as a turn: a reader who asks for more leans on it.
    """
    now = world.clock.now()
    with world.database.transaction() as db:
        sent = memory.recent(db, tenant_id, now=now, kinds=("run_completed",), limit=1)
    told = [Turn(f"the {one.cause} of run {one.run}", "digest", one.at) for one in sent]
    gateway = world.gateways.open(Payer(tenant_id, request))
    model = GatewayGuess(gateway, partial(secrets.token_bytes, 16)) if gateway else None
    # One tenant's answers are no other's.
    memo = count.CountedCache(world.memo.below(f"tenant:{tenant_id}:"), world.meter, "router")
    router = Router(model=model, cache=memo)
    found = router.route(query, [*told, *session], now)
    count.routed(world.meter, found)
    return found
