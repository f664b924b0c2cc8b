"""The classifiers as torch modules, one file each, built from the configs in `recipes.py`."""
