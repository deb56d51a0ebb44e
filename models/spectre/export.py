"""Makes the bundle of SPECTRE: pip install -r requirements.txt; python export.py --out FOLDER"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
from making import main  # noqa: E402

if __name__ == "__main__":
    main(HERE)
