"""Write the golden tables anew: ``python tests/tables/regenerate_golden.py``. Look at the diff before keeping them."""

from table_toys import GOLDEN, diamond

from vbte.policy import Realisation
from vbte.tables.build import build_tables
from vbte.tables.files import tables_to_files


def golden_files() -> dict[str, bytes]:
    """Return file name in ``golden`` -> content, for both realisations of the diamond."""
    files = {}
    for realisation in Realisation:
        for name, content in tables_to_files(build_tables(diamond(realisation))).items():
            files[f"{realisation.value}.{name.removeprefix('tables/').replace('/', '.')}"] = content
    return files


if __name__ == "__main__":
    for name, content in golden_files().items():
        (GOLDEN / name).write_bytes(content)
