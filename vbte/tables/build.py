"""From a plan to tables."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from vbte.instance import Instance
from vbte.plan import Plan
from vbte.policy import Realisation
from vbte.tables.drafts import documents
from vbte.tables.files import Tables, encode_devices
from vbte.tables.hop_by_hop import hop_by_hop, plain_igp
from vbte.tables.manifest import Publication, build_manifest
from vbte.tables.realised import Realised
from vbte.tables.schema import RealisationName
from vbte.tables.source_routed import source_routed


def build_tables(plan: Plan, *, publication: Publication | None = None) -> Tables:
    """Return the tables of a plan in the realisation that its model asks for.

    With several demand matrices the tables serve all of them. Raises InputError when SIDs of the topology clash.
    """
    realisation = plan.instance.model.tables.realisation
    with _no_cycle_search():
        realised = source_routed(plan) if realisation is Realisation.SOURCE_ROUTED else hop_by_hop(plan)
        return _finish(plan.instance, plan, realised, realisation.value, publication)


def igp_tables(instance: Instance, *, publication: Publication | None = None) -> Tables:
    """Return the baseline in the same form: hop by hop, equal-cost shortest paths, everything admitted."""
    with _no_cycle_search():
        return _finish(instance, None, plain_igp(instance), "hop-by-hop", publication)


@contextmanager
def _no_cycle_search() -> Iterator[None]:
    """Keep the garbage collector off while hundreds of thousands of small records are made, none of them in a cycle.

    It would look through all of them again and again, which doubles the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _finish(
    instance: Instance,
    plan: Plan | None,
    realised: Realised,
    realisation: RealisationName,
    publication: Publication | None,
) -> Tables:
    devices = documents(realised.drafts, instance.topology, instance.model, realisation)
    encoded = encode_devices(devices)
    manifest = build_manifest(instance, plan, realised, devices, encoded, publication or Publication())
    return Tables(manifest, devices, encoded)
