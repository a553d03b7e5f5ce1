"""From a plan to tables."""

from __future__ import annotations

from vbte.instance import Instance
from vbte.plan import Plan
from vbte.policy import Realisation
from vbte.tables.drafts import documents
from vbte.tables.files import StoredDevices, Tables, encode, no_cycle_search
from vbte.tables.hop_by_hop import hop_by_hop, plain_igp
from vbte.tables.manifest import DeviceFacts, Publication, build_manifest, device_facts
from vbte.tables.realised import Realised
from vbte.tables.schema import RealisationName
from vbte.tables.source_routed import source_routed


def build_tables(plan: Plan, *, publication: Publication | None = None) -> Tables:
    """Return the tables of a plan in the realisation that its model asks for.

    With several demand matrices the tables serve all of them. Raises InputError when SIDs of the topology clash.
    """
    realisation = plan.instance.model.tables.realisation
    with no_cycle_search():
        realised = source_routed(plan) if realisation is Realisation.SOURCE_ROUTED else hop_by_hop(plan)
        return _finish(plan.instance, plan, realised, realisation.value, publication)


def igp_tables(instance: Instance, *, publication: Publication | None = None) -> Tables:
    """Return the baseline in the same form: hop by hop, equal-cost shortest paths, everything admitted."""
    with no_cycle_search():
        return _finish(instance, None, plain_igp(instance), "hop-by-hop", publication)


def _finish(
    instance: Instance,
    plan: Plan | None,
    realised: Realised,
    realisation: RealisationName,
    publication: Publication | None,
) -> Tables:
    encoded: dict[str, bytes] = {}
    facts: list[DeviceFacts] = []
    for table in documents(realised.drafts, instance.topology, instance.model, realisation):
        encoded[table["device"]] = encode(table)
        facts.append(device_facts(table, encoded[table["device"]]))
    manifest = build_manifest(instance, plan, realised, facts, publication or Publication())
    return Tables(manifest, StoredDevices(encoded), encoded)
